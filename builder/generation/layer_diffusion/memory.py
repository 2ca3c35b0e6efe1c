"""How much is computed at a time: a budget to start with, less when memory runs out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from ld_portrait_20k.errors import PortraitError

LOGGER = logging.getLogger(__name__)

DEVICE_SHARE = 0.25
# A processor gains from batching only as long as the activations stay near its caches:
# measured, eight 64 px passes at once take 0.6 of their time one by one, four 256 px
# passes take 1.2 of it.
CPU_BUDGET = 96 << 20


def default_budget(device: torch.device) -> int:
    """Bytes of activations that one step of decoding may take on a device.

    A share of the device's whole memory rather than of what is free now: the same machine
    then always computes in the same batches, and so gives the same bytes.
    """
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory * DEVICE_SHARE)
    return CPU_BUDGET


def most_by_index(values: int) -> int:
    """How many items of so many values fit a tensor that 32-bit indices reach.

    CUDA kernels for channels-last tensors count elements in 32 bits (PyTorch issue 141831).
    """
    return max(1, (2**31 - 1) // max(values, 1))


def even(left: int, fit: int) -> int:
    """How many of ``left`` items to take now, where at most ``fit`` go together.

    As few steps as possible, all alike: a last step of another size would make a compiled
    network compile again.
    """
    return -(-left // -(-left // fit))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device, or the machine, has no memory left."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in text
        or "can't allocate memory" in text
        # How cuBLAS and cuDNN say it of their own workspaces.
        or "_status_alloc_failed" in text
    )


class Room:
    """How many items of a kind are computed at a time.

    Args:
        name: What is computed, for messages.
        budget: Bytes they may take together; the default of the device where None.
        last_resort: Called when memory runs out with a single item, to make it need less;
            False says that it cannot need less than it did. That, or no last resort, is an
            error.

    Attributes:
        limit: The most at a time since memory ran out; None as long as it has not.
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
        """Try a step; when memory runs out, swallow that and halve the next attempt.

        The caller loops until its work is done, and takes note of results as the last thing
        in the block, so that an attempt counts whole or not at all.

        Args:
            each: Bytes an item takes.
            default: The budget where none was given.
            most: There are no more items than this.

        Yields:
            How many items to compute now.

        Raises:
            PortraitError: Memory ran out with a single item.
        """
        if self._stale:
            # Only now: as long as the error is handled, its frames hold the step's tensors.
            self._stale = False
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
                        f"out of memory in the {self.name} with one picture at a time: "
                        "choose a smaller --size, --dtype float16, or a device with more memory"
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
