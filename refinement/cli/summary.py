"""What the command says of a run: a line for each picture that wants one, and a sum at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any, Final

from refinement.io.pictures import MADE_FOR
from refinement.io.printable import printable, say

_EVERY: Final = 60.0  # seconds between lines of progress in a log
_WORDS: Final = {
    "empty": "next to nothing is visible",
    "no-opaque-body": "nothing in it is wholly opaque",
    "no-background": "nothing in it is wholly clear",
    "several-bodies": "several people or things apart",
    "haze": "its background was too hazy to clear",
}
"""The reasons of a report, for people."""


def progress(outcomes: Iterator[dict[str, Any]], total: int) -> Iterator[dict[str, Any]]:
    """Pass the outcomes on, with a progress bar.

    Each failure and each picture that should not serve as ground truth is a line on standard
    error. Where that is no terminal, a line a minute stands in for the bar.
    """
    from tqdm import tqdm

    told = time.monotonic()
    with tqdm(total=total, unit="picture", disable=None, file=sys.stderr) as bar:
        for number, line in enumerate(outcomes, 1):
            text = _remark(line)
            if text:
                with tqdm.external_write_mode(file=sys.stderr):
                    say(f"{printable(line['input'])}: {text}", sys.stderr)
            bar.update()
            if bar.disable and time.monotonic() - told >= _EVERY:
                told = time.monotonic()
                say(f"{number} of {total} pictures", sys.stderr)
            yield line


def _remark(line: dict[str, Any]) -> str:
    if line["status"] == "failed":
        return printable(line["problem"])
    reasons = _reasons(line)
    why = [f"{name} ({_WORDS[name]})" if name in _WORDS else name for name in reasons]
    return f"should not serve as ground truth: {', '.join(why)}" if why else ""


def _reasons(line: dict[str, Any]) -> list[str]:
    return (line["report"] or {}).get("reasons") or []


def summary(lines: list[dict[str, Any]], total: int, output: object) -> dict[str, Any]:
    """The run in figures.

    Args:
        lines: The outcomes.
        total: How many there would be, had the run not stopped.
        output: Where the results are.
    """
    reasons: dict[str, int] = {}
    for line in lines:
        for reason in _reasons(line):
            reasons[reason] = reasons.get(reason, 0) + 1
    count = dict.fromkeys(("refined", "skipped", "failed"), 0)
    for line in lines:
        count[line["status"]] += 1
    return {
        **count,
        "pictures": total,
        "not_tried": total - len(lines),
        "to_reject": sum(bool(_reasons(line)) for line in lines),
        "rejected": {line["input"]: _reasons(line) for line in lines if _reasons(line)},
        "small": [line["input"] for line in lines if _is_small(line)],
        "reasons": dict(sorted(reasons.items())),
        "output": str(output),
    }


def _is_small(line: dict[str, Any]) -> bool:
    return bool(line["width"]) and min(line["width"], line["height"]) < MADE_FOR


def sentence(figures: dict[str, Any]) -> str:
    """:func:`summary` for people."""
    text = (
        f"{figures['refined']} refined, {figures['skipped']} already there, "
        f"{figures['failed']} failed, in {figures['output']}"
    )
    if figures["to_reject"]:
        why = ", ".join(f"{name} {number}" for name, number in figures["reasons"].items())
        text += f"\n{figures['to_reject']} should not serve as ground truth: {why}"
    if figures["small"]:
        text += (
            f"\n{len(figures['small'])} with a side below {MADE_FOR} px, the smallest that the "
            f"refinement is made for, such as {printable(figures['small'][0])}; try: larger "
            "originals"
        )
    if figures["not_tried"]:
        text += f"\nstopped because the disk is full: {figures['not_tried']} not tried"
    if figures["failed"]:
        text += (
            "\nthe failed ones are named above; try: mend what is said there, then run the same "
            "command again"
        )
    return text
