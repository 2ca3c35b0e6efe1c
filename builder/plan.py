"""The frozen plan: what will be built, a row a sample, and the hash that names it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from builder.files import canonical_json, replacing, write_text
from ld_portrait_20k import schema
from ld_portrait_20k.errors import PortraitError

FORMAT = 1
HEADER_FILE = "plan.json"
ROWS_FILE = "plan.jsonl"


@dataclass(frozen=True, slots=True)
class Source:
    """A file that a planned sample comes from.

    Attributes:
        id: The file's stem.
        file: Path relative to the source folder, with forward slashes.
        sha256: Of the file when planned.
    """

    id: str
    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One planned sample.

    Attributes:
        id: ``ldp-0000042``.
        split: ``train``, ``validation`` or ``test``.
        prompt: The text that describes the portrait; empty only for a folder without one.
        negative_prompt: What the generator is told to avoid, or None.
        attributes: The attributes that the prompt words; a value is None where it does
            not apply, and the dict is empty where nothing is known.
        seed: The sample's seed, 0..2**63-1.
        width: Planned width in pixels; 0 where the source file decides.
        height: Planned height in pixels; 0 where the source file decides.
        source: The file it comes from, for the ``folder`` generator.
    """

    id: str
    split: str
    prompt: str
    negative_prompt: str | None
    attributes: dict[str, str | None]
    seed: int
    width: int
    height: int
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """The rows of one shard: the unit of work, of resume and of distribution.

    Attributes:
        split: The split that all its rows belong to.
        index: Its number within the split.
        count: How many units the split has.
        rows: Its rows, in id order.
    """

    split: str
    index: int
    count: int
    rows: tuple[PlanRow, ...]

    @property
    def name(self) -> str:
        """``train-00000-of-00004``."""
        return f"{self.split}-{self.index:05d}-of-{self.count:05d}"


