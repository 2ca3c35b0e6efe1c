"""From an operation on datasets to the plan of a new one: which sample goes where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from builder.deriving.choosing import Filter, counted, divide
from builder.deriving.merging import merged_rejections, merged_samples
from builder.deriving.sources import Sample, Source
from builder.generation.dataset import history
from builder.plan import FORMAT, Plan, PlanRow, split_of
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import schema


@dataclass
class Derivation:
    """A new dataset, planned and not yet written.

    Attributes:
        plan: Its plan; a row a sample that stays.
        sources: The datasets that it is derived from.
        origins: Id in the new dataset to the number of its source and its id there.
        rejected: Lines of the new ``rejected.jsonl``.
        left_out: Samples of the sources that do not go over, by reason.
        without: Subsets that do not go over, because a sample that stays is not in them.
    """

    plan: Plan
    sources: Sequence[Source]
    origins: Mapping[str, tuple[int, str]]
    rejected: list[dict[str, Any]] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    without: list[str] = field(default_factory=list)

    @property
    def change(self) -> str:
        """What was done, as the changelog says it."""
        return str(self.plan.header["derived"]["change"])


@dataclass(frozen=True)
class _Operation:
    """What distinguishes one derivation from another in the plan's header."""

    name: str
    change: str
    details: Mapping[str, Any] = field(default_factory=dict)
    header: Mapping[str, Any] = field(default_factory=dict)


def plan_filter(root: Path, chosen: Filter, *, shards: int | None = None) -> Derivation:
    """Plan a dataset without some of another one's samples.

    Args:
        root: The folder of the dataset.
        chosen: What to leave out.
        shards: How many shards; by default their samples stay as many as they were.

    Raises:
        PortraitError: A dataset that cannot be read, or nothing stays.
    """
    source = Source(root)
    kept, lines = divide(source, chosen)
    if not kept:
        raise PortraitError(
            f"{root}: none of its {len(lines)} samples stays; try: another --where, --keep or "
            "--marks, first with --dry-run"
        )
    operation = _Operation("filter", chosen.described(len(lines)), chosen.to_dict())
    derivation = _derive([source], kept, operation, shards, source.rejected() + lines)
    derivation.left_out = dict(Counter(line["reason"] for line in lines))
    return derivation


def plan_resplit(
    root: Path, splits: Mapping[str, float], *, shards: int | None = None
) -> Derivation:
    """Plan a dataset with the samples of another one, dealt to splits anew.

    A sample's split follows from its id alone, as in a build with the same shares.

    Args:
        root: The folder of the dataset.
        splits: Split to its share; shares sum to 1.
        shards: How many shards, all splits together.

    Raises:
        PortraitError: A dataset that cannot be read.
    """
    source = Source(root)
    kept = [replace(item, split=split_of(item.id, splits)) for item in source.samples(0)]
    told = ", ".join(f"{split} {share:g}" for split, share in splits.items())
    shares = {split: float(share) for split, share in splits.items()}
    operation = _Operation("resplit", f"dealt to splits anew: {told}", header={"splits": shares})
    return _derive([source], kept, operation, shards, source.rejected())


def plan_merge(
    roots: Sequence[Path],
    *,
    shards: int | None = None,
    renumber: bool = False,
    licence: str | None = None,
    origin: str | None = None,
) -> Derivation:
    """Plan a dataset with the samples of several others.

    A sample that is in several with equal bytes goes over once.

    Args:
        roots: The folders of the datasets.
        shards: How many shards, all splits together.
        renumber: Whether a sample whose id another one has gets a new id.
        licence: The licence of the whole, where the datasets state different ones.
        origin: Where the pictures come from, in place of what the datasets say.

    Raises:
        PortraitError: Datasets that cannot be read or do not go together.
    """
    sources = [Source(root) for root in roots]
    _refuse_mixed(sources)
    said = {
        "licence": licence or _agreed(sources, "licence"),
        "origin": origin or _agreed(sources, "origin"),
        "planned": None,
    }
    kept, shared, renumbered = merged_samples(sources, renumber=renumber)
    change = f"{len(sources)} datasets merged"
    change += f", {counted(shared)} in several of them taken once" * bool(shared)
    change += f", {counted(renumbered)} given a new id" * bool(renumbered)
    details = {"renumber": renumber, "renumbered": renumbered, "shared": shared}
    rejected = merged_rejections(sources, kept)
    return _derive(sources, kept, _Operation("merge", change, details, said), shards, rejected)


