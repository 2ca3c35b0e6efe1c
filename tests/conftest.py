"""Fixtures for every room."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from .ld_portrait_20k.fuzzing import Fuzzer

# Timings say nothing about the code on a machine that is busy with other things.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data that LD_PORTRAIT_SHARED names; skipped where it is absent."""
    named = os.environ.get("LD_PORTRAIT_SHARED")
    if not named:
        pytest.skip("LD_PORTRAIT_SHARED does not name a folder of real data")
    folder = Path(named)
    if not (folder / "data").is_dir():
        pytest.skip(f"{folder}: LD_PORTRAIT_SHARED has no data/")
    return folder


FIGURES: list[str] = []
"""What the fuzzers counted, a line each."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--fuzz-seconds``: how long each fuzzer runs."""
    parser.addoption(
        "--fuzz-seconds", type=float, default=0.0, metavar="N",
        help="run each fuzzer for N seconds and print figures (default: a few hundred cases)",
    )  # fmt: skip
    parser.addoption("--fuzz-seed", type=int, default=0, help="seed of the fuzzers' cases (0)")


@pytest.fixture
def fuzz(request: pytest.FixtureRequest) -> Iterator[Callable[[int], Fuzzer]]:
    """Makes a fuzzer of so many cases, or of as many as the command line's seconds hold."""
    from .ld_portrait_20k.fuzzing import Fuzzer

    made: list[Fuzzer] = []

    def make(cases: int) -> Fuzzer:
        options = request.config.option
        made.append(Fuzzer(cases, options.fuzz_seconds, options.fuzz_seed))
        return made[-1]

    yield make
    FIGURES.extend(f"{request.node.name}: {fuzzer.figures()}" for fuzzer in made)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the figures of a long run."""
    if config.option.fuzz_seconds and FIGURES:
        terminalreporter.section("fuzzing")
        for line in FIGURES:
            terminalreporter.write_line(line)
