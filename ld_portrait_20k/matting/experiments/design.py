"""Which cells a study has, table by table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ld_portrait_20k.matting.experiments.cells import Cell, DataRef, Place
from ld_portrait_20k.matting.experiments.preparing import Prepared
from ld_portrait_20k.matting.experiments.settings import Settings

RECOMPOSITED = "recomposited"
IN_PLACE = "in place"
EQUAL_STEPS = "equal steps"
EQUAL_EPOCHS = "equal epochs"


def design(chosen: Settings, prepared: Prepared) -> list[Place]:
    """Every place of every table, seed by seed, so that whole rows are done early.

    Cells that stand in several tables (all refined mattes, all steps) are the same cell.
    """
    recipe = {**(chosen.recipe or {}), "backgrounds": prepared.backgrounds}
    return [
        Place(table, arm, protocol, fraction,
              Cell(data, steps, seed, recipe, tuple(prepared.tests)))
        for seed in range(chosen.seeds)
        for table in chosen.tables
        for arm, protocol, fraction, data, steps in _rows(table, chosen, prepared)
    ]  # fmt: skip


def _rows(
    table: str, chosen: Settings, prepared: Prepared
) -> Iterator[tuple[str, str, float, DataRef, int]]:
    steps = chosen.steps
    if table == "source":
        for protocol, arms in ((RECOMPOSITED, prepared.arms), (IN_PLACE, prepared.in_place)):
            for arm, data in arms.items():
                yield arm, protocol, 1.0, data, steps
    elif table == "capacity":
        for fraction, data in prepared.fractions.items():
            yield "refined", EQUAL_STEPS, fraction, data, steps
        for fraction, data in prepared.fractions.items():
            yield "refined", EQUAL_EPOCHS, fraction, data, max(1, round(fraction * steps))
    elif table == "datasets":
        yield "ours", EQUAL_STEPS, 1.0, prepared.arms["refined"], steps
        for data in prepared.rivals:
            yield data.name, EQUAL_STEPS, 1.0, data, steps
    else:
        for arm, data in prepared.parts.items():
            yield arm, RECOMPOSITED, 1.0, data, steps


def describe(chosen: Settings) -> dict[str, Any]:
    """The recipe for a person, without what is empty."""
    recipe = dict(chosen.recipe or {})
    return {key: value for key, value in recipe.items() if value not in ({}, "", None)}
