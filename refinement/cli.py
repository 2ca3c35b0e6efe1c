"""``python -m refinement``: refine files, folders and globs of RGBA pictures."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_EXAMPLES = """\
examples:
  python -m refinement portrait.png --output refined
  python -m refinement cutouts/ 'more/*.webp' --output refined --preview --workers 4
  python -m refinement cutouts/ --output refined --report refined/report.jsonl

Each picture NAME.ext becomes OUTPUT/NAME.png (RGBA: the re-estimated foreground colour and
the refined alpha; 8 or 16 bit as the input). Folders are searched through, and their
structure is kept. Outputs whose input, options and version have not changed are skipped.

exit status: 0 all pictures refined, 1 some could not be (each is named), 2 wrong usage,
130 interrupted; run the same command again to go on.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog="python -m refinement",
        description="Refine the mattes of RGBA pictures by the connectivity of their border.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("inputs", nargs="+", metavar="INPUT", help="picture, folder or quoted glob")
    add("-o", "--output", required=True, type=Path, metavar="DIR", help="where the PNGs go")
    add("--report", type=Path, metavar="FILE.jsonl", help="one JSON line a picture, input order")
    add(
        "--preview",
        action="store_true",
        help="also DIR/previews/NAME.png: before and after on light and dark, change x 8",
    )
    add(
        "--workers",
        type=_positive,
        default=None,
        metavar="N",
        help="processes (default: one per processor)",
    )
    add("--overwrite", action="store_true", help="refine again what is already there")
    add("--json", action="store_true", help="print the summary as JSON")
    tune = result.add_argument_group("options of the refinement (defaults are good)")
    tune.add_argument(
        "--band-width",
        type=float,
        metavar="PX",
        help="widest soft border believed, in pixels at 1024 x 1024 (default 64)",
    )
    tune.add_argument(
        "--several-bodies",
        choices=("reject", "keep", "largest"),
        help="separate people: name it a reason to reject, keep all, or keep the largest",
    )
    tune.add_argument(
        "--no-flyaways",
        action="store_true",
        help="remove thin detached strands near the body too",
    )
    tune.add_argument(
        "--keep-colour", action="store_true", help="leave the foreground colour as it is"
    )
    return result


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; ``sys.argv`` by default.

    Returns:
        The exit status.
    """
    from refinement.batch import Job, plan, run
    from refinement.options import Options, RefinementError

    command = parser()
    given = command.parse_args(arguments)
    chosen: dict[str, Any] = {}
    if given.band_width is not None:
        chosen["band_width"] = given.band_width
    if given.several_bodies is not None:
        chosen["several_bodies"] = given.several_bodies
    if given.no_flyaways:
        chosen["keep_flyaways"] = False
    if given.keep_colour:
        chosen["estimate_colour"] = False
    try:
        options = Options(**chosen)
        jobs: list[Job] = plan(given.inputs, given.output, preview=given.preview)
        given.output.mkdir(parents=True, exist_ok=True)
    except (RefinementError, OSError) as error:
        print(f"{command.prog}: error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    workers = min(given.workers or os.cpu_count() or 1, max(1, len(jobs)))
    lines: list[dict[str, Any]] = []
    try:
        outcomes = run(jobs, options, workers=workers, overwrite=given.overwrite)
        for line in _progress(outcomes, len(jobs)):
            lines.append(line)
            if line["status"] == "failed":
                print(f"{line['input']}: {line['problem']}", file=sys.stderr)  # noqa: T201
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)  # noqa: T201
        return 130
    if given.report is not None:
        from refinement.pictures import write_whole

        text = "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines)
        write_whole(given.report, text.encode())
    summary = _summary(lines, given.output)
    if given.json:
        print(json.dumps(summary, sort_keys=True))  # noqa: T201
    else:
        print(_sentence(summary))  # noqa: T201
    return 1 if summary["failed"] else 0


def _progress(outcomes: Iterator[dict[str, Any]], total: int) -> Iterator[dict[str, Any]]:
    from tqdm import tqdm

    yield from tqdm(outcomes, total=total, unit="picture", disable=None, file=sys.stderr)


def _summary(lines: list[dict[str, Any]], output: Path) -> dict[str, Any]:
    reasons: dict[str, int] = {}
    for line in lines:
        for reason in (line["report"] or {}).get("reasons", []):
            reasons[reason] = reasons.get(reason, 0) + 1
    count = dict.fromkeys(("refined", "skipped", "failed"), 0)
    for line in lines:
        count[line["status"]] += 1
    return {
        **count,
        "pictures": len(lines),
        "to_reject": sum(bool((line["report"] or {}).get("reasons")) for line in lines),
        "reasons": dict(sorted(reasons.items())),
        "output": str(output),
    }


def _sentence(summary: dict[str, Any]) -> str:
    text = (
        f"{summary['refined']} refined, {summary['skipped']} already there, "
        f"{summary['failed']} failed, in {summary['output']}"
    )
    if summary["to_reject"]:
        why = ", ".join(f"{name} {number}" for name, number in summary["reasons"].items())
        text += f"\n{summary['to_reject']} should not serve as ground truth: {why}"
    if summary["failed"]:
        text += "\nthe failed ones are named above; mend or leave them and run again"
    return text
