from __future__ import annotations

import argparse
import importlib
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from ld_portrait_20k.common import exit_codes
from ld_portrait_20k.common.interruption import handling, terminable
from ld_portrait_20k.errors import PortraitError

COMMANDS = [
    ("builder.cli", "status"),
    ("ld_portrait_20k.cli", "info"),
    ("ld_portrait_20k.matting.cli", "models"),
]
"""A command line and one of its commands that needs no arguments."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def handlers_of_its_own() -> Iterator[None]:
    """Handlers that no other test sets, so that leaving them behind shows."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, ours)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def ours(number: int, frame: object) -> None:
    raise AssertionError("a signal reached the handler of the caller")


def main(module: str, command: str) -> int:
    return int(importlib.import_module(module).main([command]))


def ours_again() -> bool:
    return all(signal.getsignal(number) is ours for number in SIGNALS)


@pytest.mark.parametrize(("module", "command"), COMMANDS)
def test_sigterm_stops_a_command_and_its_handler_goes(
    module: str,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(options: argparse.Namespace) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        return exit_codes.DONE

    monkeypatch.setattr(f"{module}.{command}.run", run)
    assert main(module, command) == exit_codes.INTERRUPTED
    assert "run the same command again" in capsys.readouterr().err
    assert ours_again()


@pytest.mark.parametrize(("module", "command"), COMMANDS)
def test_a_command_that_fails_leaves_no_handler(
    module: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(options: argparse.Namespace) -> int:
        raise PortraitError("no")

    monkeypatch.setattr(f"{module}.{command}.run", run)
    assert main(module, command) == exit_codes.PROBLEM
    assert ours_again()


def test_inner_handlers_go_first() -> None:
    told: list[int] = []
    with terminable(), handling(lambda number, frame: told.append(number), *SIGNALS):
        for number in SIGNALS:
            os.kill(os.getpid(), number)
        assert told == list(SIGNALS)
    assert ours_again()


def test_another_thread_changes_nothing() -> None:
    seen: list[object] = []

    def work() -> None:
        with terminable():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [ours] and ours_again()
