"""What an earlier pass over a matte found already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

Found = TypeVar("Found")


class Earlier:
    """Results of steps, which further passes take where their inputs are the same again.

    A matte that is right but for a few pixels is gone over again until nothing changes. Its
    background and its border are the same each time, and to measure distances from them takes a
    fifth of a pass.

    Attributes:
        damaged: Whether the matte was damaged in an earlier pass.
        raised: Whether an earlier pass raised levels.
    """

    def __init__(self) -> None:
        """Know nothing."""
        self.damaged = self.raised = False
        self._found: dict[str, tuple[tuple[Any, ...], Any]] = {}

    def of(self, step: str, inputs: tuple[Any, ...], find: Callable[[], Found]) -> Found:
        """The result of a step, of which only the last is kept.

        Args:
            step: Its name.
            inputs: All that the result depends on: masks, arrays, numbers. None may be changed
                afterwards, and neither may the result.
            find: Does the step.
        """
        if step in self._found:
            before, found = self._found[step]
            if all(map(_same, before, inputs)):
                return found
            del self._found[step]  # or there would be two at once
        found = find()
        self._found[step] = inputs, found
        return found

    def forget(self) -> None:
        """Give all memory back."""
        self._found.clear()


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return one is other or np.array_equal(one, other)
    return bool(one == other)
