"""The study on disk: its places, data and command, in ``study.json``; results beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ld_portrait_20k.common.files import write_bytes
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.experiments.cells import Cell, Place, distinct, read_result
from ld_portrait_20k.matting.experiments.preparing import Prepared
from ld_portrait_20k.matting.experiments.settings import Settings

FILE_NAME: Final = "study.json"
WORK: Final = ".work"


@dataclass(frozen=True, slots=True)
class Study:
    """A study that is prepared.

    Attributes:
        output: The report's folder; data, models and results lie in ``.work`` below it.
        places: Every row of every table.
        settings: :meth:`.settings.Settings.to_dict`.
        matte_errors: Arm to region to metric to one value a foreground.
        notes: What a reader must know of the data.
        command: The command line.
    """

    output: Path
    places: list[Place]
    settings: Mapping[str, Any]
    matte_errors: Mapping[str, Any]
    notes: list[str]
    command: str

    @property
    def work(self) -> Path:
        """The work folder."""
        return self.output / WORK

    @property
    def cells(self) -> list[Cell]:
        """Every cell once."""
        return distinct(self.places)

    def results(self) -> dict[str, dict[str, Any]]:
        """The finished cells' results by hash."""
        found = {cell.hash: read_result(self.work, cell) for cell in self.cells}
        return {name: result for name, result in found.items() if result is not None}

    def save(self) -> None:
        """Write ``study.json``."""
        plain = {
            "settings": self.settings, "command": self.command, "notes": self.notes,
            "matte_errors": self.matte_errors,
            "places": [place.to_dict() for place in self.places],
        }  # fmt: skip
        write_bytes(self.work / FILE_NAME, (json.dumps(plain, indent=1) + "\n").encode())


def new_study(
    output: Path, chosen: Settings, prepared: Prepared, places: list[Place], command: str
) -> Study:
    """The study of prepared data."""
    return Study(
        output, places, json.loads(json.dumps(chosen.to_dict())),
        prepared.matte_errors, prepared.notes, command,
    )  # fmt: skip


def load_study(output: Path) -> Study:
    """The study of a report's folder.

    Raises:
        PortraitError: There is none, or it cannot be read.
    """
    path = output / WORK / FILE_NAME
    try:
        plain = json.loads(path.read_text())
        places = [Place.from_dict(place) for place in plain["places"]]
        return Study(output, places, plain["settings"], plain["matte_errors"], plain["notes"],
                     plain["command"])  # fmt: skip
    except FileNotFoundError as problem:
        raise PortraitError(
            f"{output}: no study is prepared there; try: the same command with --prepare-only"
        ) from problem
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise PortraitError(f"{path}: no study ({problem}); try: remove it") from problem
