from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from builder.cli import COMMANDS, main
from ld_portrait_20k.version import __version__
from tests.processes import ROOT


@pytest.fixture(scope="module")
def built(cutouts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("cli") / "ld-portrait-20k"
    code = main(
        [
            *("regenerate", "--generator", "folder", "--source", str(cutouts), "--count", "5"),
            *("--shards", "2", "--workers", "0", "--output", str(output)),
        ]
    )
    assert code == 0
    return output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert len(capsys.readouterr().out) > 300


def test_help_is_quick_and_light() -> None:
    script = (
        "import sys; sys.argv = ['x', 'regenerate', '--help']\n"
        "from builder.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'datasets', 'diffusers', 'transformers', 'numpy', 'cv2', 'PIL'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True)


def test_plan_shows_and_lists(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--count", "9", "--show", "2", "--splits", "train=.5,test=.5"]) == 0
    shown = capsys.readouterr().out
    assert "ldp-0000001" in shown
    assert "ldp-0000002" not in shown
    assert main(["plan", "--count", "9", "--rows"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 9
    assert rows[0]["attributes"]["framing"]
    assert main(["plan", "--count", "9", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 9


def test_a_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out"
    assert main(["regenerate", "--dry-run", "--output", str(output)]) == 0
    assert "48 samples in 4 shards" in capsys.readouterr().out
    assert not output.exists()


def test_regenerate_reports(built: Path, capsys: pytest.CaptureFixture[str], cutouts: Path) -> None:
    again = [
        *("regenerate", "--generator", "folder", "--source", str(cutouts), "--count", "5"),
        *("--shards", "2", "--workers", "0", "--output", str(built)),
    ]
    assert main([*again, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["was_complete"] is True
    assert figures["samples"] == 5
    assert main(again) == 0
    told = capsys.readouterr().out
    assert "already complete" in told
    assert "MiB with raw:" in told  # a folder has no exact mattes to speak of
    assert main([*again, "--dry-run"]) == 0
    assert capsys.readouterr().out.endswith("(complete)\nnothing is left to build\n")
    assert main([*again, "--seed", "4"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "seed was 0, now 4" in captured.err
    assert len(captured.err.splitlines()) == 1


def test_status_and_verify(built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(built)]) == 0
    assert "complete (folder" in capsys.readouterr().out
    assert main(["status", str(built), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["shards_built"] == 2
    assert main(["verify", str(built), "--deep"]) == 0
    assert (
        "10 samples of all subsets in 4 shards, every sample decoded: sound"
        in capsys.readouterr().out
    )
    assert main(["status", str(tmp_path)]) == 1
    assert main(["status", str(tmp_path / "nowhere")]) == 1
    assert main(["verify", str(tmp_path)]) == 1


def test_verify_names_what_is_wrong(
    cutouts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    main(
        [
            *("regenerate", "--generator", "folder", "--source", str(cutouts), "--count", "3"),
            *("--workers", "0", "--output", str(output)),
        ]
    )
    shard = output / "data" / "train-00000-of-00001.tar"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 4
    shard.write_bytes(bytes(content))
    capsys.readouterr()
    assert main(["verify", str(output)]) == 1
    found = capsys.readouterr().out
    assert "data/train-00000-of-00001.tar at byte" in found
    assert "ldp-000000" in found


def test_preview_draws_a_sheet(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "sheet.png"
    arguments = ["preview", str(built), "--picture", str(picture), "--cell", "64"]
    assert main([*arguments, "--count", "4"]) == 0
    assert capsys.readouterr().out.strip() == str(picture)
    with Image.open(picture) as drawn:
        assert drawn.size[0] >= 64 * 8
        colours = drawn.convert("RGB").getcolors(1 << 24)
        assert colours is not None
        assert len(colours) > 100
        compared = drawn.size
    assert main([*arguments, "--count", "4", "--compare", "0"]) == 0
    with Image.open(picture) as drawn:
        assert drawn.width == compared[0] and drawn.height < compared[1]
    capsys.readouterr()
    assert main([*arguments, "--subset", "truth"]) == 1
    assert "has no subset 'truth'; it has default, raw" in capsys.readouterr().err


def test_a_preview_replaces_nothing_but_a_png(
    built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (built / "manifest.json").read_bytes()
    for name in ("manifest.json", "README.md", ".", "sheet"):
        assert main(["preview", str(built), "--picture", str(built / name)]) == 1
        assert "the sheet is a PNG; try: a name that ends in .png" in capsys.readouterr().err
    assert (built / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["regenerate", "--size", "big"], "--size 'big': write it as 1024 or 896x1152"),
        (["regenerate", "--count", "0"], "--count is 1 to"),
        (["regenerate", "--generator", "folder"], "needs --source DIR"),
        (
            ["regenerate", "--generator", "folder", "--source", "/nowhere"],
            "/nowhere: no such folder",
        ),
        (["regenerate", "--workers", "-1"], "--workers is 0 to 1024"),
        (["regenerate", "--splits", "a=b"], "--splits 'a=b'"),
        (["regenerate", "--prompts", "/nowhere.json"], "/nowhere.json"),
        (["preview", "/nowhere"], "no such folder"),
    ],
)
def test_bad_usage_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert message in captured.err
    assert len(captured.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--licence", "CC BY 4.0"), "'CC BY 4.0' is not a licence's identifier"),
        (("--push-to-hub", "a--b/data"), "not a repository id: 'a--b/data'"),
        (("--push-to-hub", "me/x.git"), "not a repository id: 'me/x.git'"),
        (("--push-to-hub", f"me/{'x' * 96}"), "has over 96 characters"),
        (("--push-to-hub", "me/x", "--tag", "v1.lock"), "for a branch or a tag: 'v1.lock'"),
        (("--push-to-hub", "me/x", "--revision", "a..b"), "for a branch or a tag: 'a..b'"),
    ],
)
def test_names_are_checked_before_anything_is_planned(
    given: tuple[str, ...],
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def planned(*args: object, **more: object) -> None:
        raise AssertionError("it was planned")

    monkeypatch.setattr("builder.pipeline.planner.make_plan", planned)
    output = tmp_path / "out"
    assert main(["regenerate", "--output", str(output), *given]) != 0
    shown = capsys.readouterr().err
    assert told in shown and "; " in shown and shown.count("\n") == 1
    assert not output.exists()


def test_wrong_usage_exits_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["paint"])
    assert caught.value.code == 2


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize(
    "arguments",
    [
        ("regenerate", "--generator", "folder", "--source", "loop", "--output", "new"),
        ("regenerate", "--count", "1", "--size", "64", "--output", "loop"),
        ("merge", "loop", "BUILT", "--output", "new"),
        ("filter", "BUILT", "--where", "confidence < 0", "--output", "loop"),
        ("refine", "loop", "--output", "new"),
        ("preview", "loop"),
    ],
)
def test_a_link_to_itself_is_one_line(
    arguments: tuple[str, ...], built: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    assert main([str(built) if word == "BUILT" else word for word in arguments]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: loop")
    assert [path.name for path in tmp_path.iterdir()] == ["loop"]
