"""Rates of iterators, by wall time and by CPU time, raced against each other."""

from __future__ import annotations

import gc
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

PASSES = 3


def passes(make: Callable[[], Iterator[Any]]) -> Iterator[Any]:
    """Several epochs one after another: a start is seldom, and shall weigh little."""
    for _ in range(PASSES):
        yield from make()


Rate = tuple[float, float]


def rate(
    make: Callable[[], Iterator[Any]], use: Callable[[Any], int], count: int, warm: int = 0
) -> Rate:
    """Samples a second over ``count`` samples, start included: of wall, and of CPU time.

    With ``warm`` so many items are taken before the clock starts, for workers that take seconds to
    start; the CPU time goes over all.

    The CPU time is that of this process with all threads and of the worker processes that the
    iterator started, which end with it: on a machine that others use too, its ratios hold
    where those of wall time do not.
    """
    gc.collect()
    started, used = time.perf_counter(), cpu_seconds()
    done = before = 0
    samples = make()
    for _ in range(warm):
        before += use(next(samples))
    if warm:
        started = time.perf_counter()
    for sample in samples:
        done += use(sample)
        if done >= count:
            break
    wall = time.perf_counter() - started
    del samples, sample
    gc.collect()
    return done / wall, (before + done) / (cpu_seconds() - used)


def cpu_seconds() -> float:
    """CPU time of this process and of its children that have ended."""
    own, theirs = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + theirs.ru_utime + theirs.ru_stime


class Report:
    """Prints and keeps medians and ratios."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def race(
        self, title: str, runners: dict[str, Callable[[], Rate]], rounds: int, target: str = ""
    ) -> None:
        rates: dict[str, list[Rate]] = {name: [] for name in runners}
        for number in range(rounds):
            # Every other round backwards: what comes first is not favoured.
            order = list(runners) if number % 2 == 0 else list(runners)[::-1]
            for name in order:
                rates[name].append(runners[name]())
        first = next(iter(runners))
        print(f"\n{title}{f'   target: {target}' if target else ''}")
        for name in runners:
            wall, cpu = (statistics.median(r[k] for r in rates[name]) for k in (0, 1))
            pairs = list(zip(rates[first], rates[name], strict=True))
            ratios = [ours[0] / theirs[0] for ours, theirs in pairs]
            ratio = statistics.median(ratios)
            ratio_cpu = statistics.median(ours[1] / theirs[1] for ours, theirs in pairs)
            text = "" if name == first else (
                f"  ours {ratio:5.2f} times ({min(ratios):.2f}..{max(ratios):.2f}), "
                f"by CPU time {ratio_cpu:5.2f}"
            )  # fmt: skip
            print(f"  {name:44s} {wall:8.1f}/s, {cpu:8.1f}/CPU s{text}", flush=True)
            self.rows.append(
                {"title": title, "name": name, "rate": wall, "ratio": ratio, "cpu_rate": cpu,
                 "cpu_ratio": ratio_cpu}
            )  # fmt: skip
