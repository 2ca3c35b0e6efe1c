"""Dealing cells to processes: on this machine one a device, elsewhere by rank.

Every process goes through the cells in order and takes the next that is neither done nor
locked by another. The lock is the system's, so a process that is killed leaves none behind.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ld_portrait_20k.common.locks import LockedError, held
from ld_portrait_20k.common.printable import say
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.experiments.cells import Cell, cell_folder, read_result
from ld_portrait_20k.matting.experiments.run_cell import run_cell
from ld_portrait_20k.matting.experiments.study import Study, load_study

Tell = Callable[[str], None]


def work_off(
    study: Study,
    *,
    device: str = "cpu",
    rank: int = 0,
    world_size: int = 1,
    tell: Tell = lambda line: None,
    stopped: Callable[[], bool] = lambda: False,
) -> int:
    """Run the cells of a rank that are not done.

    Args:
        study: What to do.
        device: ``cpu`` or ``cuda``.
        rank: Of ``world_size``: cell n is of rank n modulo that. One rank has all cells, and
            any number of its processes share them.
        world_size: How many ranks there are.
        tell: Told of every cell that is done.
        stopped: See :func:`.run_cell.run_cell`.

    Returns:
        How many cells this call ran.
    """
    own = study.cells[rank::world_size]
    ran = 0
    for cell in own:
        with claimed(study.work, cell) as free:
            if not free or read_result(study.work, cell) is not None:
                continue
            started = time.perf_counter()
            run_cell(cell, study.work, device=device, stopped=stopped)
            ran += 1
            done = sum(read_result(study.work, other) is not None for other in own)
            tell(f"cell {done} of {len(own)}: {label(study, cell)}, "
                 f"{time.perf_counter() - started:.0f} s")  # fmt: skip
    return ran


@contextmanager
def claimed(work: Path, cell: Cell) -> Iterator[bool]:
    """Hold a cell's lock; False if another process holds it."""
    with ExitStack() as stack:
        try:
            stack.enter_context(held(cell_folder(work, cell) / ".lock", f"cell {cell.hash}"))
        except LockedError:
            yield False
        else:
            yield True


def label(study: Study, cell: Cell) -> str:
    """A cell for a person: its first place."""
    place = next(place for place in study.places if place.cell.hash == cell.hash)
    share = f" {place.fraction:g}" if place.fraction < 1 else ""
    return f"{place.table}, {place.arm}{share}, {place.protocol}, seed {cell.seed}"


MAX_PROCESSES = 1024
"""More than any machine's cores."""


def devices(text: str | None) -> list[str]:
    """The devices of ``--devices``: every GPU there is, else one process a core.

    Args:
        text: ``cpu``, ``cpu:2`` (two processes), ``cuda:0,cuda:3``; None chooses.

    Raises:
        PortraitError: Not of that form.
    """
    if text is None:
        import torch

        count = torch.cuda.device_count()
        return [f"cuda:{n}" for n in range(count)] or ["cpu"] * len(os.sched_getaffinity(0))
    found: list[str] = []
    for part in text.split(","):
        kind, _, number = part.strip().partition(":")
        given = int(number) if number.isdecimal() else None
        if kind == "cpu" and (not number or (given and given <= MAX_PROCESSES)):
            found += ["cpu"] * (given or 1)
        elif kind == "cuda" and given is not None:
            found.append(part.strip())
        else:
            raise PortraitError(f"--devices {text}: no devices; try: cpu:2, or cuda:0,cuda:1")
    return found


def deal(study: Study, chosen: Sequence[str], stopped: Callable[[], bool]) -> None:
    """Run all cells on this machine, a process a device, and wait for them.

    Raises:
        PortraitError: A process failed; its own line says why.
        KeyboardInterrupt: ``stopped`` said so.
    """
    command = [sys.executable, "-m", f"{__package__}.worker", os.fspath(study.output)]
    workers = [
        subprocess.Popen([*command, device.partition(":")[0]], env=_environment(device))
        for device in chosen
    ]
    told = False
    try:
        while any(worker.poll() is None for worker in workers):
            if stopped() and not told:
                told = True
                for worker in workers:
                    worker.send_signal(signal.SIGTERM)
            time.sleep(0.2)
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.terminate()
                worker.wait()
    if stopped():
        raise KeyboardInterrupt
    failed = sum(worker.returncode != 0 for worker in workers)
    if failed:
        raise PortraitError(
            f"{failed} of {len(workers)} processes failed, see above; "
            "try: the same command again, finished cells are kept"
        )


def main(arguments: Sequence[str]) -> int:
    """A process of :func:`deal`: ``OUTPUT DEVICE``; ends when its parent does."""
    told: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: told.append(number))
    parent = os.getppid()

    def tell(line: str) -> None:
        say(line, error=True)

    try:
        study = load_study(Path(arguments[0]))
        work_off(study, device=arguments[1], tell=tell,
                 stopped=lambda: bool(told) or os.getppid() != parent)  # fmt: skip
    except PortraitError as problem:
        tell(f"error: {problem}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _environment(device: str) -> dict[str, str]:
    # Threads are set by each cell; libraries that read the variable get the same.
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    kind, _, number = device.partition(":")
    if kind == "cuda":
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        names = visible.split(",") if visible else []
        environment["CUDA_VISIBLE_DEVICES"] = (
            names[int(number)] if int(number) < len(names) else number
        )
    return environment
