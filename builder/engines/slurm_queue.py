"""What Slurm says of the jobs of a submission: which wait or run, and how the others ended."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Final

from builder.files import WORK_FOLDER

NOTE: Final = "slurm.json"
"""Where a submission leaves the numbers of its jobs, in the folder ``cluster``."""
_ADVICE: Final = {
    "TIMEOUT": "a longer --time",
    "OUT_OF_MEMORY": "more --mem-per-cpu",
    "NODE_FAIL": "the same command again",
    "CANCELLED": "the same command again, if it was not cancelled on purpose",
    "PREEMPTED": "the same command again",
}
"""What to do about tasks that ended so and could leave no message."""
_JOB_STATE: Final = re.compile(r"\bJobState=([A-Z_]+)")


def job_numbers(output: Path) -> dict[str, str]:
    """The jobs of the last submission: ``array`` (absent if no shard was left) and ``finish``."""
    try:
        text = (output / WORK_FOLDER / "cluster" / NOTE).read_text(encoding="utf-8")
        return {name: str(job) for name, job in json.loads(text).items() if job}
    except (OSError, ValueError, AttributeError):
        return {}


def queued(output: Path) -> dict[str, dict[str, int]] | None:
    """What of the last submission waits or runs.

    Returns:
        ``array`` and ``finish`` to how many tasks are in each state, such as
        ``{"array": {"PENDING": 3, "RUNNING": 2}}``; a job that is over is left out. None
        where nothing was submitted or Slurm cannot be asked.
    """
    jobs = job_numbers(output)
    if not jobs:
        return None
    found: dict[str, dict[str, int]] = {}
    asked = False
    for name, job in jobs.items():
        text = _ask("squeue", "--noheader", "--array", "--format=%T", f"--jobs={job}")
        asked = asked or text is not None
        states = Counter((text or "").split())
        if states:
            found[name] = dict(sorted(states.items()))
    return found if asked else None


def endings(output: Path) -> str | None:
    """How tasks of the last submission ended that could leave no message, and what to try.

    Returns:
        Such as ``Slurm says TIMEOUT of 2; try: a longer --time``; None where all ended
        ordinarily or Slurm does not know.
    """
    array = job_numbers(output).get("array")
    if array is None:
        return None
    text = _ask("sacct", "--noheader", "--parsable2", "--allocations",
                "--format=State", f"--jobs={array}")  # fmt: skip
    states = [line.split()[0] for line in (text or "").splitlines() if line.split()]
    if not states:  # no accounting: what the controller still remembers
        states = _JOB_STATE.findall(_ask("scontrol", "--oneliner", "show", "job", array) or "")
    counts = Counter(state for state in states if state in _ADVICE)
    if not counts:
        return None
    listed = ", ".join(f"{state} of {count}" for state, count in counts.most_common())
    advice = " and ".join(_ADVICE[state] for state, _ in counts.most_common())
    return f"Slurm says {listed}: {advice}"


def _ask(*command: str) -> str | None:
    """What a command of Slurm prints; None where it is absent, fails or hangs.

    It fails for a number that it has forgotten; that is an answer, too.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode == 0:
        return done.stdout
    return "" if "Invalid job id" in done.stderr else None
