"""Counts and histograms over samples, the same whatever the order and the grouping.

Sums are kept as whole millionths, so that merging the statistics of shards in any order
gives the very numbers that one pass over all samples gives.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ld_portrait_20k.format import schema

_MILLION: Final = 1_000_000

HISTOGRAMS: Final[dict[str, tuple[str, int, int]]] = {
    # name: (where in the metadata, bin width in millionths, bins); the last bin is open.
    "coverage": ("quality.coverage", 50_000, 20),
    "opaque_area": ("quality.opaque_area", 50_000, 20),
    "soft_area": ("quality.soft_area", 20_000, 20),
    "band_area": ("refinement.band_area", 20_000, 20),
    "filled_area": ("refinement.filled_area", 10_000, 20),
    "cleared_area": ("refinement.cleared_area", 10_000, 20),
    "raw_haze": ("refinement.raw_haze", 5_000, 20),
    "doubtful_area": ("refinement.doubtful_area", 5_000, 20),
    "pieces_removed": ("refinement.pieces_removed", 5 * _MILLION, 20),
    "openings_kept": ("refinement.openings_kept", 5 * _MILLION, 20),
    "confidence": ("refinement.confidence", 50_000, 20),
    "prompt_words": ("prompt_words", 4 * _MILLION, 20),
    "raw_sad": ("truth.raw_sad", 50_000, 40),
    "refined_sad": ("truth.refined_sad", 50_000, 40),
    "raw_mse": ("truth.raw_mse", 50_000, 40),
    "refined_mse": ("truth.refined_mse", 50_000, 40),
}


@dataclass(slots=True)
class Histogram:
    """How one figure is spread.

    Attributes:
        width: Width of a bin, in millionths of the figure's unit.
        bins: Samples in each bin; bins start at 0, and the last holds all that is larger.
        total: Sum of the figure, in millionths.
        lowest: Smallest, in millionths; None without samples.
        highest: Largest, in millionths; None without samples.
    """

    width: int
    bins: list[int]
    total: int = 0
    lowest: int | None = None
    highest: int | None = None

    @property
    def count(self) -> int:
        """Samples that have the figure."""
        return sum(self.bins)

    @property
    def mean(self) -> float | None:
        """Its mean, None without samples."""
        return self.total / self.count / _MILLION if self.count else None

    def edges(self) -> list[float]:
        """Lower edge of every bin."""
        return [place * self.width / _MILLION for place in range(len(self.bins))]

    def add(self, value: float) -> None:
        """Count one sample."""
        units = round(value * _MILLION)
        self.bins[min(max(units, 0) // self.width, len(self.bins) - 1)] += 1
        self._extend(units, units, units)

    def _extend(self, total: int, lowest: int, highest: int) -> None:
        self.total += total
        self.lowest = lowest if self.lowest is None else min(self.lowest, lowest)
        self.highest = highest if self.highest is None else max(self.highest, highest)


def _histograms() -> dict[str, Histogram]:
    return {name: Histogram(width, [0] * n) for name, (_, width, n) in HISTOGRAMS.items()}


@dataclass(slots=True)
class Statistics:
    """What a set of samples is made of.

    Attributes:
        samples: How many.
        attributes: Attribute to value to count; None counts "unknown or not applicable".
        sizes: ``"1024x1024"`` to count, width first.
        generators: The ``generator`` section without its models, as JSON text, to count.
        models: Each model used, as JSON text, to the number of samples.
        refinements: Refinement version to count.
        without_prompt: Samples whose prompt is empty or null.
        improved: Samples whose refined SAD to the exact matte is lower than the raw one.
        histograms: Name (of :data:`HISTOGRAMS`) to histogram.
        example: Metadata of the sample with the lowest id.
    """

    samples: int = 0
    attributes: dict[str, Counter[str | None]] = field(
        default_factory=lambda: {name: Counter() for name in schema.ATTRIBUTES}
    )
    sizes: Counter[str] = field(default_factory=Counter)
    generators: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    refinements: Counter[str | None] = field(default_factory=Counter)
    without_prompt: int = 0
    improved: int = 0
    histograms: dict[str, Histogram] = field(default_factory=_histograms)
    example: dict[str, Any] | None = None

    @classmethod
    def of(cls, samples: Iterable[Mapping[str, Any]]) -> Statistics:
        """The statistics of samples' metadata.

        Args:
            samples: Metadata as :data:`ld_portrait_20k.format.schema.METADATA` declares it.

        Raises:
            ValueError: Metadata that the schema does not allow.
        """
        statistics = cls()
        for metadata in samples:
            statistics.add(metadata)
        return statistics

    def add(self, metadata: Mapping[str, Any]) -> None:
        """Count one sample.

        Raises:
            ValueError: Metadata that the schema does not allow.
        """
        item = schema.complete(dict(metadata))
        self.samples += 1
        for name, counts in self.attributes.items():
            counts[item["attributes"][name]] += 1
        self.sizes[f"{item['width']}x{item['height']}"] += 1
        generator = dict(item["generator"])
        for model in {_text(model) for model in generator.pop("models")}:
            self.models[model] += 1
        self.generators[_text(generator)] += 1
        self.refinements[item["refinement"]["version"]] += 1
        self.without_prompt += not item["prompt"]
        raw, refined = item["truth"]["raw_sad"], item["truth"]["refined_sad"]
        self.improved += raw is not None and refined is not None and refined < raw
        for name, (where, _, _) in HISTOGRAMS.items():
            value = _figure(item, where)
            if value is not None:
                self.histograms[name].add(value)
        self._keep_example(item)

    def generator_names(self) -> set[str | None]:
        """The names that the samples' generator records give."""
        return {json.loads(text)["name"] for text in self.generators}

    def _keep_example(self, item: dict[str, Any]) -> None:
        # By id; the text decides between samples that share one, so that order does not.
        if self.example is not None:
            mine, known = item["id"] or "", self.example["id"] or ""
            if mine > known or (mine == known and _text(item) >= _text(self.example)):
                return
        self.example = item


def _text(section: Mapping[str, Any]) -> str:
    return json.dumps(section, ensure_ascii=False, sort_keys=True)


def _figure(item: Mapping[str, Any], where: str) -> float | None:
    if where == "prompt_words":
        return len(item["prompt"].split()) if item["prompt"] else None
    section, key = where.split(".")
    value = item[section][key]
    return None if value is None else float(value)
