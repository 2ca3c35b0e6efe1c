"""Finished cells as rows, and ``cells.csv``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ld_portrait_20k.matting.experiments.cells import Place
from ld_portrait_20k.matting.experiments.study import Study

COLUMNS: Final = (
    "table", "arm", "fraction", "seed", "steps", "test", "sad", "mse", "mad", "grad", "conn",
    "protocol", "cell",
)  # fmt: skip
SCALE: Final = {"sad": 1.0, "mse": 1e3, "mad": 1e3, "grad": 1.0, "conn": 1.0}
"""By how much figures are multiplied in the report, as papers do; SAD, Grad and Conn are in
thousands already. ``cells.csv`` is not multiplied."""


@dataclass(frozen=True, slots=True)
class Row:
    """One cell at one place on one test set.

    Attributes:
        place: Where it stands.
        test: Name of the test set.
        figures: Metric to mean error over the test's pictures, in the region where the model is
            judged.
    """

    place: Place
    test: str
    figures: Mapping[str, float]


def rows(study: Study) -> list[Row]:
    """All rows of finished cells, in the order of the tables."""
    results = study.results()
    order = {name: number for number, name in enumerate(study.settings["tables"])}
    places = sorted(study.places, key=lambda place: order[place.table])
    return [
        Row(place, test.name, _figures(results[place.cell.hash], test.name))
        for place in places
        if place.cell.hash in results
        for test in place.cell.tests
    ]


def by_seed(found: Iterable[Row], metric: str) -> dict[int, float]:
    """Seed to a metric, scaled as in the report."""
    return {row.place.cell.seed: row.figures[metric] * SCALE[metric] for row in found}


def comma_separated(found: Iterable[Row]) -> str:
    """``cells.csv``: a row a cell and test set."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in found:
        place, cell = row.place, row.place.cell
        figures = [f"{row.figures[metric]:.6g}" for metric in SCALE]
        writer.writerow([place.table, place.arm, f"{place.fraction:g}", cell.seed, cell.steps,
                         row.test, *figures, place.protocol, cell.hash])  # fmt: skip
    return text.getvalue()


def _figures(result: Mapping[str, Any], test: str) -> dict[str, float]:
    return {metric: float(result["tests"][test][metric]) for metric in SCALE}
