"""Processes that die."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from refinement.cli.workers import in_processes


def work(task: tuple[str, int]) -> str:
    folder, number = task
    mark = Path(folder, str(number))
    first = not mark.exists()
    mark.touch()
    if number == 5 or (number == 2 and first):
        os.kill(os.getpid(), signal.SIGKILL)
    return f"did {number}"


def died(task: tuple[str, int]) -> str:
    return f"lost {task[1]}"


def test_only_a_task_that_kills_its_process_twice_is_lost(tmp_path: Path) -> None:
    tasks = [(str(tmp_path), number) for number in range(9)]
    got = list(in_processes(work, tasks, 2, died))
    assert got == ["lost 5" if n == 5 else f"did {n}" for n in range(9)]
