"""Samples of several datasets as those of one: which are the same, and which only share an id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from builder.deriving.sources import Sample, Source
from ld_portrait_20k import schema
from ld_portrait_20k.errors import PortraitError


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
