"""One process a device on this machine: the same command, a rank each."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence

from builder.workers import children
from ld_portrait_20k.errors import PortraitError

_LAST_WORDS = 2000


def run_on_devices(
    arguments: Sequence[str],
    devices: Sequence[str],
    rank: int = 0,
    world_size: int = 1,
    while_waiting: Callable[[], None] = lambda: None,
) -> None:
    """Run a builder command once a device, side by side, and wait for all.

    Nothing is shared but the plan and the output folder. The first process shows its
    progress, all keep what they say when they fail.

    Args:
        arguments: The command line without the program; what follows overrides its own
            ``--device``, ``--rank`` and ``--world-size``.
        devices: A device a process.
        rank: This machine's number among several, each with as many devices.
        world_size: How many machines there are.
        while_waiting: Called every two seconds, and once after the last has ended.

    Raises:
        PortraitError: A process failed; its last line. The others are stopped.
    """
    processes: list[subprocess.Popen[str]] = []
    try:
        for number, device in enumerate(devices):
            own = [
                *("--device", device, "--rank", str(rank * len(devices) + number)),
                *("--world-size", str(world_size * len(devices)), "--no-push-to-hub"),
            ]
            processes.append(
                subprocess.Popen(
                    children.module_command("builder", *arguments, *own),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE if number else None,
                    text=True,
                    env=children.environment(),
                )
            )
        for process, device in zip(processes, devices, strict=True):
            words = _wait(process, while_waiting)
            if process.returncode:
                last = words.strip().splitlines()[-1:] or ["see above"]
                raise PortraitError(
                    f"the process on {device} ended with {process.returncode}: "
                    f"{last[0][:_LAST_WORDS]}; the same command again goes on"
                )
        while_waiting()
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
        for process in processes:
            process.wait()


def _wait(process: subprocess.Popen[str], while_waiting: Callable[[], None]) -> str:
    while True:
        try:
            _, words = process.communicate(timeout=2.0)
        except subprocess.TimeoutExpired:
            while_waiting()
        else:
            return words or ""
