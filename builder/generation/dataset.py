"""The ``dataset`` generator: the raw pictures of a dataset that was built before.

``python -m builder refine`` uses it to run a newer refinement over a dataset without generating
its pictures again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from builder.generation.protocol import Generated, Rejection, Request
from builder.plan import PlanRow
from ld_portrait_20k import codec
from ld_portrait_20k.errors import PortraitError, UnreadableShardError
from ld_portrait_20k.format import json_text, schema
from ld_portrait_20k.format.manifest import Manifest
from ld_portrait_20k.format.shard_reader import ShardReader

SUBSET: Final = "raw"


def open_manifest(root: Path) -> Manifest:
    """The manifest of a dataset that can be refined again.

    Raises:
        PortraitError: No dataset there, or one that was built without its raw pictures.
    """
    manifest = Manifest.load(root)
    if SUBSET not in manifest.subsets():
        raise PortraitError(
            f"{root}: has no raw subset (built with --no-raw?), so there is nothing to refine; "
            "try: build it again"
        )
    return manifest


def generator_spec(root: Path) -> dict[str, Any]:
    """The generator section of a plan over a dataset: who made it, and the raw shards."""
    manifest = open_manifest(root)
    return {
        "name": manifest.generator,
        "via": SUBSET,
        "shards": [shard.sha256 for shard in manifest.select(SUBSET)],
    }


def history(manifest: Manifest) -> list[dict[str, Any]]:
    """The versions before the one that is made from a dataset, the oldest first."""
    plan = manifest.about.get("plan") or {}
    last = {
        "plan_hash": manifest.plan_hash,
        "refinement_version": str(plan.get("refinement_version", "unknown")),
        "samples": sum(manifest.splits.values()),
    }
    if "derived" in plan:
        last["change"] = plan["derived"]["change"]
    return [*plan.get("history", []), last]


def shares(manifest: Manifest) -> dict[str, float]:
    """Each split's share of the raw samples."""
    total = sum(shard.samples for shard in manifest.select(SUBSET))
    found = {
        split: sum(shard.samples for shard in manifest.select(SUBSET, split))
        for split in schema.SPLITS
    }
    return {split: count / total for split, count in found.items() if count}


def plan_rows(root: Path) -> Iterator[PlanRow]:
    """A row for every raw sample: its id, prompt, seed and split as they were.

    Raises:
        PortraitError: A shard that cannot be read.
    """
    reader = _Reader(root)
    for sample_id in sorted(reader.shards):
        metadata = reader.metadata(sample_id)
        split = reader.shards[sample_id].record.split
        yield PlanRow.of_sample(sample_id, split, metadata)


@dataclass
class _Reader:
    """Reads samples of a subset by id, through the manifest's index."""

    root: Path
    subset: str = SUBSET

    def __post_init__(self) -> None:
        manifest = Manifest.load(self.root)
        shards = [
            ShardReader(self.root / shard.path, shard, manifest.foreground_format)
            for shard in manifest.select(self.subset)
        ]
        self.shards = {key: shard for shard in shards for key in shard.record.ids()}

    def pictures(self, sample_id: str) -> tuple[bytes, bytes]:
        """Foreground and alpha as they are encoded, checked against the manifest's checksum."""
        with self.shards[sample_id] as shard:
            sample = shard.sample(sample_id)
        return sample.foreground, sample.alpha

    def metadata(self, sample_id: str) -> dict[str, Any]:
        with self.shards[sample_id] as shard:
            content = shard.member(sample_id, "json")
        try:
            return schema.complete(json_text.parse(content))
        except ValueError as problem:
            name = self.shards[sample_id].name
            raise PortraitError(f"{name}, sample {sample_id}: {problem}") from problem


class DatasetGenerator:
    """Reads the raw pictures of a dataset and keeps their encoded bytes.

    Args:
        root: The dataset folder.
    """

    name = "dataset"
    batch_size = 1
    repeatable = False

    def __init__(self, root: Path) -> None:
        self._raw = _Reader(root)
        self._truth = _Reader(root, "truth")

    def generate(self, requests: Sequence[Request]) -> Iterator[Generated | Rejection]:
        """Read the pictures; a damaged one becomes a rejection.

        Raises:
            UnreadableShardError: A shard is absent or cannot be read.
        """
        for request in requests:
            try:
                yield self._read(request)
            except UnreadableShardError:
                raise
            except PortraitError as problem:
                yield Rejection(request, "unreadable", str(problem))

    def _read(self, request: Request) -> Generated:
        key = request.row.id
        metadata = self._raw.metadata(key)
        encoded = {SUBSET: self._raw.pictures(key)}
        truth = None
        if key in self._truth.shards:
            encoded["truth"] = self._truth.pictures(key)
            truth = _decode(encoded["truth"])
        foreground, alpha = _decode(encoded[SUBSET])
        return Generated(
            replace(request, attempt=metadata["attempt"], seed=metadata["seed"]),
            foreground,
            alpha,
            metadata["generator"],
            truth,
            encoded,
        )


def _decode(members: tuple[bytes, bytes]) -> tuple[Any, Any]:
    return codec.decode_foreground(members[0]), codec.decode_alpha(members[1])
