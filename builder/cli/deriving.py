"""What ``filter``, ``merge`` and ``resplit`` have in common: options, dry run, report."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ld_portrait_20k.common.printable import say

if TYPE_CHECKING:
    from builder.deriving.planning import Derivation

AGAIN = """\
Pictures are copied without decoding them, and DIR stays as it is. The same command again goes
on where it stood; the same datasets and options give the same bytes. The new folder is verified
at the end.
"""


def add_common(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    """Declare the options of all three commands."""
    from builder.cli.options import add_json

    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="folder of the new dataset"
    )
    parser.add_argument(
        "--shards", type=int, metavar="N",
        help="shards, all splits together (default: as many samples a shard as before)",
    )  # fmt: skip
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would come of it, and write nothing"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def check_shards(options: argparse.Namespace) -> int | None:
    """The number of shards that the options ask for.

    Raises:
        PortraitError: It is out of range.
    """
    from ld_portrait_20k.errors import PortraitError

    shards: int | None = options.shards
    if shards is not None and not 1 <= shards <= 99_999:
        raise PortraitError("--shards is 1 to 99999")
    return shards


def write_and_report(derivation: Derivation, options: argparse.Namespace) -> int:
    """Write a planned dataset, or only say what it would be.

    Args:
        derivation: What to write.
        options: ``output``, ``dry_run`` and ``json``.

    Returns:
        The exit code.

    Raises:
        PortraitError: As :func:`builder.deriving.writing.write`.
    """
    from builder.deriving.writing import check_output, copied_bytes, write
    from builder.files import canonical_json
    from builder.pipeline.output_folder import finished
    from ld_portrait_20k.common.progress import progress_bar

    plan, output = derivation.plan, options.output
    if derivation.without:
        named = " and ".join(derivation.without)
        say(f"note: not every sample is in the subset {named}, so it is left out", error=True)
    figures = _figures(derivation, options)
    if options.dry_run:
        if finished(output, plan) is None:
            check_output(output, plan)
        figures["bytes"] = copied_bytes(derivation)
    else:
        with progress_bar(len(plan.rows), " samples") as bar:
            report = write(derivation, output, bar.update)
        figures["bytes"] = sum(shard.bytes for shard in report.manifest.shards)
        figures["was_complete"] = report.was_complete
    if options.json:
        say(canonical_json(figures))
        return 0
    for line in _lines(derivation, figures, options):
        say(line)
    return 0


def _figures(derivation: Derivation, options: argparse.Namespace) -> dict[str, Any]:
    plan = derivation.plan
    units = plan.units()
    splits = dict.fromkeys((unit.split for unit in units), 0)
    for unit in units:
        splits[unit.split] += len(unit.rows)
    return {
        "output": str(options.output),
        "dry_run": options.dry_run,
        "change": derivation.change,
        "plan_hash": plan.hash,
        "generator": plan.header["generator"]["name"],
        "samples": len(plan.rows),
        "splits": splits,
        "shards": len(units),
        "subsets": list(plan.subsets),
        "subsets_left_out": derivation.without,
        "left_out": derivation.left_out,
        "sources": [str(source.root) for source in derivation.sources],
    }


def _lines(
    derivation: Derivation, figures: dict[str, Any], options: argparse.Namespace
) -> list[str]:
    from ld_portrait_20k.common.printable import printable

    output = str(options.output)
    splits = ", ".join(f"{split} {count}" for split, count in figures["splits"].items())
    size = figures["bytes"] / 2**20
    lines = [f"{output}: already complete"] if figures.get("was_complete") else []
    lines += [
        printable(derivation.change),
        f"{figures['samples']} samples ({splits}) in {figures['shards']} shards of "
        f"{', '.join(figures['subsets'])}, {size:.1f} MiB: {output}",
    ]
    if len(derivation.left_out) > 1:
        told = ", ".join(f"{reason} {count}" for reason, count in derivation.left_out.items())
        lines.append(f"left out: {told}")
    if options.dry_run:
        return [*lines, "nothing was written; the same command without --dry-run writes it"]
    verify = shlex.join(["python", "-m", "builder", "verify", "--deep", output])
    return [*lines, "verified: sizes and sha256 of every shard are right", f"next: {verify}"]
