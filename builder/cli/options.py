"""Options that several commands share, and how they become a configuration."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builder.config import BuildConfig

DEFAULT_OUTPUT = "ld-portrait-20k"


def add_build_options(parser: argparse.ArgumentParser) -> None:
    """What to build: preset, generator, counts, prompts."""
    group = parser.add_argument_group("what to build (given options override the preset's)")
    group.add_argument(
        "--preset",
        choices=("demo", "ld-portrait-20k"),
        help="demo: 48 procedural portraits, 512 px, 4 shards, damaged and refined (default); "
        "ld-portrait-20k: 20,051 Layer Diffusion portraits, 1024 px, 96 shards",
    )
    group.add_argument(
        "--generator",
        choices=("folder", "procedural", "layer-diffusion"),
        help="where portraits come from: RGBA pictures of a folder, drawn without weights, "
        "or SDXL with latent transparency",
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
        choices=("png", "jpeg"),
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
        "--raw",
        action=argparse.BooleanOptionalAction,
        help="keep the unrefined pictures as the subset raw (default: yes)",
    )


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
    from builder.config import configure, parse_size, parse_splits

    width, height = parse_size(options.size) if options.size else (None, None)
    return configure(
        options.preset,
        generator=options.generator,
        source=options.source,
        prompts=options.prompts,
        count=options.count,
        width=width,
        height=height,
        seed=options.seed,
        shards=options.shards,
        splits=parse_splits(options.splits) if options.splits else None,
        foreground_format=options.foreground_format,
        damage=options.damage,
        attempts=options.attempts,
        keep_raw=options.raw,
    )


def plan_summary(plan: Any) -> dict[str, Any]:
    """A plan's figures for a person or a script."""
    units = plan.units()
    splits: dict[str, dict[str, int]] = {}
    for unit in units:
        entry = splits.setdefault(unit.split, {"samples": 0, "shards": 0})
        entry["samples"] += len(unit.rows)
        entry["shards"] += 1
    return {
        "plan_hash": plan.hash,
        "generator": plan.header["generator"]["name"],
        "samples": len(plan.rows),
        "shards": len(units),
        "splits": splits,
        "subsets": list(plan.subsets),
        "foreground_format": plan.foreground_format,
    }


def print_plan(summary: dict[str, Any]) -> None:
    """A plan's figures as lines for a person."""
    print(f"generator  {summary['generator']}")
    for split, entry in summary["splits"].items():
        print(f"{split:10} {entry['samples']} samples in {entry['shards']} shards")
    print(f"subsets    {', '.join(summary['subsets'])}, foreground {summary['foreground_format']}")
    print(f"plan       {summary['plan_hash'][:16]}")
