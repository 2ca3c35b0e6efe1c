"""``python -m ld_portrait_20k.matting reproduce``."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from ld_portrait_20k.common.printable import say
from ld_portrait_20k.errors import PortraitError, missing_extra

if TYPE_CHECKING:
    from ld_portrait_20k.matting.experiments.study import Study

_TABLES: Final = ("source", "capacity", "datasets", "refinement")

_DESCRIPTION: Final = """\
Find out what the data are worth, as the paper's tables do: train the same model on each arm
with the same seeds, test all on the same pictures, and say what the differences allow.

  source      truth, refined, raw, chroma-keyed and largest-component mattes of the same
              foregrounds: their own errors, then models trained on each
  capacity    1/8, 1/4, 1/2 and all of the data, at equal steps and at equal epochs
  datasets    the data against other training sets (--rival)
  refinement  what each part of the refinement adds

Ends in report.md, report.html, cells.csv and figures. A finished cell is never run again:
kill it at any moment, the same command goes on.
"""

_EPILOG: Final = """\
examples:
  an hour on two cores:
    python -m builder regenerate --preset demo --count 80 --output portraits
    python -m ld_portrait_20k.matting reproduce --data portraits --output report
  what would be done, and how long it takes:
    python -m ld_portrait_20k.matting reproduce --data portraits --output report --dry-run
  the paper's size on the GPUs of this machine:
    python -m ld_portrait_20k.matting reproduce --data ld-portrait-20k --rival p3m=P3M-10k \\
        --test ppm=PPM-100 --backgrounds photos --budget full --output report
  a share of a cluster's job array; the report when all are done:
    python -m ld_portrait_20k.matting reproduce --data DIR --output report --prepare-only
    python -m ld_portrait_20k.matting reproduce --output report --rank 3 --world-size 16
    python -m ld_portrait_20k.matting reproduce --output report --report-only
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    add = parser.add_argument
    add("tables", nargs="*", metavar="TABLE",
        help=f"{', '.join(_TABLES)} (default: all; datasets only with --rival)")  # fmt: skip
    add("--output", type=Path, required=True, metavar="DIR", help="folder of the report")
    add("--dry-run", action="store_true", help="print the cells and the time they will take")
    add("--report-only", action="store_true", help="write the report of the cells that are done")
    add("--prepare-only", action="store_true", help="make the data, train nothing")
    add("--json", action="store_true", help="the result as JSON on stdout")

    data = parser.add_argument_group("data").add_argument
    data("--data", metavar="DIR", help="our dataset (folder or Hub name), or other foregrounds")
    data("--rival", action="append", metavar="NAME=DIR", help="another training set; repeatable")
    data("--test", action="append", metavar="NAME=DIR", help="a test set; repeatable")
    data("--hold-out", type=float, metavar="SHARE",
         help="share of --data to test on, 0 for none (default: 0.2)")  # fmt: skip
    data("--backgrounds", metavar="DIR", help="pictures to train over (default: drawn ones)")
    data("--test-backgrounds", metavar="DIR",
         help="pictures to test over (default: a third of --backgrounds, kept for it)")  # fmt: skip
    data("--test-samples", type=int, metavar="N", help="most samples of a test set")
    data("--side", type=int, metavar="PX", help="test pictures are reduced to this side")

    data("--note", action="append", metavar="TEXT",
         help="what a reader must know of the data, for the report; repeatable")  # fmt: skip

    size = parser.add_argument_group("size").add_argument
    size("--budget", choices=("small", "full"), default="small",
         help="small: two cores, an hour; full: ViTMatte-S on GPUs (default: small)")  # fmt: skip
    size("--steps", type=int, metavar="N", help="of each cell")
    size("--seeds", type=int, metavar="N", help="seeds of each arm (default: 3)")
    size("--model", metavar="NAME", help="hint-unet, vitmatte-small, vitmatte-base, portrait-unet")
    size("--network", type=_object, metavar="JSON", help="of the model: '{\"widths\": [...]}'")
    size("--crop", type=int, metavar="PX", help="side of a training crop")
    size("--batch-size", type=int, metavar="N", help="crops a step")
    size("--learning-rate", type=float, metavar="X", help="after the warm-up")

    where = parser.add_argument_group("where cells run").add_argument
    where("--devices", metavar="LIST",
          help="cpu:2 or cuda:0,cuda:1 (default: every GPU, else every core)")  # fmt: skip
    where("--rank", type=int, metavar="R", help="run the cells of this rank of --world-size only")
    where("--world-size", type=int, default=1, metavar="N", help="ranks in all")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    _check(options)
    from ld_portrait_20k.matting.experiments import dealing, figures

    figures.check_matplotlib()
    chosen = dealing.devices(options.devices)
    with _stops() as stopped:
        return _run(options, chosen, stopped)


