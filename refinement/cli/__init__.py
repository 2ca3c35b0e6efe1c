"""``python -m refinement``: refine files, folders and globs of RGBA pictures."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from refinement.io.printable import MAX_MESSAGE, printable, say

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

    from refinement.cli.jobs import Destination
    from refinement.cli.products import Product
    from refinement.options import Options

# The numbers of ld_portrait_20k.exit_codes, which this package does not import.
DONE: Final = 0
PROBLEM: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130

_EXAMPLES = """\
examples:
  python -m refinement portrait.png --output refined.png
  python -m refinement cutouts/ 'more/*.webp' --output refined --preview --workers 4
  python -m refinement cutouts/ --output refined --report refined/report.jsonl
  python -m refinement cutouts/ --output mattes --only alpha
  python -m refinement portrait.png --output on-green.png --background '#00ff00'
  curl -s URL | python -m refinement - --output - > refined.png

In a folder, each picture NAME.ext becomes OUTPUT/NAME.png (RGBA: the re-estimated foreground
colour and the refined alpha; 8 or 16 bit as the input), standard input stdin.png. Folders are
searched through, and their structure is kept, as is the part of a glob behind its first wildcard.
Outputs whose input, options and version have not changed are skipped. PNG and TIFF keep 16 bits;
EXIF orientation is applied, the colour profile kept. Pictures whose shorter side is below 96 px
are refined, but are smaller than the refinement is made for.

Pictures that should not serve as ground truth are written all the same, and named on standard
error with the reasons. With --output - everything but the picture goes there.

