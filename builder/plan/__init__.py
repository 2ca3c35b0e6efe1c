"""The frozen plan: what will be built, a row a sample, and the hash that names it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from builder.files import canonical_json, replacing, write_text
from builder.plan.rows import PlanRow, SavedRows, SourceFile, encode_rows, rows_of_split
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import schema

__all__ = ["Plan", "PlanRow", "SourceFile", "Unit"]

FORMAT = 1
GROWING = ("count", "shards", "stages")
"""Header fields that change when a dataset grows."""
DESCRIBING = ("licence", "origin", "contact")
"""Header fields that only the card uses: they may change at any time, and no shard does."""
HEADER_FILE = "plan.json"
ROWS_FILE = "plan.jsonl"


@dataclass(frozen=True, slots=True)
class Unit:
    """The rows of one shard: the unit of work, of resume and of distribution.

    Attributes:
        split: The split that all its rows belong to.
        index: Its number within the split.
        count: How many units the split has.
        rows: Its rows, in id order.
        hash: sha256 over the rows and all of the plan that decides their bytes, in hex;
            growing the dataset leaves it as it is.
    """

    split: str
    index: int
    count: int
    rows: Sequence[PlanRow]
    hash: str

    @property
    def name(self) -> str:
        """``train-0000042``, after its first row: stays when the dataset grows."""
        return f"{self.split}-{self.rows[0].id.rpartition('-')[2]}"


@dataclass(frozen=True)
class Plan:
    """A whole plan.

    Attributes:
        header: What every sample has in common: generator, versions, models, counts.
        environment: Versions of the libraries that decide bytes. A finished dataset does
            not care; an unfinished one must go on with the same.
        rows: The samples, in id order; those of a saved plan are read when they are used.
    """

    header: dict[str, Any]
    environment: dict[str, str]
    rows: Sequence[PlanRow]

    @cached_property
    def hash(self) -> str:
        """sha256 over the header and every row, in hex; the environment is left out."""
        digest = hashlib.sha256(canonical_json(self.header).encode())
        for line in encode_rows(self.rows):
            digest.update(line)
        return digest.hexdigest()

    @property
    def stages(self) -> list[tuple[int, int]]:
        """Samples and shards of each stage in which the dataset grew; one unless it did."""
        return [(int(samples), int(shards)) for samples, shards in self.header["stages"]]

    @property
    def models(self) -> list[dict[str, Any]]:
        """The files of weights that the generator loads.

        ``sha256`` is None in a dry run where the hash cannot be had without a download.
        """
        return list(self.header["generator"].get("models", []))

    @property
    def foreground_format(self) -> str:
        """``"png"`` or ``"jpeg"``."""
        return str(self.header["foreground_format"])

    @property
    def subsets(self) -> tuple[str, ...]:
        """The subsets that a build writes."""
        return tuple(self.header["subsets"])

    def units(self) -> tuple[Unit, ...]:
        """The plan cut into shards: equal sizes within one, every split its own.

        Each stage of growth is cut by itself, so that older units stay as they are.
        """
        return self._units

    @cached_property
    def _units(self) -> tuple[Unit, ...]:
        parts: dict[str, list[Sequence[PlanRow]]] = {split: [] for split in schema.SPLITS}
        first = 0
        for samples, shards in self.stages:
            rows = self.rows[first : first + samples]
            first += samples
            groups = {split: rows_of_split(rows, split) for split in parts}
            counts = apportion({split: len(group) for split, group in groups.items()}, shards)
            for split, count in counts.items():
                parts[split] += equal_parts(groups[split], count)
        other = {*GROWING, *DESCRIBING}
        deciding = {key: value for key, value in self.header.items() if key not in other}
        # Hashes of units have had these two as null from the start.
        deciding.update(licence=None, origin=None)
        common = canonical_json(deciding)
        return tuple(
            Unit(split, index, len(cut), rows, _unit_hash(common, rows))
            for split, cut in parts.items()
            for index, rows in enumerate(cut)
        )

    def save(self, folder: Path) -> None:
        """Write the plan, the header last: a plan is there when its header is."""
        with replacing(folder / ROWS_FILE) as stream:
            stream.writelines(encode_rows(self.rows))
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
            rows = SavedRows.scan(folder / ROWS_FILE)
            plan = cls(saved["header"], saved["environment"], rows)
            if plan.hash != saved["hash"]:
                raise ValueError("its hash does not match")
        except FileNotFoundError:
            if path.exists():
                raise PortraitError(
                    f"{folder / ROWS_FILE}: missing; try: --output another folder"
                ) from None
            return None
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise PortraitError(
                f"{path}: damaged plan ({problem}); try: --output another folder, "
                "or delete this one"
            ) from problem
        return plan


def _unit_hash(common: str, rows: Sequence[PlanRow]) -> str:
    digest = hashlib.sha256(common.encode())
    for line in encode_rows(rows):
        digest.update(line)
    return digest.hexdigest()


def split_of(sample_id: str, splits: Mapping[str, float]) -> str:
    """The split of a sample, from its id's hash alone: growing the dataset moves none.

    Args:
        sample_id: The sample's id.
        splits: Split to its share; shares sum to 1.
    """
    digest = hashlib.sha256(f"{schema.NAME}/split/{sample_id}".encode()).digest()
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
    """Where two plans differ in what they would build, named for a person.

    Returns:
        The first field that differs with both values; None where at most :data:`DESCRIBING`
        fields differ.
    """
    before, after = _flatten(saved.header), _flatten(wanted.header)
    for field in sorted({*before, *after} - set(DESCRIBING)):
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


def settle(saved: Plan, wanted: Plan, shards: int | None) -> Plan:
    """The plan to go on with in a folder that has one already.

    Args:
        saved: The folder's plan.
        wanted: The plan of the present command.
        shards: The number of shards that the command asks for by name, if it does.

    Returns:
        The saved plan where the command asks for the same; the saved one with a stage added
        where it asks for more samples of the same kind; ``wanted`` where it is another. What
        the command says of licence and origin replaces what was said before; what it does not
        say stays.
    """
    changing = {*GROWING, *DESCRIBING}
    old = {key: value for key, value in saved.header.items() if key not in changing}
    new = {key: value for key, value in wanted.header.items() if key not in changing}
    extra = len(wanted.rows) - len(saved.rows)
    if old != new or extra < 0 or wanted.rows[: len(saved.rows)] != saved.rows:
        return wanted
    total = sum(count for _, count in saved.stages)
    if not extra:
        same = shards is None or shards == total
        return _described(saved, wanted) if same else wanted
    if shards is not None and shards <= total:
        return wanted
    a_shard = max(1, len(saved.rows) // total)
    added = shards - total if shards is not None else -(-extra // a_shard)
    stages = [*saved.stages, (extra, added)]
    header = {
        **_described(saved, wanted).header,
        "count": len(wanted.rows),
        "shards": total + added,
        "stages": [list(stage) for stage in stages],
    }
    return Plan(header, wanted.environment, wanted.rows)


def _described(saved: Plan, wanted: Plan) -> Plan:
    """The saved plan with what the present command says for the card."""
    given = {key: wanted.header.get(key) for key in DESCRIBING}
    said = {key: value for key, value in given.items() if value is not None}
    if all(saved.header.get(key) == value for key, value in said.items()):
        return saved
    return Plan({**saved.header, **said}, saved.environment, saved.rows)


def with_models(wanted: Plan, saved: Plan) -> Plan:
    """``wanted`` with the models of ``saved`` where it names the same: their hashes are awaited."""
    if _model_names(wanted) != _model_names(saved):
        return wanted
    generator = {**wanted.header["generator"], "models": saved.models}
    return replace(wanted, header={**wanted.header, "generator": generator})


def _model_names(plan: Plan) -> set[tuple[Any, Any]]:
    return {(model["role"], model["id"]) for model in plan.models}


def grows(saved: Plan, plan: Plan) -> bool:
    """Whether ``plan`` is ``saved`` with later stages added."""
    return len(plan.stages) > len(saved.stages) and plan.stages[: len(saved.stages)] == saved.stages
