"""Samples of several datasets as those of one: which are the same, and which only share an id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from builder.deriving.sources import Sample, Source
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import schema


def merged_samples(
    sources: Sequence[Source], *, renumber: bool = False
) -> tuple[list[Sample], int, int]:
    """The samples of several datasets, each id once.

    Args:
        sources: The datasets.
        renumber: Whether a sample whose id another one has gets the next free id after all
            that are in use, in the order of the datasets and their ids.

    Returns:
        The samples; how many were in several datasets with equal bytes and were taken once;
        how many were given a new id.

    Raises:
        PortraitError: Two samples share an id and are not the same, or one sample is in
            different splits.
    """
    taken: dict[str, Sample] = {}
    shared = renumbered = 0
    free = 1 + max(int(key[4:]) for source in sources for key in source.ids())
    for number, source in enumerate(sources):
        for sample in sorted(source.samples(number), key=lambda item: item.id):
            other = taken.get(sample.id)
            if other is None:
                taken[sample.id] = sample
            elif _equal(sources, other, sample):
                _refuse_two_splits(sources, other, sample)
                shared += 1
            elif renumber:
                new = replace(sample, id=_free_id(free + renumbered))
                taken[new.id] = new
                renumbered += 1
            else:
                raise PortraitError(
                    f"{source.root}: its sample {sample.id} is another one than that of "
                    f"{sources[other.source].root}; try: --renumber, which gives such samples of "
                    "the later dataset new ids"
                )
    return list(taken.values()), shared, renumbered


def merged_rejections(sources: Sequence[Source], kept: Sequence[Sample]) -> list[dict[str, Any]]:
    """The log lines of rejected attempts of several datasets as those of one.

    An attempt that several logs have goes over once. One that is a sample of the merged dataset,
    because a filter had left it out of another part, does not go over. A line follows its sample
    to a new id; if it has none and another dataset uses its id, it gets a free id of its own.

    Args:
        sources: The datasets.
        kept: The merged samples.

    Raises:
        PortraitError: A log is not what its manifest says.
    """
    logs = [source.rejected() for source in sources]
    samples = {item.id: item for item in kept}
    moved = {(item.source, item.old_id): item.id for item in kept}
    found: dict[tuple[str, int, str], dict[str, Any]] = {}
    owners: dict[str, int] = {}
    used = {*samples, *(line["id"] for log in logs for line in log)}
    free = 1 + max(int(key[4:]) for key in used)
    for number, (source, log) in enumerate(zip(sources, logs, strict=True)):
        own = {*source.ids()}
        for line in log:
            key, attempt, reason = line["id"], line["attempt"], line["reason"]
            is_sample = _is_attempt(line, samples.get(moved.get((number, key), key)))
            if is_sample or found.get((key, attempt, reason)) == line:
                continue
            if key not in own and (number, key) not in moved:
                taken = key in samples or owners.get(key, number) != number
                moved[number, key] = _free_id(free) if taken else key
                free += taken
            new = moved.get((number, key), key)  # else a sample that was taken from another
            owners[new] = number
            found[new, attempt, reason] = {**line, "id": new}
    return list(found.values())


def _is_attempt(line: Mapping[str, Any], sample: Sample | None) -> bool:
    """Whether a rejected attempt is the one that a sample came of."""
    if sample is None:
        return False
    item = sample.metadata
    mine = (item["attempt"], item["seed"], item["prompt"] or None, item["source"]["file"])
    return mine == tuple(line.get(name) for name in ("attempt", "seed", "prompt", "source"))


def _equal(sources: Sequence[Source], one: Sample, other: Sample) -> bool:
    """Whether two samples have the same bytes in every subset that both datasets have."""
    first, second = sources[one.source], sources[other.source]
    if one.metadata != other.metadata:
        return False
    for subset in set(first.manifest.subsets()) & set(second.manifest.subsets()):
        if first.lacks(subset, [one.old_id]) or second.lacks(subset, [other.old_id]):
            continue
        mine, theirs = first.read(subset, one.old_id), second.read(subset, other.old_id)
        if (mine.foreground, mine.alpha, mine.json) != (
            theirs.foreground, theirs.alpha, theirs.json,
        ):  # fmt: skip
            return False
    return True


def _refuse_two_splits(sources: Sequence[Source], one: Sample, other: Sample) -> None:
    if one.split != other.split:
        raise PortraitError(
            f"sample {one.id} is in the split {one.split} of {sources[one.source].root} and in "
            f"{other.split} of {sources[other.source].root}; try: python -m builder resplit on "
            "both with the same --splits"
        )


def _free_id(number: int) -> str:
    try:
        return schema.sample_id(number)
    except ValueError as problem:
        raise PortraitError(f"{problem}; try: merge fewer datasets") from problem