def _refuse_mixed(sources: Sequence[Source]) -> None:
    formats = {source.manifest.foreground_format: source.root for source in sources}
    if len(formats) > 1:
        told = ", ".join(f"{root} has {name}" for name, root in formats.items())
        raise PortraitError(
            f"foregrounds of several formats do not go together: {told}; "
            "try: datasets of one --foreground-format"
        )


def _agreed(sources: Sequence[Source], name: str) -> Any:
    """What the sources say of licence or origin, if they say the same."""
    said = {source.plan.get(name): source.root for source in sources}
    if len(said) > 1:
        told = ", ".join(f"{root} {value or 'nothing'!r}" for value, root in said.items())
        raise PortraitError(f"the datasets state another {name} each: {told}; try: --{name}")
    return next(iter(said))


def _derive(
    sources: Sequence[Source],
    kept: list[Sample],
    operation: _Operation,
    shards: int | None,
    rejected: list[dict[str, Any]],
) -> Derivation:
    kept.sort(key=lambda item: item.id)
    ids: dict[int, list[str]] = {}
    for item in kept:
        ids.setdefault(item.source, []).append(item.old_id)
    named = {subset for source in sources for subset in source.manifest.subsets()}
    subsets = [
        subset
        for subset in schema.SUBSETS
        if not any(sources[number].lacks(subset, part) for number, part in ids.items())
    ]
    most = max(shard.samples for source in sources for shard in source.manifest.select())
    count = min(shards or -(-len(kept) // most), len(kept))
    rejected.sort(key=lambda line: (line["id"], line["attempt"]))
    return Derivation(
        Plan(_header(sources, kept, operation, subsets, count), {}, tuple(_rows(kept))),
        sources,
        {item.id: (item.source, item.old_id) for item in kept},
        rejected,
        without=sorted(named - set(subsets)),
    )


def _header(
    sources: Sequence[Source],
    kept: Sequence[Sample],
    operation: _Operation,
    subsets: Sequence[str],
    shards: int,
) -> dict[str, Any]:
    """The header of the new plan: what the sources' headers have in common, and the change."""
    first = sources[0]
    names = {name for source in sources for name in source.manifest.generator.split("+")}
    versions = {str(source.plan.get("refinement_version", "unknown")) for source in sources}
    counts = Counter(item.split for item in kept)
    qualities = [source.plan.get("quality") for source in sources]
    alike = qualities[0] if all(quality == qualities[0] for quality in qualities) else None
    return {
        "format": FORMAT,
        "schema_version": schema.SCHEMA_VERSION,
        "generator": {"name": "+".join(sorted(names))},
        "refinement_version": ", ".join(sorted(versions)),
        "quality": alike or {"added_rules": []},
        "reject": bool(first.plan.get("reject", True)),
        "planned": first.manifest.about.get("planned"),
        "count": len(kept),
        "shards": shards,
        "stages": [[len(kept), shards]],
        "splits": {split: counts[split] / len(kept) for split in schema.SPLITS if counts[split]},
        "foreground_format": first.manifest.foreground_format,
        "subsets": list(subsets),
        "history": history(first.manifest) if len(sources) == 1 else [],
        "licence": first.plan.get("licence"),
        "origin": first.plan.get("origin"),
        "contact": first.plan.get("contact"),
        "derived": {
            "operation": operation.name,
            "change": operation.change,
            "sources": [source.identity() for source in sources],
            **operation.details,
        },
        **operation.header,
    }


def _rows(kept: Iterable[Sample]) -> Iterator[PlanRow]:
    for item in kept:
        yield PlanRow.of_sample(item.id, item.split, item.metadata)
