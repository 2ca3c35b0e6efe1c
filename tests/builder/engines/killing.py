"""SIGKILL for tasks at work, found by their heartbeats."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def killer(output: Path, most: int) -> Iterator[list[int]]:
    """Kill the first tasks that are seen at work, until there were ``most``."""
    killed: list[int] = []
    over = threading.Event()

    def hunt() -> None:
        while len(killed) < most and not over.wait(0.005):
            for path in output.glob(".work/cluster/*/beats/*/[0-9]*.json"):
                with suppress(OSError, ValueError):
                    body = json.loads(path.read_text())
                    if not body["ended"] and body["pid"] not in killed and len(killed) < most:
                        os.kill(body["pid"], signal.SIGKILL)
                        killed.append(body["pid"])

    thread = threading.Thread(target=hunt)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def running(output: Path) -> list[str]:
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return [line for line in found.stdout.splitlines() if str(output) in line]
