"""One typed configuration of a build, and the presets that fill it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from builder import plugins
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import schema

GENERATORS = ("folder", "procedural", "layer-diffusion", "dataset")
"""This package's generators; packages and users add others (:mod:`builder.plugins`).
``dataset`` takes the raw pictures of a dataset built before: ``python -m builder refine``."""
WITHOUT_PROMPTS = ("folder", "dataset")
"""Generators whose pictures exist already: no prompt grammar draws their rows."""
MAX_COUNT = 10_000_000
SIDE_RANGE = (64, 4096)


@dataclass(frozen=True)
class BuildConfig:
    """Everything that decides the bytes of a dataset.

    How it is run (workers, output folder, devices) is in
    :class:`builder.pipeline.run_options.RunOptions`: it changes no byte.

    Attributes:
        generator: One of :data:`GENERATORS`, the name of an installed one, or
            ``package.module:Name``.
        generator_options: Options of a generator of another package, name to text.
        count: How many samples to plan, of a folder at most as many as it has pictures; None
            takes every picture of a folder.
        width: Picture width in pixels; a folder's pictures keep their own.
        height: Picture height in pixels.
        seed: The seed from which prompts and samples are drawn, 0..2**63-1.
        shards: How many shards, all splits together; None for one per 256 samples at most,
            a power of two.
        splits: Split to its share; shares sum to 1.
        foreground_format: ``"png"`` (lossless) or ``"jpeg"`` (q98 4:4:4, a third the size).
        attempts: How often a sample that quality control rejects is tried in all.
        damage: Strength of the damage that the procedural generator does to its alpha so
            that refinement has something to repair; 0 leaves it exact, 1 is as measured on
            Layer Diffusion.
        quality: Thresholds of quality control that are not the default, by field name of
            :class:`builder.quality.Thresholds`.
        quality_rules: Further rules of quality control: names of installed ones, or
            ``package.module:name``.
        reject: Whether quality control rejects; if not, everything that can be decoded is
            kept, near-duplicates too, with its figures.
        keep_raw: Whether to keep the unrefined pictures as the subset ``raw``.
        licence: The Hub's identifier of the data's licence, for the card, in lower case; None
            says what follows from the generator.
        origin: Where a folder's pictures come from, in plain text, for the card.
        contact: Whom to ask about the dataset, in plain text, for the card.
        source: Folder of RGBA pictures for the ``folder`` generator.
        prompts: Prompt file: ``{stem: prompt}`` for a folder, a list otherwise.
        vocabulary: TOML file that replaces ``builder/prompts/vocabulary.toml``.
        layer_diffusion: Options of the ``layer-diffusion`` generator, by field name of its
            own configuration; not ``device`` and ``decode_memory_gib``.
    """

    generator: str = "procedural"
    generator_options: Mapping[str, str] = field(default_factory=dict)
    count: int | None = 48
    width: int = 512
    height: int = 512
    seed: int = 0
    shards: int | None = None
    splits: Mapping[str, float] = field(default_factory=lambda: {"train": 1.0})
    foreground_format: str = "png"
    attempts: int = 4
    damage: float = 0.0
    quality: Mapping[str, float] = field(default_factory=dict)
    quality_rules: Sequence[str] = ()
    reject: bool = True
    keep_raw: bool = True
    licence: str | None = None
    origin: str | None = None
    contact: str | None = None
    source: Path | None = None
    prompts: Path | None = None
    vocabulary: Path | None = None
    layer_diffusion: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be built, in one line that names the option.

        Raises:
            PortraitError: An option outside its range, or one that contradicts another.
        """
        _check_generator(self.generator)
        _check(
            not self.generator_options or self.generator not in GENERATORS,
            "--generator-option goes with a generator of another package; those of "
            f"{self.generator} have options of their own",
        )
        if self.vocabulary is not None:
            _check(
                self.generator not in WITHOUT_PROMPTS,
                "--vocabulary goes with generators that draw from prompts",
            )
            _check(self.prompts is None, "--vocabulary and --prompts: give one of them")
        if self.generator in WITHOUT_PROMPTS:
            _check(self.source is not None, f"--generator {self.generator} needs --source DIR")
        else:
            _check(self.source is None, "--source goes with --generator folder")
            _check(self.count is not None, "--count is needed")
        if self.count is not None:
            _check(1 <= self.count <= MAX_COUNT, f"--count is 1 to {MAX_COUNT}")
        low, high = SIDE_RANGE
        for side in (self.width, self.height):
            _check(low <= side <= high, f"--size: each side is {low} to {high} pixels")
        _check(
            max(self.width, self.height) <= 2 * min(self.width, self.height),
            "--size: the aspect is 1:2 to 2:1",
        )
        _check(0 <= self.seed < 2**63, "--seed is 0 to 2**63-1")
        _check(self.shards is None or 1 <= self.shards <= 99_999, "--shards is 1 to 99999")
        _check(
            self.foreground_format in schema.FOREGROUND_MEMBERS,
            f"--foreground-format is one of {', '.join(schema.FOREGROUND_MEMBERS)}",
        )
        _check(1 <= self.attempts <= 100, "--attempts is 1 to 100")
        _check(0.0 <= self.damage <= 4.0, "--damage is 0 to 4")
        _check(
            self.damage == 0.0 or self.generator == "procedural",
            "--damage goes with --generator procedural",
        )
        check_splits(self.splits)
        for name in ("device", "decode_memory_gib"):
            _check(
                name not in self.layer_diffusion,
                f"{name} is no part of a plan: give it to RunOptions, or to regenerate() itself",
            )
        if self.licence is not None:
            from dataset_card import licence_identifier

            # A frozen dataclass has no other way to put a field into its normal form.
            object.__setattr__(self, "licence", licence_identifier(self.licence))


