"""A plan's figures, and what its build needs, for a person or a script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ld_portrait_20k.common.printable import say

if TYPE_CHECKING:
    from builder.plan import Plan


def plan_summary(plan: Plan) -> dict[str, Any]:
    """What a plan would make."""
    from ld_portrait_20k.format import schema

    units = plan.units()
    wanted = [name for name in schema.SPLITS if name in plan.header["splits"]]
    splits = {name: {"samples": 0, "shards": 0} for name in wanted}
    for unit in units:
        entry = splits[unit.split]
        entry["samples"] += len(unit.rows)
        entry["shards"] += 1
    return {
        "plan_hash": plan.hash,
        "generator": plan.header["generator"]["name"],
        "generator_spec": plan.header["generator"],
        "quality": plan.header["quality"],
        "samples": len(plan.rows),
        "shards": len(units),
        "splits": splits,
        "subsets": list(plan.subsets),
        "foreground_format": plan.foreground_format,
    }


def print_plan(summary: dict[str, Any]) -> None:
    """A plan's figures as lines."""
    say(f"generator  {summary['generator']}")
    for split, entry in summary["splits"].items():
        say(f"{split:10} {entry['samples']} samples in {entry['shards']} shards")
    say(f"subsets    {', '.join(summary['subsets'])}, foreground {summary['foreground_format']}")
    say(f"plan       {summary['plan_hash'][:16]}")


def print_quality(section: dict[str, Any]) -> None:
    """The thresholds of quality control with their ranges and meanings, and added rules."""
    from builder.quality.thresholds import describe

    say("quality control, set with --quality NAME=VALUE:")
    for name, (low, high, meaning) in describe().items():
        say(f"  {name:22} {section['thresholds'][name]:<7g} {low:g} to {high:g}; {meaning}")
    for rule in section["added_rules"]:
        say(f"  rule {rule['path']}, version {rule['version']}")


def needs(plan: Plan, at_once: int = 1) -> dict[str, Any]:
    """What building a plan takes.

    Args:
        plan: The plan.
        at_once: How many units are made or packed at the same time.

    Returns:
        ``disk_bytes`` (``final`` and ``peak``, upper estimates; None where picture sizes are
        not planned), ``downloads`` (see
        :func:`builder.generation.layer_diffusion.needs.downloads`) and ``hardware`` (lines of
        text).
    """
    from builder.generation.registry import run_needs
    from builder.pipeline.disk import disk_need

    disk = disk_need(plan, at_once=at_once)
    first = plan.rows[0]
    downloads, hardware = run_needs(plan.header["generator"], first.width, first.height)
    known = {"final": disk.final, "peak": disk.peak}
    return {
        "disk_bytes": known if disk.known else None,
        "downloads": downloads,
        "hardware": hardware,
    }


def print_needs(needed: dict[str, Any]) -> None:
    """What a build takes as lines."""
    disk = needed["disk_bytes"]
    if disk is None:
        say("disk       about as much as the source pictures take, for each subset")
    else:
        final, peak = disk["final"] / 1e9, disk["peak"] / 1e9
        say(
            f"disk       {final:.1f} GB when finished, all subsets; {peak:.1f} GB while it is "
            "built (upper estimates)"
        )
    for title, line in zip(_titles("weights"), _download_lines(needed["downloads"]), strict=False):
        say(f"{title:10} {line}")
    for title, line in zip(_titles("hardware"), needed["hardware"], strict=False):
        say(f"{title:10} {line}")


def _titles(first: str) -> list[str]:
    return [first, *[""] * 20]


def _download_lines(downloads: list[dict[str, Any]]) -> list[str]:
    if not downloads:
        return ["none to download"]
    missing = [item for item in downloads if not item["cached"]]
    total = sum(item["gigabytes"] or 0.0 for item in missing)
    unknown = any(item["gigabytes"] is None for item in missing)
    lines = [f"{total:.1f} GB to download" + (", and some of unknown size" if unknown else "")]
    for item in downloads:
        size = "size unknown" if item["gigabytes"] is None else f"{item['gigabytes']:.1f} GB"
        state = "in the cache" if item["cached"] else size
        if not item["resolved"]:
            state += ", hashes resolved when the run begins"
        revision = (item["revision"] or "newest")[:12]
        lines.append(f"{item['id']}@{revision}: {state}")
    return lines