@dataclass(frozen=True)
class Plan:
    """A whole plan.

    Attributes:
        header: What every sample has in common: generator, versions, models, counts.
        environment: Versions of the libraries that decide bytes. A finished dataset does
            not care; an unfinished one must go on with the same.
        rows: The samples, in id order.
    """

    header: dict[str, Any]
    environment: dict[str, str]
    rows: tuple[PlanRow, ...]

    @property
    def hash(self) -> str:
        """sha256 over the header and every row, in hex; the environment is left out."""
        digest = hashlib.sha256(canonical_json(self.header).encode())
        for line in self._lines():
            digest.update(line)
        return digest.hexdigest()

    @property
    def shards(self) -> int:
        """How many shards were asked for, all splits together."""
        return int(self.header["shards"])

    @property
    def foreground_format(self) -> str:
        """``"png"`` or ``"jpeg"``."""
        return str(self.header["foreground_format"])

    @property
    def subsets(self) -> tuple[str, ...]:
        """The subsets that a build writes."""
        return tuple(self.header["subsets"])

    def units(self) -> list[Unit]:
        """The plan cut into shards: equal sizes within one, every split its own."""
        groups = {
            split: [row for row in self.rows if row.split == split] for split in schema.SPLITS
        }
        counts = apportion({split: len(rows) for split, rows in groups.items()}, self.shards)
        return [
            Unit(split, index, count, tuple(part))
            for split, count in counts.items()
            for index, part in enumerate(equal_parts(groups[split], count))
        ]

    def save(self, folder: Path) -> None:
        """Write the plan, the header last: a plan is there when its header is."""
        with replacing(folder / ROWS_FILE) as stream:
            stream.writelines(self._lines())
        header = {"hash": self.hash, "header": self.header, "environment": self.environment}
        write_text(folder / HEADER_FILE, json.dumps(header, indent=1, sort_keys=True) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Plan | None:
        """Read a saved plan.

        Returns:
            The plan, or None where there is none.

        Raises:
            PortraitError: The files are damaged.
        """
        path = folder / HEADER_FILE
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            with (folder / ROWS_FILE).open(encoding="utf-8") as lines:
                rows = tuple(_row(json.loads(line)) for line in lines)
            plan = cls(saved["header"], saved["environment"], rows)
            if plan.hash != saved["hash"]:
                raise ValueError("its hash does not match")
        except FileNotFoundError:
            if path.exists():
                raise PortraitError(
                    f"{folder / ROWS_FILE}: missing; mend: --output another folder"
                ) from None
            return None
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise PortraitError(
                f"{path}: damaged plan ({problem}); mend: --output another folder, "
                "or delete this one"
            ) from problem
        return plan

    def _lines(self) -> Iterator[bytes]:
        for row in self.rows:
            yield (canonical_json(asdict(row)) + "\n").encode()


def _row(item: dict[str, Any]) -> PlanRow:
    source = item.pop("source")
    return PlanRow(**item, source=Source(**source) if source else None)


def split_of(identity: str, splits: Mapping[str, float]) -> str:
    """The split of a sample, from its id's hash alone: growing the dataset moves none.

    Args:
        identity: The sample's id.
        splits: Split to its share; shares sum to 1.
    """
    digest = hashlib.sha256(f"{schema.NAME}/split/{identity}".encode()).digest()
    point = int.from_bytes(digest[:8], "big") / 2**64
    reached = 0.0
    ordered = [name for name in schema.SPLITS if name in splits]
    for name in ordered:
        reached += splits[name]
        if point < reached:
            return name
    return ordered[-1]


def derive_seed(seed: int, *path: str | int) -> int:
    """A seed for a purpose, independent of every other: 0..2**63-1.

    Args:
        seed: The seed to derive from.
        path: What it is for (``"sample"``, the sample's id, the attempt).
    """
    text = "/".join(str(part) for part in (seed, *path))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def apportion(sizes: Mapping[str, int], shards: int) -> dict[str, int]:
    """Divide a number of shards over splits in proportion to their samples.

    Every split with samples gets at least one shard and never more than it has samples;
    the rest goes by largest remainder.
    """
    present = {split: size for split, size in sizes.items() if size}
    total = sum(present.values())
    counts = {split: max(1, shards * size // total) for split, size in present.items()}
    while sum(counts.values()) < shards:
        split = max(present, key=lambda name: present[name] * shards / total - counts[name])
        counts[split] += 1
    while sum(counts.values()) > shards and max(counts.values()) > 1:
        split = max(counts, key=lambda name: counts[name])
        counts[split] -= 1
    return {split: min(count, present[split]) for split, count in counts.items()}


def equal_parts(items: Sequence[Any], count: int) -> list[Sequence[Any]]:
    """Cut a sequence into ``count`` consecutive parts whose sizes differ by one at most."""
    bounds = [len(items) * part // count for part in range(count + 1)]
    return [items[start:end] for start, end in pairwise(bounds)]


def difference(saved: Plan, wanted: Plan) -> str | None:
    """Where two plans differ, named for a person.

    Returns:
        The first field that differs with both values, or None for equal plans.
    """
    before, after = _flatten(saved.header), _flatten(wanted.header)
    for field in sorted({*before, *after}):
        if before.get(field) != after.get(field):
            return f"{field} was {before.get(field)!r}, now {after.get(field)!r}"
    if len(saved.rows) != len(wanted.rows):
        return f"samples were {len(saved.rows)}, now {len(wanted.rows)}"
    for old, new in zip(saved.rows, wanted.rows, strict=True):
        if old != new:
            fields = asdict(old), asdict(new)
            name = next(key for key in fields[0] if fields[0][key] != fields[1][key])
            return f"{name} of {old.id} was {fields[0][name]!r}, now {fields[1][name]!r}"
    return None


def _flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        found: dict[str, Any] = {}
        for key, item in value.items():
            found.update(_flatten(item, f"{prefix}.{key}" if prefix else key))
        return found
    return {prefix: value}
