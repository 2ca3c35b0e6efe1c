"""Cells: what is trained on what, frozen and hashed; a file for each result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ld_portrait_20k.common.files import write_bytes
from ld_portrait_20k.errors import PortraitError

METHOD: Final = 1
"""Raised when the same description would come to other figures; results of before are redone."""

FOLDER: Final = "cells"


@dataclass(frozen=True, slots=True)
class DataRef:
    """Data as a cell names them.

    Attributes:
        name: For tables.
        where: Folder or source text, relative to the work folder where it lies in it.
        fingerprint: Hash of the content; the place does not count.
        samples: How many there are.
    """

    name: str
    where: str
    fingerprint: str
    samples: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One model to be trained and tested.

    Attributes:
        data: What it is trained on.
        steps: Optimiser steps.
        seed: Of its weights and of every draw: cells with the same seed are a pair.
        recipe: The other settings, equal for all cells of a study: fields of
            :class:`~..training.config.TrainingConfig`, ``network`` (the network's
            configuration, empty for the model's own), ``threads`` and ``backgrounds``
            (their fingerprint).
        tests: What it is tested on.
    """

    data: DataRef
    steps: int
    seed: int
    recipe: Mapping[str, Any]
    tests: tuple[DataRef, ...]

    @property
    def training_hash(self) -> str:
        """Hash of what decides the weights: 16 hex digits."""
        return _hash({
            "method": METHOD, "data": self.data.fingerprint, "steps": self.steps,
            "seed": self.seed, "recipe": dict(self.recipe),
        })  # fmt: skip

    @property
    def hash(self) -> str:
        """Hash of what decides the figures: 16 hex digits."""
        tests = [[test.name, test.fingerprint] for test in self.tests]
        return _hash({"training": self.training_hash, "tests": tests})

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Cell:
        """The cell of :meth:`to_dict`."""
        tests = tuple(DataRef(**test) for test in plain["tests"])
        return cls(DataRef(**plain["data"]), plain["steps"], plain["seed"], plain["recipe"], tests)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cell stands in a table; one cell may stand in several.

    Attributes:
        table: ``source``, ``capacity``, ``datasets`` or ``refinement``.
        arm: What the table compares.
        protocol: ``recomposited`` (the arm's own foreground and alpha over new backgrounds),
            ``in place`` (the true picture with the arm's alpha as label), ``equal steps`` or
            ``equal epochs``.
        fraction: Share of the data, 0..1.
        cell: The cell.
    """

    table: str
    arm: str
    protocol: str
    fraction: float
    cell: Cell

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Place:
        """The place of :meth:`to_dict`."""
        return cls(**{**plain, "cell": Cell.from_dict(plain["cell"])})


def distinct(places: list[Place]) -> list[Cell]:
    """The cells of all tables, each once, in the order of the tables."""
    found: dict[str, Cell] = {}
    for place in places:
        found.setdefault(place.cell.hash, place.cell)
    return list(found.values())


def cell_folder(work: Path, cell: Cell) -> Path:
    """The folder of a cell's model; cells that differ in their test sets alone share it."""
    return work / FOLDER / cell.training_hash


def result_path(work: Path, cell: Cell) -> Path:
    """The file of a cell's result; it is whole or absent."""
    return cell_folder(work, cell) / f"result-{cell.hash}.json"


def write_result(work: Path, cell: Cell, result: Mapping[str, Any]) -> None:
    """Write a cell's result, the last thing that is done for it."""
    text = json.dumps({"hash": cell.hash, "cell": cell.to_dict(), **result}, indent=1)
    write_bytes(result_path(work, cell), (text + "\n").encode())


def read_result(work: Path, cell: Cell) -> dict[str, Any] | None:
    """A cell's result; None if it is not done.

    Raises:
        PortraitError: The file is no result of this cell.
    """
    path = result_path(work, cell)
    try:
        result = json.loads(path.read_text())
        if result["hash"] != cell.hash or not isinstance(result["tests"], dict):
            raise ValueError("of another cell")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise PortraitError(f"{path}: no result ({problem}); try: remove it") from problem
    return dict(result)


def _hash(plain: Mapping[str, Any]) -> str:
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
