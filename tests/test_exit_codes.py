"""One table of exit codes for every command line."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import builder.cli
import ld_portrait_20k.cli
import ld_portrait_20k.matting.cli
import refinement.cli
from builder.hub import errors
from ld_portrait_20k.common import exit_codes
from tests.builder.pictures import save_cutouts
from tests.processes import start_module

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


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "words",
    [
        ("builder", "generators"),
        ("builder", "--help"),
        ("ld_portrait_20k", "--version"),
        ("ld_portrait_20k.matting", "models"),
        ("ld_portrait_20k", "info", "--help"),
        ("refinement", "--help"),
        ("refinement", "PICTURES", "--output", "OUT", "--workers", "1", "--json"),
        ("builder", "regenerate", "--help"),  # more than the stream's buffer holds
        ("unbuffered", "builder", "--help"),
        ("unbuffered", "builder", "generators"),
        ("unbuffered", "ld_portrait_20k", "--version"),
        ("unbuffered", "ld_portrait_20k.matting", "train", "--help"),
        ("unbuffered", "refinement", "--help"),
    ],
)
def test_an_output_that_cannot_be_written_is_one_line(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    """Argparse passes over what it cannot print, which shows where nothing waits in a buffer."""
    unbuffered = "1" if words[0] == "unbuffered" else ""
    words = words[bool(unbuffered) :]
    if "PICTURES" in words:
        save_cutouts(tmp_path / "PICTURES", 1)
    module, *arguments = words
    places = {"PICTURES": tmp_path / "PICTURES", "OUT": tmp_path / "OUT"}
    with Path("/dev/full").open("wb") as full:
        process = start_module(
            module, *(places.get(word, word) for word in arguments),
            stdout=full, stderr=subprocess.PIPE, env={"PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
        _, errors = process.communicate(timeout=120)
    assert process.returncode == exit_codes.PROBLEM
    assert "error: standard output: No space left on device" in errors.splitlines()[-1]
    assert "Traceback" not in errors and "Exception ignored" not in errors


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    for module in ("builder", "refinement"):
        process = start_module(module, "--help", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert (process.stderr.read(), process.wait(timeout=60)) == ("", exit_codes.DONE)
