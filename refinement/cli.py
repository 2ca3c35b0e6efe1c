"""``python -m refinement``: refine files, folders and globs of RGBA pictures."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from refinement.printable import MAX_MESSAGE, printable, say

if TYPE_CHECKING:
    from refinement.options import Options

# The numbers of ld_portrait_20k.exit_codes, which this package does not import.
DONE: Final = 0
PROBLEM: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130
_EVERY: Final = 60.0  # seconds between lines of progress in a log

_EXAMPLES = """\
examples:
  python -m refinement portrait.png --output refined
  python -m refinement cutouts/ 'more/*.webp' --output refined --preview --workers 4
  python -m refinement cutouts/ --output refined --report refined/report.jsonl

Each picture NAME.ext becomes OUTPUT/NAME.png (RGBA: the re-estimated foreground colour and
the refined alpha; 8 or 16 bit as the input). Folders are searched through, and their
structure is kept, as is the part of a glob behind its first wildcard. Outputs whose input,
options and version have not changed are skipped. PNG and TIFF keep 16 bits; EXIF orientation
is applied, the colour profile kept.

exit codes: 0 all pictures refined, 1 some could not be (each is named), 2 wrong usage,
130 interrupted; run the same command again to go on.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    from refinement.options import BODIES

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
    add(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="skip what is done already (the default)",
    )
    add("--overwrite", dest="resume", action="store_false", help="the same as --no-resume")
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
        choices=BODIES,
        help="several separate people: keep all and give a reason to reject (default), keep all, "
        "or keep only the largest",
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
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def main(
    arguments: Sequence[str] | None = None,
    adapt: Callable[[argparse.ArgumentParser], None] | None = None,
) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; ``sys.argv`` by default.
        adapt: Changes the parser first, such as to another program's name.

    Returns:
        The exit status.
    """
    command = parser()
    if adapt is not None:
        adapt(command)
    try:
        try:
            return _run(command.parse_args(arguments), command.prog)
        finally:  # here, while a failure can still be told; argparse ends by SystemExit
            _flush()
    except KeyboardInterrupt:
        say("interrupted; run the same command again to go on", sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output left (`... | head`)
        _silence()
        return DONE
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        say(f"{command.prog}: error: {name}{error.strerror or error}", sys.stderr)
        return PROBLEM


def _flush() -> None:
    try:
        sys.stdout.flush()
    except OSError as error:
        error.filename = "standard output"
        _silence()
        raise


def _silence() -> None:
    """Drop what could not be printed: Python would try again at its end, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(given: argparse.Namespace, program: str) -> int:
    from refinement import pictures
    from refinement.batch import plan, run
    from refinement.options import RefinementError
    from refinement.workers import processors

    try:
        options = _options(given)
        jobs = plan(given.inputs, given.output, preview=given.preview)
        if given.report is not None:
            _check_report(given.report)
        _check_output(given.output)
    except RefinementError as error:
        say(f"{program}: error: {printable(error, MAX_MESSAGE)}", sys.stderr)
        return USAGE
    written = [path for job in jobs for path in (job.target, job.preview) if path is not None]
    for folder in {path.parent for path in written}:
        pictures.sweep(folder)
    workers = min(given.workers or processors(), len(jobs))
    with closing(run(jobs, options, workers=workers, overwrite=not given.resume)) as outcomes:
        lines = list(_progress(outcomes, len(jobs)))
    summary = _summary(lines, given.output)
    status = PROBLEM if summary["failed"] else DONE
    if given.report is not None:
        text = "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines)
        try:
            _write_report(given.report, text)
        except OSError as error:
            say(
                f"{printable(given.report)}: cannot be written: {error.strerror or error}",
                sys.stderr,
            )
            status = PROBLEM
    say(json.dumps(summary, sort_keys=True) if given.json else _sentence(summary))
    return status


def _options(given: argparse.Namespace) -> Options:
    from refinement.options import Options

    chosen: dict[str, Any] = {}
    if given.band_width is not None:
        chosen["band_width"] = given.band_width
    if given.several_bodies is not None:
        chosen["several_bodies"] = given.several_bodies
    if given.no_flyaways:
        chosen["keep_flyaways"] = False
    if given.keep_colour:
        chosen["estimate_colour"] = False
    return Options(**chosen)


def _check_output(output: Path) -> None:
    """Find out now, not after the first picture, whether files can be written there."""
    from refinement.options import RefinementError
    from refinement.pictures import write_whole

    try:
        write_whole(output / ".writable", b"")
        (output / ".writable").unlink()
    except OSError as error:
        raise RefinementError(
            f"--output {output}: cannot be written: {error.strerror or error}"
        ) from None


def _check_report(report: Path) -> None:
    from refinement.options import RefinementError
    from refinement.pictures import SUFFIXES

    if report.suffix.lower() in SUFFIXES:
        raise RefinementError(f"--report {report}: takes the name of a text file, not a picture")
    if report.is_dir():
        raise RefinementError(f"--report {report}: is a folder")
    try:
        report.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RefinementError(
            f"--report {report}: cannot be written: {error.strerror or error}"
        ) from None


def _write_report(report: Path, text: str) -> None:
    from refinement.pictures import write_whole

    if report.is_symlink() or (report.exists() and not report.is_file()):
        report.write_text(text, encoding="utf-8")  # /dev/stdout, a pipe: nothing to replace
    else:
        write_whole(report, text.encode())


def _progress(outcomes: Iterator[dict[str, Any]], total: int) -> Iterator[dict[str, Any]]:
    """Pass the outcomes on, with a progress bar and a line for each failure.

    Where standard error is no terminal, a line a minute stands in for the bar.
    """
    from tqdm import tqdm

    told = time.monotonic()
    with tqdm(total=total, unit="picture", disable=None, file=sys.stderr) as bar:
        for number, line in enumerate(outcomes, 1):
            if line["status"] == "failed":
                with tqdm.external_write_mode(file=sys.stderr):
                    say(f"{printable(line['input'])}: {printable(line['problem'])}", sys.stderr)
            bar.update()
            if bar.disable and time.monotonic() - told >= _EVERY:
                told = time.monotonic()
                say(f"{number} of {total} pictures", sys.stderr)
            yield line


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
        text += (
            "\nthe failed ones are named above; try: repair or remove them, then run the same "
            "command again"
        )
    return text
