"""One table of exit codes for every command line."""

from __future__ import annotations

import pytest

import builder.cli
import ld_portrait_20k.cli
import ld_portrait_20k.matting.cli
import refinement.cli
from builder.hub import errors
from ld_portrait_20k import exit_codes

COMMAND_LINES = (builder.cli, ld_portrait_20k.cli, ld_portrait_20k.matting.cli, refinement.cli)


def test_refinement_uses_the_numbers_of_the_table() -> None:
    for name in ("DONE", "PROBLEM", "USAGE", "INTERRUPTED"):
        assert getattr(refinement.cli, name) == getattr(exit_codes, name)


def test_hub_errors_have_numbers_of_their_own() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = [kind.exit_code for kind in kinds if issubclass(kind, errors.HubError)]
    assert len(set(codes)) == len(codes) == 10
    others = {exit_codes.DONE, exit_codes.PROBLEM, exit_codes.USAGE, exit_codes.UNFINISHED}
    assert others.isdisjoint(codes)
    assert all(exit_codes.HUB <= code < exit_codes.INTERRUPTED for code in codes[:-1])
    assert errors.StoppedError.exit_code == exit_codes.INTERRUPTED


@pytest.mark.parametrize("command", COMMAND_LINES)
def test_help_explains_them(command: object) -> None:
    text = command.parser().format_help()  # type: ignore[attr-defined]
    told = text[text.index("exit codes:") :]
    for code in ("0 ", "1 ", "2 ", "130 interrupted"):
        assert code in told


@pytest.mark.parametrize("command", COMMAND_LINES)
def test_wrong_usage(command: object, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        command.main(["--no-such-option"])  # type: ignore[attr-defined]
    assert stopped.value.code == exit_codes.USAGE
    assert "error: " in capsys.readouterr().err
