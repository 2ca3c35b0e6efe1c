"""Options that several commands share, and how they become a configuration."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from builder.config import BuildConfig
    from builder.pipeline.run_options import RunOptions

DEFAULT_OUTPUT = "ld-portrait-20k"


def add_dataset(parser: argparse.ArgumentParser) -> None:
    """The folder of a dataset that is there."""
    parser.add_argument(
        "dataset",
        type=Path,
        nargs="?",
        default=Path(DEFAULT_OUTPUT),
        metavar="DIR",
        help=f"dataset folder ({DEFAULT_OUTPUT})",
    )


def add_build_options(parser: argparse.ArgumentParser) -> None:
    """What to build: preset, generator, counts, prompts."""
    from builder.config import GENERATORS, PRESETS
    from ld_portrait_20k.format import schema

    group = parser.add_argument_group("what to build (given options override the preset's)")
    group.add_argument(
        "--preset",
        choices=tuple(PRESETS),
        help="demo: 48 procedural portraits, 512 px, 4 shards, damaged and refined (default); "
        "ld-portrait-20k: 20,051 Layer Diffusion portraits, 1024 px, 96 shards",
    )
    group.add_argument(
        "--generator",
        metavar="NAME|MODULE:NAME",
        help=f"{', '.join(name for name in GENERATORS if name != 'dataset')}: RGBA pictures of a "
        "folder, portraits drawn without weights, or SDXL with latent transparency; or one of "
        "your own, package.module:Name (builder/generation/README.md); "
        "`python -m builder generators` lists all",
    )
    group.add_argument(
        "--generator-option",
        action="append",
        metavar="NAME=VALUE",
        help="an option of a generator of your own or of another package; repeatable",
    )
    group.add_argument(
        "--source", type=Path, metavar="DIR", help="folder of RGBA PNG or WebP (folder generator)"
    )
    group.add_argument(
        "--prompts",
        type=Path,
        metavar="FILE",
        help="folder: JSON {stem: prompt} (else STEM.txt beside the picture); "
        "others: JSON list or one prompt a line; default: the built-in grammar",
    )
    group.add_argument(
        "--vocabulary",
        type=Path,
        metavar="FILE",
        help="what the built-in grammar's prompts are made of: a changed copy of "
        "builder/prompts/vocabulary.toml, which explains its keys",
    )
    group.add_argument("--count", type=int, metavar="N", help="how many samples")
    group.add_argument("--size", metavar="S|WxH", help="picture size in pixels, 1024 or 896x1152")
    group.add_argument("--seed", type=int, metavar="N", help="seed of prompts and pictures")
    group.add_argument(
        "--shards", type=int, metavar="N", help="shards, all splits together (default: by count)"
    )
    group.add_argument(
        "--splits",
        metavar="SPEC",
        help="shares by split, train=0.96,validation=0.02,test=0.02 (default: train=1)",
    )
    group.add_argument(
        "--foreground-format",
        choices=tuple(schema.FOREGROUND_MEMBERS),
        help="png: lossless (default); jpeg: q98 4:4:4, a third the size",
    )
    group.add_argument(
        "--damage",
        type=float,
        metavar="X",
        help="procedural: spoil the exact alpha as Layer Diffusion would, X times as measured, "
        "and keep the exact one as the subset truth",
    )
    group.add_argument(
        "--attempts", type=int, metavar="N", help="tries a sample before it is given up (4)"
    )
    group.add_argument(
        "--reject",
        action=argparse.BooleanOptionalAction,
        help="leave out what quality control rejects (default: yes)",
    )
    add_quality_options(group)
    group.add_argument(
        "--licence",
        metavar="ID",
        help="the data's licence as the Hub names it, cc-by-4.0 (default: by generator)",
    )
    group.add_argument("--origin", metavar="TEXT", help="where a folder's pictures come from")
    group.add_argument(
        "--contact", metavar="TEXT", help="whom to ask about the dataset, for its card"
    )
    group.add_argument(
        "--raw",
        action=argparse.BooleanOptionalAction,
        help="keep the unrefined pictures as the subset raw (default: yes)",
    )


def add_quality_options(group: argparse._ArgumentGroup) -> None:
    """Thresholds and further rules of quality control."""
    group.add_argument(
        "--quality",
        action="append",
        metavar="NAME=VALUE",
        help="a threshold of quality control, min_coverage=0.05; repeatable; "
        "`python -m builder plan` shows names, values and ranges",
    )
    group.add_argument(
        "--quality-file",
        type=Path,
        metavar="FILE",
        help="TOML file of thresholds, a line min_coverage = 0.05 each; --quality wins over it",
    )
    group.add_argument(
        "--quality-rule",
        action="append",
        metavar="NAME|MODULE:NAME",
        help="a further rule, installed or package.module:name, asked after the built-in ones; "
        "repeatable (builder/generation/README.md shows one)",
    )


def thresholds_from(
    options: argparse.Namespace, before: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """The thresholds that ``--quality`` and ``--quality-file`` give.

    Args:
        options: Of the command line.
        before: What holds where neither says otherwise, if not the defaults.

    Raises:
        PortraitError: A wrong name or value, or an unreadable file.
    """
    if not options.quality and options.quality_file is None:
        return dict(before or {})
    from builder.quality import Thresholds

    return Thresholds.from_options(
        options.quality or (), options.quality_file, before=before
    ).to_dict()


def add_layer_diffusion_options(parser: argparse.ArgumentParser) -> None:
    """Models and settings of the layer-diffusion generator."""
    from builder.generation.layer_diffusion.config import DTYPES

    group = parser.add_argument_group(
        "layer-diffusion (see builder/generation/layer_diffusion/README.md for the weights)"
    )
    group.add_argument(
        "--base-model", metavar="ID|DIR", help="SDXL on the Hub or in a folder (RealVisXL_V4.0)"
    )
    group.add_argument(
        "--weights", metavar="ID|DIR", help="attention offsets or LoRA, and the transparent VAE"
    )
    group.add_argument(
        "--vae", metavar="ID|DIR", help="another VAE; base: the model's own (default: fp16-safe)"
    )
    group.add_argument("--steps", type=int, metavar="N", help="sampling steps (25)")
    group.add_argument("--guidance", type=float, metavar="X", help="guidance scale (7)")
    group.add_argument("--batch-size", type=int, metavar="N", help="pictures at a time (4)")
    group.add_argument(
        "--dtype",
        choices=DTYPES,
        help="of the networks (auto: float16, but float32 with --device cpu)",
    )
    group.add_argument(
        "--device",
        metavar="D[,D]",
        help="cuda, cuda:1, cpu; several (cuda:0,cuda:1) run a process each; of all this "
        "only the dtype that --dtype auto leads to is part of the plan",
    )
    group.add_argument(
        "--compile", action=argparse.BooleanOptionalAction, help="torch.compile the networks"
    )


LAYER_DIFFUSION_OPTIONS = (
    *("base_model", "weights", "vae", "steps", "guidance"),
    *("batch_size", "dtype", "compile"),
)
"""What the plan holds; ``device`` is a matter of the run."""


def add_output(parser: argparse.ArgumentParser) -> None:
    """Where to build."""
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(DEFAULT_OUTPUT),
        metavar="DIR",
        help=f"dataset folder (default: {DEFAULT_OUTPUT})",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Output for scripts."""
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")


