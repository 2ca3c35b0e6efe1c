"""How many items are computed at a time: a budget at first, fewer when memory runs out."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from ld_portrait_20k.common.memory import is_out_of_memory
from ld_portrait_20k.errors import PortraitError

LOGGER = logging.getLogger(__name__)

DEVICE_SHARE = 0.25
"""Share of a GPU's memory for one step of decoding: a cautious guess, not measured."""

CPU_BUDGET = 96 << 20
"""Bytes for one step of decoding on a CPU.

A CPU gains from batching only while the activations stay near its caches. Measured: eight
passes of 64 px at once take 0.6 of the time that they take one by one, four passes of 256 px
take 1.2 of it.
"""


def default_budget(device: torch.device) -> int:
    """Bytes of activations that one step of decoding may take on a device.

    A share of the device's whole memory, not of what is free now, so that a machine always
    computes in the same batches and gives the same bytes.
    """
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory * DEVICE_SHARE)
    return CPU_BUDGET


def most_by_index(values: int) -> int:
    """How many items of ``values`` values fit a tensor that is indexed in 32 bits.

    CUDA kernels for channels-last tensors count elements in 32 bits (PyTorch issue 141831).
    """
    return max(1, (2**31 - 1) // max(values, 1))


def even(left: int, fit: int) -> int:
    """How many of ``left`` items to take now, where at most ``fit`` go together.

    Takes as few steps as possible and makes them equal, because a last step of another size
    would make a compiled network compile again.
    """
    return -(-left // -(-left // fit))


class Room:
    """How many items of a kind are computed at a time.

    Args:
        name: What computes them, for messages.
        budget: Bytes that they may take together; the device's default where None.
        last_resort: Called when memory runs out with a single item, to make it need less.
            Returns False if it cannot need less; then, and without a last resort, running
            out is an error.

    Attributes:
        limit: Most items at a time since memory ran out; None if it has not.
    """

    def __init__(
        self,
        name: str,
        budget: int | None = None,
        last_resort: Callable[[], bool] | None = None,
    ) -> None:
        self.name = name
        self.budget = budget
        self.limit: int | None = None
        self._last_resort = last_resort
        self._said: set[str] = set()
        self._stale = False

    def count(self, each: int, default: int) -> int:
        """How many items of ``each`` bytes to compute at a time, at least one."""
        fit = max(1, (default if self.budget is None else self.budget) // max(each, 1))
        return fit if self.limit is None else min(fit, self.limit)

    @contextmanager
    def attempt(self, each: int, default: int, most: int | None = None) -> Iterator[int]:
        """Try a step; when memory runs out, drop the step and halve the next one.

        The caller loops until its work is done. It stores results at the end of the block,
        so that a dropped step leaves none.

        Args:
            each: Bytes that an item takes.
            default: The budget where none was given.
            most: Most items to compute at a time.

        Yields:
            How many items to compute now.

        Raises:
            PortraitError: Memory ran out with a single item.
        """
        if self._stale:
            # Not earlier: while the error was handled, its frames held the step's tensors.
            self._stale = False
            # From Python 3.12 on contextlib leaves the error in a cycle with its own frame.
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        count = self.count(each, default)
        if most is not None:
            count = min(count, most)
        try:
            yield count
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if count == 1:
                if self._last_resort is None or not self._last_resort():
                    raise PortraitError(
                        f"out of memory in the {self.name} with one picture at a time; "
                        "try: a smaller --size, --dtype float16, or a device with more memory"
                    ) from error
                self._say_once("one picture", "tiling it")
            else:
                self._say_once(f"{count} at a time", f"going on with {count // 2}")
            self._stale = True
            self.limit = max(1, count // 2)

    def _say_once(self, with_what: str, then: str) -> None:
        kind = then.partition(" ")[0]
        if kind not in self._said:
            self._said.add(kind)
            LOGGER.warning("out of memory in the %s with %s: %s", self.name, with_what, then)
