"""One process a device on this machine, a rank each."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from builder.pipeline.build import one_run
from builder.pipeline.output_folder import finished, freeze
from builder.pipeline.run_options import RunOptions
from builder.plan import Plan
from builder.workers import children
from ld_portrait_20k.errors import PortraitError

_MOST_CHARACTERS: Final = 2000
"""Of the last line of a process that failed; chosen by eye."""


def run_on_devices(
    plan: Plan,
    output: Path,
    devices: Sequence[str],
    run: RunOptions,
    while_waiting: Callable[[], None] = lambda: None,
) -> None:
    """Build the shards of a plan with one process a device, side by side, and wait for all.

    The processes share nothing but the saved plan and the output folder. The first one shows
    its progress. The dataset is not finished here.

    Args:
        plan: What to build.
        output: The dataset folder.
        devices: A device a process.
        run: How to run; its rank and world size count machines, each with as many devices.
        while_waiting: Called every two seconds, and once after the last has ended.

    Raises:
        PortraitError: A process failed; its last line. The others are stopped.
    """
    if finished(output, plan) is not None:
        return
    with one_run(output, run):
        freeze(output, plan, run.source, at_once=run.units_twice(len(devices)))
    processes: list[subprocess.Popen[str]] = []
    try:
        for number, device in enumerate(devices):
            own = replace(
                run,
                device=device,
                rank=run.rank * len(devices) + number,
                world_size=run.world_size * len(devices),
            )
            arguments = [str(output.resolve()), plan.hash, json.dumps(own.to_dict())]
            processes.append(
                subprocess.Popen(
                    children.module_command("builder.engines.rank", *arguments),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE if number else None,
                    text=True,
                    env=children.environment(),
                )
            )
        for process, device in zip(processes, devices, strict=True):
            said = _wait(process, while_waiting)
            if process.returncode:
                last = said.strip().splitlines()[-1:] or ["see above"]
                raise PortraitError(
                    f"the process on {device} ended with {process.returncode}: "
                    f"{last[0][:_MOST_CHARACTERS]}; the same command again goes on"
                )
        while_waiting()
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
        for process in processes:
            process.wait()


def _wait(process: subprocess.Popen[str], while_waiting: Callable[[], None]) -> str:
    """Wait for a process to end; what it wrote to standard error, where that is a pipe."""
    while True:
        try:
            _, said = process.communicate(timeout=2.0)
        except subprocess.TimeoutExpired:
            while_waiting()
        else:
            return said or ""
