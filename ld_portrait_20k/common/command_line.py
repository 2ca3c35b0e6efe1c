"""What the command lines of all packages share: how a command ends."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

from ld_portrait_20k.common import exit_codes
from ld_portrait_20k.common.interruption import terminable
from ld_portrait_20k.common.memory import is_out_of_memory
from ld_portrait_20k.common.printable import MAX_MESSAGE, printable, say

if TYPE_CHECKING:
    from _typeshed import SupportsWrite


class CommandParser(argparse.ArgumentParser):
    """A parser whose ``--help`` and ``--version`` fail where they cannot be printed.

    :class:`argparse.ArgumentParser` passes over what standard output does not take, and the
    command would seem to have told what nobody saw. A file whose name begins with a dash, as a
    shell's ``*`` gives it, is named where it was read as options.
    """

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        if file is sys.stdout:
            say(message.removesuffix("\n"))
        else:
            super()._print_message(message, file)

    def parse_known_args(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        namespace: argparse.Namespace | None = None,
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse, and remember what was given, for :meth:`error`."""
        self._given = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(self._given, namespace)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command line, and exit with 2."""
        for given in getattr(self, "_given", ()):
            if given[:1] == "-" and given != "--" and os.path.lexists(given):
                name = printable(given)
                message += f"; {name} is read as options, for its dash; try: ./{name}"
        super().error(message)


def run_to_exit_code(
    command: Callable[[], int], *, also_problems: tuple[type[Exception], ...] = ()
) -> int:
    """Run a command; a problem that has a name becomes one line on standard error.

    Args:
        command: Reads its arguments, does the work and returns an exit code.
        also_problems: Further errors that are told in one line, besides
            :class:`~ld_portrait_20k.errors.PortraitError` and ``OSError``.

    Returns:
        One of :mod:`ld_portrait_20k.common.exit_codes`, or the error's own ``exit_code``.
    """
    from ld_portrait_20k.errors import PortraitError

    named: tuple[type[Exception], ...] = (PortraitError, *also_problems)
    try:
        with terminable():
            try:
                return command()
            finally:  # here, while a failure can still be told; argparse ends by SystemExit
                _flush()
    except named as problem:
        say(f"error: {printable(problem, MAX_MESSAGE)}", error=True)
        return int(getattr(problem, "exit_code", exit_codes.PROBLEM))
    except BrokenPipeError:
        # The reader of our output left (`... | head`): nothing is wrong with us.
        _silence()
        return exit_codes.DONE
    except OSError as problem:
        name = f"{problem.filename}: " if problem.filename else ""
        text = printable(f"{name}{problem.strerror or problem}", MAX_MESSAGE)
        full = problem.errno in (errno.ENOSPC, errno.EDQUOT)
        advice = "; try: free space, then run the same command again" if full else ""
        say(f"error: {text}{advice}", error=True)
        return exit_codes.PROBLEM
    except KeyboardInterrupt:
        say("stopped; what is done is kept: run the same command again to go on", error=True)
        return exit_codes.INTERRUPTED
    except Exception as problem:
        if not is_out_of_memory(problem):
            raise
        say(
            "error: not enough memory; try: smaller pictures or batches, fewer workers, "
            "or a larger machine",
            error=True,
        )
        return exit_codes.PROBLEM


def _flush() -> None:
    try:
        sys.stdout.flush()
    except OSError as problem:
        problem.filename = "standard output"
        _silence()
        raise


def _silence() -> None:
    """Drop what could not be printed: Python would try again at its end, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