def _run(options: argparse.Namespace, chosen: list[str], stopped: Callable[[], bool]) -> int:
    from ld_portrait_20k.matting.experiments import dealing, reproducing

    study = _study(options)
    if options.dry_run:
        return _forecast(reproducing.forecast(study, len(chosen), chosen[0].partition(":")[0]),
                         options)  # fmt: skip
    if options.prepare_only:
        say(f"prepared {len(study.cells)} cells in {study.output}")
        return 0
    if options.rank is not None:
        kind = chosen[0].partition(":")[0]
        ran = dealing.work_off(
            study, device=kind, rank=options.rank, world_size=options.world_size,
            tell=_tell, stopped=stopped,
        )  # fmt: skip
        say(f"rank {options.rank} of {options.world_size}: {ran} cells run")
        return 0
    if not options.report_only:
        left = sum(cell.hash not in study.results() for cell in study.cells)
        _tell(f"{len(study.cells)} cells, {left} to do")
        if left:
            dealing.deal(study, chosen, stopped)
    return _report(study, options)


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no JSON object; try: '{{\"widths\": [8, 16]}}'"
        )
    return found


def _check(options: argparse.Namespace) -> None:
    try:
        import accelerate  # noqa: F401
        import torch  # noqa: F401
    except ImportError as problem:
        raise missing_extra(str(problem.name), "matting") from problem
    if options.rank is not None and not 0 <= options.rank < options.world_size:
        raise PortraitError(f"--rank {options.rank}: 0 to {options.world_size - 1}")


def _study(options: argparse.Namespace) -> Study:
    """The study that is prepared; or the one that the options describe."""
    from ld_portrait_20k.matting.data.sources import refuse_inside
    from ld_portrait_20k.matting.experiments import reproducing, settings
    from ld_portrait_20k.matting.experiments.study import load_study

    if options.report_only or options.rank is not None:
        return load_study(options.output)
    if not options.data:
        raise PortraitError("nothing to reproduce from; try: --data DIR")
    rivals = tuple(options.rival or ())
    read = (options.data, *rivals, *(options.test or ()), options.backgrounds)
    refuse_inside(options.output, filter(None, (*read, options.test_backgrounds)))
    tables = tuple(options.tables) or tuple(t for t in _TABLES if t != "datasets" or rivals)
    given = {
        "tables": tuple(sorted(set(tables), key=lambda t: (*_TABLES, t).index(t))),
        "rivals": rivals, "tests": tuple(options.test or ()), "notes": tuple(options.note or ()),
    }  # fmt: skip
    for name in ("data", "hold_out", "backgrounds", "test_backgrounds", "test_samples", "side",
                 "steps", "seeds", "model", "network", "crop", "batch_size",
                 "learning_rate"):  # fmt: skip
        given[name] = getattr(options, name)
    chosen = settings.settings(options.budget, given)
    command = shlex.join(["python", "-m", "ld_portrait_20k.matting", *options.arguments])
    return reproducing.prepared_study(chosen, options.output, command, _tell)


def _report(study: Study, options: argparse.Namespace) -> int:
    from ld_portrait_20k.matting.experiments.report import write_report

    files = write_report(study)
    done = len(study.results())
    if options.json:
        say(json.dumps({"report": str(files[0]), "cells": len(study.cells), "done": done,
                          "files": [str(path) for path in files]}))  # fmt: skip
    else:
        say(f"{files[0]}: {done} of {len(study.cells)} cells")
    return 0


def _forecast(found: dict[str, Any], options: argparse.Namespace) -> int:
    if options.json:
        say(json.dumps(found))
        return 0
    for line in found["cells"]:
        say(line)
    say(
        f"{found['left']} of {len(found['cells'])} cells to do, {found['steps_left']} steps at "
        f"{found['seconds_a_step']:.3f} s, in {found['processes']} processes: "
        f"{found['time_left']}"
    )
    return 0


@contextmanager
def _stops() -> Iterator[Callable[[], bool]]:
    """Note the first signal, so that cells end with a checkpoint; the second ends at once."""
    told: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        told.append(number)
        if len(told) > 1:
            raise KeyboardInterrupt

    before = {n: signal.signal(n, note) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(told)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(line: str) -> None:
    say(line, error=True)
