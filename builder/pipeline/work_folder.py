"""A unit on disk: its shards, and beside them the small JSON that says that it is done."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.files import WORK_FOLDER, canonical_json, write_text
from builder.plan import Plan, Unit
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.manifest import ShardRecord, file_sha256
from ld_portrait_20k.format.shards import ShardWriter


@dataclass(frozen=True)
class UnitResult:
    """A finished unit.

    Attributes:
        name: See :attr:`builder.plan.Unit.name`.
        shards: Subset to its record; ``path`` is the final path in the repository.
        samples: How many samples were accepted; :meth:`WorkFolder.log` reads what they are.
    """

    name: str
    shards: dict[str, ShardRecord]
    samples: int


@dataclass(frozen=True)
class UnitLog:
    """What became of the samples of a finished unit.

    Attributes:
        samples: Metadata of the accepted samples, in id order.
        rejected: Log lines of every rejected attempt, in id and attempt order.
    """

    samples: list[dict[str, Any]]
    rejected: list[dict[str, Any]]


class WorkFolder:
    """The work folder of an output: units under way and units done.

    Args:
        output: The output folder.
        plan: The plan that units must belong to.
    """

    def __init__(self, output: Path, plan: Plan) -> None:
        self.output = output
        self.subsets = plan.subsets
        self.foreground_format = plan.foreground_format
        self.folder = output / WORK_FOLDER / "units"

    def shard_file(self, name: str, subset: str) -> Path:
        """Where a unit's shard of a subset lies until the dataset is finished."""
        return self.folder / f"{name}.{subset}.tar"

    def locate(self, name: str, subset: str, record: ShardRecord) -> Path | None:
        """The file that holds a done unit's shard: in the work folder or at its final place."""
        for path in (self.shard_file(name, subset), self.output / record.path):
            if path.is_file() and path.stat().st_size == record.bytes:
                return path
        return None

    def load(self, unit: Unit, *, check: bool = True) -> UnitResult | None:
        """A unit that is done.

        Args:
            unit: Which.
            check: Whether to hash its shards; a length alone is compared otherwise.

        Returns:
            The unit, or None where it has to be built: no JSON, another plan's, or a
            shard that is missing or altered.
        """
        try:
            saved = json.loads(self._json(unit.name).read_text(encoding="utf-8"))
            if saved["unit_hash"] != unit.hash:
                return None
            shards = {
                subset: ShardRecord.from_dict(subset, item).compact()
                for subset, item in saved["shards"].items()
            }
            result = UnitResult(unit.name, shards, len(saved["samples"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        for subset in self.subsets if result.samples else ():
            path = self.locate(unit.name, subset, shards[subset])
            if path is None or (check and file_sha256(path) != shards[subset].sha256):
                return None
        return result

    def log(self, name: str) -> UnitLog:
        """What became of the samples of a unit that is done, read from its JSON."""
        saved = json.loads(self._json(name).read_text(encoding="utf-8"))
        return UnitLog(saved["samples"], saved["rejected"])

    def save(self, unit: Unit, finished: FinishedSamples) -> UnitResult:
        """Write a unit's shards and then its JSON: from then on it is done."""
        shards = {}
        for position, subset in enumerate(self.subsets):
            path = self.shard_file(unit.name, subset)
            with ShardWriter(path, self.foreground_format) as writer:
                for key, members in finished.members(position):
                    writer.add(key, *members)
            final = schema.shard_name(subset, unit.split, unit.index, unit.count)
            shards[subset] = writer.record(final, subset, unit.split).compact()
        log = UnitLog(finished.metadata(), finished.log())
        result = UnitResult(unit.name, shards, len(log.samples))
        self.note(unit, result, log)
        return result

    def final_shards(self, unit: Unit, result: UnitResult) -> Iterator[tuple[str, Path, str, int]]:
        """The shards of a unit that will be published as they are, as far as can be told.

        A near-duplicate that is found in the end changes its own shard alone. A unit without
        samples has none, and then the names of others change, not what they hold.

        Yields:
            Path in the repository, local file, sha256, size.
        """
        if not result.samples:
            return
        for subset, record in result.shards.items():
            path = schema.shard_name(subset, unit.split, unit.index, unit.count)
            file = self.locate(unit.name, subset, record)
            if file is not None:
                yield path, file, record.sha256, record.bytes

    def note(self, unit: Unit, result: UnitResult, log: UnitLog) -> None:
        """Write the JSON that says a unit is done and where its shards lie."""
        shards = result.shards
        body = {
            "unit_hash": unit.hash,
            "shards": {subset: record.to_dict() for subset, record in shards.items()},
            "samples": log.samples,
            "rejected": log.rejected,
        }
        write_text(self._json(unit.name), canonical_json(body) + "\n")

    def ended_at(self, name: str) -> float:
        """When a unit was finished, in seconds since the epoch, by its file's time."""
        return self._json(name).stat().st_mtime

    def _json(self, name: str) -> Path:
        return self.folder / f"{name}.json"


@dataclass(slots=True)
class _Place:
    offset: int
    sizes: list[int]
    metadata: dict[str, Any]


@dataclass
class FinishedSamples:
    """The samples of a unit under way, in whatever order they come.

    Encoded members wait in an unnamed temporary file, so that memory stays flat and a
    crash leaves nothing.

    Attributes:
        folder: Where the temporary file lies.
    """

    folder: Path
    _places: dict[str, _Place] = field(default_factory=dict)
    _rejected: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Open the spool."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._spool = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115 - closed by close()

    def accept(self, sample_id: str, metadata: dict[str, Any], blobs: Sequence[bytes]) -> None:
        """Keep an accepted sample: three members for each subset, in subset order."""
        offset = self._spool.seek(0, 2)
        for blob in blobs:
            self._spool.write(blob)
        self._places[sample_id] = _Place(offset, [len(blob) for blob in blobs], metadata)

    def reject(self, lines: Sequence[dict[str, Any]]) -> None:
        """Log rejected attempts."""
        self._rejected.extend(lines)

    def metadata(self) -> list[dict[str, Any]]:
        """Metadata of the accepted samples, in id order."""
        return [self._places[key].metadata for key in sorted(self._places)]

    def log(self) -> list[dict[str, Any]]:
        """The rejected attempts, in id and attempt order."""
        return sorted(self._rejected, key=lambda line: (line["id"], line["attempt"]))

    def members(self, position: int) -> Iterator[tuple[str, tuple[bytes, bytes, bytes]]]:
        """The encoded members of a subset, in id order.

        Args:
            position: The subset's place in the order in which blobs were given.
        """
        first = 3 * position
        for key in sorted(self._places):
            place = self._places[key]
            self._spool.seek(place.offset + sum(place.sizes[:first]))
            parts = [self._spool.read(size) for size in place.sizes[first : first + 3]]
            yield key, (parts[0], parts[1], parts[2])

    def close(self) -> None:
        """Close, and so delete, the temporary file."""
        self._spool.close()