def config_from(options: argparse.Namespace) -> BuildConfig:
    """The configuration that the options describe.

    Raises:
        PortraitError: Options that make no sense, alone or together.
    """
    from builder.config import configure, parse_generator_options, parse_size, parse_splits
    from ld_portrait_20k.errors import PortraitError

    given = {name: getattr(options, name) for name in LAYER_DIFFUSION_OPTIONS}
    layer_diffusion = {name: value for name, value in given.items() if value is not None}
    width, height = parse_size(options.size) if options.size else (None, None)
    config = configure(
        options.preset,
        generator=options.generator,
        generator_options=parse_generator_options(options.generator_option or ()) or None,
        source=options.source,
        prompts=options.prompts,
        vocabulary=options.vocabulary,
        count=options.count,
        width=width,
        height=height,
        seed=options.seed,
        shards=options.shards,
        splits=parse_splits(options.splits) if options.splits else None,
        foreground_format=options.foreground_format,
        damage=options.damage,
        attempts=options.attempts,
        quality=thresholds_from(options) or None,
        quality_rules=options.quality_rule,
        reject=options.reject,
        licence=options.licence,
        origin=options.origin,
        contact=options.contact,
        keep_raw=options.raw,
        layer_diffusion=layer_diffusion or None,
    )
    if layer_diffusion and config.generator != "layer-diffusion":
        name = next(iter(layer_diffusion)).replace("_", "-")
        raise PortraitError(f"--{name} goes with --generator layer-diffusion")
    if options.device and not runs_on_device(config):
        raise PortraitError(
            "--device goes with --generator layer-diffusion, or another that runs on a device"
        )
    return config


def runs_on_device(config: BuildConfig) -> bool:
    """Whether the generator owns a device; one of another package is imported to know."""
    from builder.generation.registry import entry_named

    return entry_named(config.generator).on_device


def devices_from(options: argparse.Namespace) -> list[str]:
    """The devices that ``--device`` lists; ``auto`` where it is not given."""
    return (options.device or "auto").split(",")


def run_options_from(config: BuildConfig, options: argparse.Namespace) -> RunOptions:
    """How the command line asks for a build to be run, on the first device it names.

    Raises:
        PortraitError: A number outside its range.
    """
    from builder.pipeline.run_options import RunOptions

    return RunOptions.for_config(
        config,
        workers=options.workers,
        device=devices_from(options)[0],
        rank=options.rank,
        world_size=options.world_size,
    )
