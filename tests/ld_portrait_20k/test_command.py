"""The command ``ld-portrait``: what it runs, and what it calls itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import builder.cli
import ld_portrait_20k.cli
from ld_portrait_20k import command
from ld_portrait_20k.common.own_packages import foreign_package
from ld_portrait_20k.version import __version__

from .samples import build

ROOT = Path(__file__).parents[2]


def stopped(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[object, str, str]:
    with pytest.raises(SystemExit) as caught:
        command.main(arguments)
    out, err = capsys.readouterr()
    return caught.value.code, out, err


def test_the_script_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"ld-portrait": "ld_portrait_20k.command:main"}


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = stopped(capsys, "--help")
    assert code == 0
    for name, one in command.COMMANDS.items():
        assert f"\n    {name}" in out
        assert " ".join(out.split()).count(one.summary) == 1
    assert stopped(capsys, "--version")[1].strip() == __version__


def test_every_command_of_the_packages_is_there() -> None:
    def first_words(module: str) -> set[str]:
        return {one.words[0] for one in command.COMMANDS.values() if one.module == module}

    assert first_words("builder.cli") == set(builder.cli.COMMANDS)
    # `verify` is the builder's, which takes repositories of the Hub as well.
    assert first_words("ld_portrait_20k.cli") == set(ld_portrait_20k.cli.COMMANDS) - {"verify"}


@pytest.mark.parametrize("name", command.COMMANDS)
def test_help_of_a_command_says_what_was_typed(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = stopped(capsys, name, "--help")
    assert code == 0
    # `matting` has sub-commands of its own.
    assert out.startswith(f"usage: ld-portrait {name}")
    assert "python -m builder" not in out
    assert "python -m refinement" not in out
    assert "python -m ld_portrait_20k" not in out


@pytest.mark.parametrize("arguments", [("build", "--bogus"), ("refine",), ("bulid",), ()])
def test_wrong_usage_says_what_was_typed(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = stopped(capsys, *arguments)
    assert code == 2
    assert not out
    assert err.startswith("usage: ld-portrait")
    assert "python -m" not in err


def test_commands_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(tmp_path / "d", {"train": (1, 4)})
    assert command.main(["info", str(tmp_path / "d"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["subsets"]["default"]["train"]["samples"] == 4
    assert command.main(["plan", "--count", "9", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 9
    assert command.main(["build", "--dry-run", "--output", str(tmp_path / "new")]) == 0
    assert "48 samples in 4 shards" in capsys.readouterr().out
    assert not (tmp_path / "new").exists()


def test_exit_codes_are_those_of_the_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["status", str(tmp_path / "nowhere")]) == 1
    assert command.main(["refine", str(tmp_path / "nowhere"), "--output", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 2


def test_a_command_that_is_not_there_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    assert command.main(["matting", "train"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: 'ld-portrait matting' is not part of")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("python -m builder regenerate --x", "ld-portrait build --x"),
        ("python -m builder", "ld-portrait"),
        ("python -m builder.workers.worker", "python -m builder.workers.worker"),
        ("`python -m builder refine DIR`", "`ld-portrait refine-dataset DIR`"),
        ("python -m refinement a.png", "ld-portrait refine a.png"),
        ("python -m ld_portrait_20k.matting train", "ld-portrait matting train"),
        ("python -m ld_portrait_20k.examples.plain", "python -m ld_portrait_20k.examples.plain"),
    ],
)
def test_names_are_translated(text: str, wanted: str) -> None:
    assert command.typed(text) == wanted


@pytest.mark.parametrize("package", ["builder", "dataset_card", "refinement"])
@pytest.mark.parametrize("module", ["ld_portrait_20k.command", "builder"])
def test_a_foreign_package_is_named(package: str, module: str, tmp_path: Path) -> None:
    """A package of another project that has our name, earlier on the path, is not run."""
    foreign = tmp_path / package
    foreign.mkdir()
    (foreign / "__init__.py").write_text("print('foreign code ran')\n")
    if module == "builder":
        if package == "builder":  # ours was overwritten in part: __main__ is still there
            (foreign / "__main__.py").write_text((ROOT / "builder/__main__.py").read_text())
        start = ["-m", "builder", "plan"]
    else:
        start = ["-c", f"import sys, {module} as m; sys.exit(m.main(['plan']))"]
    done = subprocess.run(
        [sys.executable, *start],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"{foreign}: this package '{package}' belongs to another project" in done.stderr
    # `python -m builder` imports the package before our __main__ can look.
    ran = module == "builder" and package == "builder"
    assert done.stdout == ("foreign code ran\n" if ran else "")


def test_our_packages_are_known_as_ours() -> None:
    assert foreign_package() is None


def test_help_is_light() -> None:
    script = (
        "import sys\nfrom ld_portrait_20k.command import main\n"
        "try: main(['build', '--help'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'datasets', 'diffusers', 'transformers', 'numpy', 'cv2', 'PIL'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True)