def check_splits(splits: Mapping[str, float]) -> None:
    """Check shares by split.

    Raises:
        PortraitError: An unknown split, or shares that do not sum to 1.
    """
    for name, share in splits.items():
        _check(name in schema.SPLITS, f"--splits: {name!r} is none of {', '.join(schema.SPLITS)}")
        _check(0.0 < share <= 1.0, f"--splits: the share of {name} is above 0, at most 1")
    _check(abs(sum(splits.values()) - 1.0) < 1e-9, "--splits: the shares sum to 1")


def _check_generator(name: str) -> None:
    if name in GENERATORS or plugins.is_path(name):
        return
    installed = plugins.installed(plugins.GENERATOR_GROUP)
    known = ", ".join([*(own for own in GENERATORS if own != "dataset"), *installed])
    _check(
        name in installed,
        f"--generator is one of {known}, or package.module:Name for one of your own; not {name!r}",
    )


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise PortraitError(message)


PRESETS: dict[str, BuildConfig] = {
    "demo": BuildConfig(
        generator="procedural", count=48, width=512, height=512, shards=4, damage=1.0
    ),
    "ld-portrait-20k": BuildConfig(
        generator="layer-diffusion", count=20_051, width=1024, height=1024, shards=96
    ),
}
"""Named starting points; options given explicitly override them."""


def configure(preset: str | None, **overrides: Any) -> BuildConfig:
    """A configuration from a preset and the options that somebody gave.

    Args:
        preset: A name of :data:`PRESETS`; None picks the plain defaults for the generator.
        overrides: Fields of :class:`BuildConfig`; None means not given.

    Raises:
        PortraitError: An unknown preset or an impossible combination.
    """
    given = {key: value for key, value in overrides.items() if value is not None}
    if preset is not None and preset not in PRESETS:
        raise PortraitError(f"--preset is one of {', '.join(PRESETS)}, not {preset!r}")
    generator = given.get("generator")
    if preset is None:
        preset = "ld-portrait-20k" if generator == "layer-diffusion" else "demo"
    base = PRESETS[preset]
    if (generator or base.generator) in WITHOUT_PROMPTS and {"width", "height"} & set(given):
        raise PortraitError(
            "--size goes with generators that draw: pictures of a folder keep their own size"
        )
    if generator is not None and generator != base.generator:
        # Another source: the preset's count, shards and damage were not meant for it.
        fresh: dict[str, Any] = {"shards": None, "damage": 0.0}
        if generator == "folder":
            fresh["count"] = None
        base_fields = {name: getattr(base, name) for name in BuildConfig.__dataclass_fields__}
        return BuildConfig(**{**base_fields, **fresh, **given})
    if given.get("count") is not None and given.get("shards") is None:
        given["shards"] = None if given["count"] != base.count else base.shards
    return replace(base, **given)


def parse_splits(text: str) -> dict[str, float]:
    """``train=0.96,validation=0.02,test=0.02`` as a dict.

    Raises:
        PortraitError: Not of that form.
    """
    try:
        pairs = [item.split("=") for item in text.split(",")]
        splits = {name.strip(): float(share) for name, share in pairs}
    except ValueError:
        raise PortraitError(
            f"--splits {text!r}: write it as train=0.96,validation=0.02,test=0.02"
        ) from None
    if len(splits) != len(pairs):
        raise PortraitError(f"--splits {text!r}: a split is named twice")
    return splits


def parse_generator_options(pairs: Iterable[str]) -> dict[str, str]:
    """``radius=0.3`` pairs as a dict.

    Raises:
        PortraitError: Not of that form, or an option that is named twice.
    """
    options: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise PortraitError(f"--generator-option {pair!r}: write it as NAME=VALUE")
        if name.strip() in options:
            raise PortraitError(f"--generator-option {name.strip()}: is given twice")
        options[name.strip()] = value.strip()
    return options


def parse_size(text: str) -> tuple[int, int]:
    """``1024`` or ``896x1152`` (width x height) as a pair.

    Raises:
        PortraitError: Not of that form.
    """
    try:
        sides = [int(part) for part in text.lower().split("x")]
        width, height = sides * 2 if len(sides) == 1 else sides
    except ValueError:
        raise PortraitError(f"--size {text!r}: write it as 1024 or 896x1152") from None
    return width, height