exit codes: 0 all pictures refined, 1 some could not be (each is named) or the disk is full,
2 wrong usage, 130 interrupted; run the same command again to go on.
"""


class _Parser(argparse.ArgumentParser):
    """A parser whose ``--help`` fails where it cannot be printed; argparse passes over that.

    A picture whose name begins with a dash, as a shell's ``*`` gives it, is named where it was
    read as options.
    """

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        if file is sys.stdout:
            say(message.removesuffix("\n"))
        else:
            super()._print_message(message, file)

    def parse_known_args(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        namespace: argparse.Namespace | None = None,
    ) -> tuple[argparse.Namespace, list[str]]:
        self._given = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(self._given, namespace)

    def error(self, message: str) -> NoReturn:
        for given in getattr(self, "_given", ()):
            if given[:1] == "-" and given != "--" and os.path.lexists(given):
                name = printable(given)
                message += f"; {name} is read as options, for its dash; try: ./{name}"
        super().error(message)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    from refinement import VERSION

    result = _Parser(
        prog="python -m refinement",
        description="Refine the mattes of RGBA pictures by the connectivity of their border.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("inputs", nargs="+", metavar="INPUT", help="picture, folder, quoted glob, or - for stdin")
    add(
        "-o",
        "--output",
        required=True,
        metavar="PATH",
        help="a folder; for one input also a file that ends in .png, or - for stdout",
    )
    _add_products(result)
    add("--report", type=Path, metavar="FILE.jsonl", help="one JSON line a picture, input order")
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
    add(
        "--overwrite",
        dest="resume",
        action="store_false",
        help="--no-resume, and an output file may be replaced that this command did not write",
    )
    add("--json", action="store_true", help="print the summary as JSON")
    add("--version", action="version", version=f"refinement {VERSION}", help="show the version")
    _add_options(result)
    return result


def _add_products(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--only",
        choices=("rgba", "alpha", "trimap"),
        default="rgba",
        help="what is written: RGBA (the default), the matte alone in grey, or its trimap",
    )
    add(
        "--background",
        metavar="COLOUR|PICTURE",
        help="write the composite over this instead of RGBA: a CSS colour, or a picture that fills "
        "the frame; blended in sRGB values, as browsers do, not in linear light",
    )
    add(
        "--preview",
        action="store_true",
        help="also FOLDER/previews/NAME.png or FILE.preview.png: before and after on light and "
        "dark, both mattes, the change of alpha, the trimap",
    )


def _add_options(parser: argparse.ArgumentParser) -> None:
    from refinement.options import BODIES

    tune = parser.add_argument_group("options of the refinement (defaults are good)")
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


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up; try: 1")
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
    from refinement.cli.batch import run
    from refinement.cli.jobs import destination, plan
    from refinement.cli.summary import progress, sentence, summary
    from refinement.cli.workers import processors
    from refinement.io.files import sweep
    from refinement.options import RefinementError

    try:
        options, product = _options(given), _product(given)
        to = destination(given.output)
        jobs = plan(given.inputs, to, preview=given.preview, overwrite=not given.resume)
        if given.report is not None:
            _check_report(given.report, overwrite=not given.resume)
        _check_output(to)
    except RefinementError as error:
        say(f"{program}: error: {printable(error, MAX_MESSAGE)}", sys.stderr)
        return USAGE
    written = [path for job in jobs for path in (job.target, job.preview) if path is not None]
    for folder in {path.parent for path in written}:
        sweep(folder)
    workers = min(given.workers or processors(), len(jobs))
    with closing(
        run(jobs, options, product, workers=workers, overwrite=not given.resume)
    ) as outcomes:
        lines = list(progress(outcomes, len(jobs)))
    figures = summary(lines, len(jobs), to)
    status = PROBLEM if figures["failed"] else DONE
    if given.report is not None and not _write_report(given.report, lines):
        status = PROBLEM
    # Standard output may be the picture's.
    stream = sys.stdout if to.folder or to.file else sys.stderr
    say(json.dumps(figures, sort_keys=True) if given.json else sentence(figures), stream)
    return status


def _product(given: argparse.Namespace) -> Product:
    from refinement.cli.products import Product, background

    behind = None if given.background is None else background(given.background)
    return Product(given.only, behind)


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


def _check_output(to: Destination) -> None:
    """Find out now, not after the first picture, whether files can be written there."""
    from refinement.io.files import write_whole
    from refinement.options import RefinementError

    folder = to.folder if to.file is None else to.file.parent
    if folder is None:
        return
    try:
        write_whole(folder / ".writable", b"")
        (folder / ".writable").unlink()
    except OSError as error:
        raise RefinementError(
            f"--output {to}: cannot be written: {error.strerror or error}; try: another --output"
        ) from None


def _check_report(report: Path, *, overwrite: bool) -> None:
    from refinement.io.pictures import SUFFIXES
    from refinement.options import RefinementError

    if report.suffix.lower() in SUFFIXES:
        raise RefinementError(
            f"--report {report}: is the name of a picture; try: {report.with_suffix('.jsonl')}"
        )
    if report.is_dir():
        raise RefinementError(f"--report {report}: is a folder; try: {report / 'report.jsonl'}")
    if report.is_file() and not overwrite and not _is_report(report):
        raise RefinementError(
            f"--report {report}: is there and is no report; try: another name, or --overwrite"
        )
    try:
        report.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RefinementError(
            f"--report {report}: cannot be written: {error.strerror or error}; try: another path"
        ) from None


def _is_report(path: Path) -> bool:
    """Whether an earlier run wrote the file; an empty one is as good."""
    try:
        with path.open("rb") as stream:
            line = stream.readline(1 << 20)
        return not line or "input" in dict(json.loads(line))
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def _write_report(report: Path, lines: list[dict[str, Any]]) -> bool:
    """Write one JSON line an outcome; says so and returns False if that fails."""
    from refinement.io.files import write_whole

    text = "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines)
    try:
        if report.is_symlink() or (report.exists() and not report.is_file()):
            report.write_text(text, encoding="utf-8")  # /dev/stdout, a pipe: nothing to replace
        else:
            write_whole(report, text.encode())
    except OSError as error:
        problem = f"cannot be written: {error.strerror or error}; try: another --report"
        say(f"{printable(report)}: {problem}", sys.stderr)
        return False
    return True
