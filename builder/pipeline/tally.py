"""What a dataset is made of, counted unit by unit: little is held, whatever its size."""

from __future__ import annotations

import hashlib
import tempfile
from array import array
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builder.files import canonical_json, replacing
from builder.pipeline.work_folder import UnitLog
from builder.plan import Unit
from dataset_card import Statistics
from ld_portrait_20k.format import schema

_TRUTH = tuple(schema.METADATA["truth"])


class Tally:
    """Counts over all units of a dataset, in any order of the units.

    Args:
        folder: Where the rejected lines wait, in a file without a name.

    Attributes:
        statistics: Of the samples of the dataset, for its card.
        splits: Split to its number of samples.
        lost: Rejected samples that were not made up for, by the reason of their last attempt.
        retried: Rejected attempts whose sample a later attempt filled, by reason.
    """

    def __init__(self, folder: Path) -> None:
        self.statistics = Statistics()
        self.splits: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.retried: Counter[str] = Counter()
        self._rejected = RejectedLines(folder)
        self._known = array("q")
        self._errors = {name: array("d") for name in _TRUTH}

    def add(self, unit: Unit, log: UnitLog) -> None:
        """Count a unit.

        Args:
            unit: Which.
            log: Its samples that are in the dataset, and all that was rejected of it.
        """
        taken = {item["id"] for item in log.samples}
        last = {line["id"]: line["reason"] for line in log.rejected}
        self.lost.update(reason for key, reason in last.items() if key not in taken)
        self.retried.update(line["reason"] for line in log.rejected if line["id"] in taken)
        self.splits[unit.split] += len(log.samples)
        self._rejected.add(log.rejected)
        for item in log.samples:
            self.statistics.add(item)
            if item["truth"]["raw_sad"] is not None:
                self._known.append(number_of(item["id"]))
                for name, values in self._errors.items():
                    values.append(item["truth"][name])

    def fidelity(self) -> dict[str, float]:
        """Mean error against truth, raw and refined; empty where there is no truth."""
        if not self._known:
            return {}
        order = np.argsort(np.frombuffer(self._known, np.int64))
        # Summed in id order, so that the last digit is the same whatever the order of units.
        return {
            name: float(f"{sum(np.frombuffer(values)[order].tolist()) / len(order):.6g}")
            for name, values in self._errors.items()
        }

    def write_rejected(self, path: Path) -> dict[str, Any]:
        """Write all rejected lines; see :meth:`RejectedLines.write`."""
        return self._rejected.write(path)

    def close(self) -> None:
        """Remove what waits on disk."""
        self._rejected.close()


class RejectedLines:
    """Log lines of rejected attempts, on disk until they are written in order.

    Args:
        folder: Where they wait, in a file without a name.
    """

    def __init__(self, folder: Path) -> None:
        self._spool = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by close()
        self._places = array("q")  # number, attempt, offset and size of each line

    def add(self, lines: Sequence[dict[str, Any]]) -> None:
        """Take lines."""
        for line in lines:
            text = (canonical_json(line) + "\n").encode()
            self._places.extend(
                (number_of(line["id"]), line["attempt"], self._spool.tell(), len(text))
            )
            self._spool.write(text)

    def write(self, path: Path) -> dict[str, Any]:
        """Write the lines in id and attempt order.

        Returns:
            The file's size and hash, as a manifest lists it.
        """
        places: NDArray[np.int64] = np.frombuffer(self._places, np.int64).reshape(-1, 4)
        order = np.lexsort((places[:, 1], places[:, 0]))
        digest, size = hashlib.sha256(), 0
        with replacing(path) as stream:
            for offset, length in places[order, 2:].tolist():
                self._spool.seek(offset)
                text = self._spool.read(length)
                stream.write(text)
                digest.update(text)
                size += length
        return {"bytes": size, "sha256": digest.hexdigest()}

    def close(self) -> None:
        """Remove them."""
        self._spool.close()


def number_of(sample_id: str) -> int:
    """The number of a sample: 42 of ``ldp-0000042``."""
    return int(sample_id[4:])
