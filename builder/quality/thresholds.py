"""The thresholds of quality control: what they mean, what they may be, where they come from."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from ld_portrait_20k.codec.perceptual_hash import NEAR_DUPLICATE
from ld_portrait_20k.errors import PortraitError

OPAQUE_FROM: Final = 250
"""8-bit alpha from which a pixel counts as opaque in ``opaque_area``. Chosen by eye: the
decoder of Layer Diffusion seldom reaches 255 inside a body before refinement. Part of the
schema's definition of the figure, so it cannot be set."""

BODY_ABOVE: Final = 127
"""8-bit alpha above which a pixel belongs to the body's box: one half. A definition."""

FRAMINGS_CUT_BELOW: Final = frozenset(
    {"close-up", "head and shoulders", "half body", "three-quarter length"}
)
"""Framings whose body runs out of the picture at its lower border. A definition."""


def _threshold(default: float, low: float, high: float, meaning: str) -> Any:
    return field(default=default, metadata={"range": (low, high), "meaning": meaning})


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What quality control compares the figures of a sample with.

    All but the last are shares, 0..1. Setting a lower bound to 0, or ``max_coverage`` to 1,
    turns its rule off.

    All defaults but the last were chosen by eye. The margin that they leave was measured with
    ``python -m tests.benchmarks.bench_quality DIR`` on two datasets that were built with
    ``--no-reject``: 7 Layer Diffusion pictures (5 portraits and a cat, which are good, and a
    glass bottle, which is not) and 200 procedural portraits (``--preset demo --count 200
    --size 384``):

    ======================  ====================  ================  ================
    figure and threshold    good Layer Diffusion  procedural        glass bottle
    ======================  ====================  ================  ================
    coverage, 0.04 to 0.97  0.24 to 0.68          0.21 to 0.63      0.07
    body height, 0.30       0.93 to 0.98          0.70 to 1.00      0.94
    soft area, 0.0001       0.021 to 0.24         0.0072 to 0.26    0.13
    opaque share, 0.35      0.86 to 0.99          0.80 to 0.99      0.33, rejected
    ======================  ====================  ================  ================

    ``max_duplicate_distance`` was set from the same two runs: a picture re-encoded (JPEG 90)
    or scaled (to 0.8) differs from itself in 4 bits of 128 at most; of all pairs of different
    samples the nearest differ in 12, half of them in 58 and more.

    Raises:
        PortraitError: A value outside its range.
    """

    min_coverage: float = _threshold(0.01, 0.0, 1.0, "mean alpha below this: empty")
    min_body_coverage: float = _threshold(0.04, 0.0, 1.0, "mean alpha below this: body-too-small")
    min_body_height: float = _threshold(
        0.30, 0.0, 1.0, "height of the body's box below this share of the picture: body-too-small"
    )
    max_coverage: float = _threshold(0.97, 0.0, 1.0, "mean alpha above this: body-too-large")
    min_soft_area: float = _threshold(
        1e-4, 0.0, 1.0, "share of partly transparent pixels below this: all-hard"
    )
    min_opaque_share: float = _threshold(
        0.35, 0.0, 1.0, "opaque area below this share of the coverage: all-soft"
    )
    max_duplicate_distance: int = _threshold(
        NEAR_DUPLICATE,
        -1,
        64,
        "bits of 128 in which a near-duplicate's hash may differ; -1 keeps all",
    )

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        for name, (low, high, meaning) in describe().items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise PortraitError(f"--quality {name}={value}: is {low:g} to {high:g} ({meaning})")

    def to_dict(self) -> dict[str, Any]:
        """As the plan stores it."""
        return asdict(self)

    @classmethod
    def from_options(
        cls,
        pairs: Iterable[str] = (),
        path: Path | None = None,
        *,
        before: Mapping[str, float] | None = None,
    ) -> Thresholds:
        """The thresholds that a command line gives; what is not given keeps its default.

        Args:
            pairs: ``min_coverage=0.05`` and the like (``--quality``); they win over the file.
            path: A TOML file of ``min_coverage = 0.05`` lines (``--quality-file``).
            before: What holds where neither says otherwise, if not the defaults.

        Raises:
            PortraitError: An unreadable file, an unknown name, no number, or one outside
                its range.
        """
        values = dict(_read(path)) if path is not None else {}
        where = f"--quality-file {path}:" if path is not None else "--quality"
        found = cls.from_values({**(before or {}), **values}, where)
        given: dict[str, object] = {}
        for pair in pairs:
            name, equals, text = (part.strip() for part in pair.partition("="))
            if not equals:
                raise PortraitError(f"--quality {pair!r}: write it as min_coverage=0.05")
            given[name] = text
        return cls.from_values({**found.to_dict(), **given})

    @classmethod
    def from_values(cls, values: Mapping[str, object], where: str = "--quality") -> Thresholds:
        """Some thresholds by name, the others with their defaults.

        Args:
            values: Name to number, or to the text of one.
            where: What gave them, for messages.

        Raises:
            PortraitError: An unknown name, no number, or one outside its range.
        """
        return cls(**{name: _number(name, value, where) for name, value in values.items()})


def describe() -> dict[str, tuple[float, float, str]]:
    """Every threshold: lowest value, highest value, meaning."""
    return {
        item.name: (*item.metadata["range"], item.metadata["meaning"])
        for item in fields(Thresholds)
    }


def _read(path: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PortraitError(f"--quality-file {path}: no such file") from None
    except (OSError, ValueError) as problem:
        raise PortraitError(f"--quality-file {path}: not a TOML file ({problem})") from None


def _number(name: str, value: object, where: str) -> Any:
    if name not in describe():
        raise PortraitError(f"{where} no threshold {name!r}; there are {', '.join(describe())}")
    whole = name == "max_duplicate_distance"
    try:
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise ValueError
        number = int(str(value)) if whole else float(value)
        if not math.isfinite(number):
            raise ValueError
    except ValueError:
        low, high, _ = describe()[name]
        kind = "a whole number" if whole else "a number"
        raise PortraitError(f"{where} {name}={value}: is {kind}, {low:g} to {high:g}") from None
    return number
