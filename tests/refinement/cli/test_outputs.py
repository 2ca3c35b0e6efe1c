"""Where ``python -m refinement`` writes, what it writes, and what it says of it."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from refinement import VERSION, RefinedMatte, refine
from refinement.cli import main, preview
from refinement.io import pictures
from refinement.report import Report
from tests.processes import ROOT
from tests.refinement import synthetic

PROFILE = b"not a real profile, but kept byte for byte" * 9


def rgba(seed: int = 1, size: tuple[int, int] = (96, 104)) -> NDArray[np.uint8]:
    subject = synthetic.subject(seed, size, hair="wavy")
    return subject.rgba(synthetic.damage_multiplied(subject.alpha, seed))


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    Image.fromarray(rgba()).save(tmp_path / "portrait.png", icc_profile=PROFILE)
    return tmp_path / "portrait.png"


def run(*words: object) -> int:
    return main([str(word) for word in words])


def read(path: Path) -> NDArray[Any]:
    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert stored is not None
    if stored.ndim == 2:
        return stored
    four = stored.shape[2] == 4
    return cv2.cvtColor(stored, cv2.COLOR_BGRA2RGBA if four else cv2.COLOR_BGR2RGB)


def piped(*words: object, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "refinement", *map(str, words)]
    return subprocess.run(command, input=given, capture_output=True, check=False, cwd=ROOT)


def test_one_input_to_one_file(
    portrait: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "out.png"
    assert run(portrait, "-o", out, "--preview") == 0
    assert capsys.readouterr().out == f"1 refined, 0 already there, 0 failed, in {out}\n"
    assert np.array_equal(read(out), refine(rgba()).rgba)
    assert sorted(path.name for path in out.parent.iterdir()) == ["out.png", "out.preview.png"]
    assert run(portrait, "-o", out, "--json") == 0
    assert json.loads(capsys.readouterr().out)["skipped"] == 1


def test_a_name_with_a_slash_and_a_folder_that_is_there_are_folders(
    portrait: Path, tmp_path: Path
) -> None:
    (tmp_path / "there.png").mkdir()
    assert run(portrait, "-o", tmp_path / "there.png") == 0
    assert run(portrait, "-o", f"{tmp_path}/made.png/") == 0
    for folder in ("there.png", "made.png"):
        assert (tmp_path / folder / "portrait.png").is_file()


def test_outputs_that_cannot_be_are_refused_in_one_line(
    portrait: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "deep" / "other.png"
    other.parent.mkdir()
    Image.fromarray(rgba(2)).save(other)
    before = other.read_bytes()
    text = tmp_path / "notes.txt"
    text.write_text("not to be replaced")
    for words, said in (
        ((portrait, "-o", portrait), "would be overwritten; try: another --output"),
        ((portrait, other, "-o", tmp_path / "a.png"), "2 pictures for"),
        ((tmp_path, "-o", "-"), "2 pictures for standard output; try: --output FOLDER"),
        ((portrait, "-o", other), "was not written by this command; try: another name"),
        ((portrait, "-o", tmp_path / "a.webp"), f"try: --output {tmp_path / 'a.png'}"),
        ((portrait, "-o", text), "is a file and no PNG; try: a folder"),
        ((portrait, "-o", text / "a.png"), "cannot be written"),
        ((portrait, "-o", "-", "--preview"), "try: --output FILE"),
        ((portrait, "-o", tmp_path / "a.png", "--background", "no-colour"), "try: white"),
        ((portrait, "-o", tmp_path / "a.png", "--background", "#00ff0080"), "try: #00ff00"),
        ((portrait, "-o", tmp_path / "a.png", "--background", portrait), "an opaque picture"),
        ((portrait, "-o", tmp_path / "a.png", "--background", text), "not a picture"),
        (
            (portrait, "-o", tmp_path / "a.png", "--background", "red", "--only", "alpha"),
            "try: one of them",
        ),
    ):
        assert run(*words) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1
    assert other.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "notes.txt", "portrait.png"]
    assert run(portrait, "-o", other, "--overwrite") == 0
    assert other.read_bytes() != before


def test_standard_input_and_output(portrait: Path, tmp_path: Path) -> None:
    data = portrait.read_bytes()
    done = piped("-", "-o", "-", given=data)
    assert done.returncode == 0
    assert done.stderr.decode() == "1 refined, 0 already there, 0 failed, in standard output\n"
    picture = pictures.read(done.stdout)
    assert np.array_equal(picture.rgba, refine(rgba()).rgba) and picture.profile == PROFILE
    done = piped(portrait, "-o", "-", "--json", "--only", "alpha")
    assert json.loads(done.stderr)["refined"] == 1
    with Image.open(io.BytesIO(done.stdout)) as image:
        assert image.mode == "L"
    assert piped("-", "-o", tmp_path / "out.png", given=data).returncode == 0
    assert piped("-", portrait, "-o", tmp_path / "many", given=data).returncode == 0
    alone, stream = tmp_path / "out.png", tmp_path / "many" / "stdin.png"
    assert alone.read_bytes() == stream.read_bytes()
    done = piped("-", "-o", "-", given=data[:500])
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"standard input: broken or truncated")


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs /dev/full")
def test_standard_output_that_is_full_or_closed(portrait: Path) -> None:
    command = [sys.executable, "-m", "refinement", str(portrait), "-o", "-"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert b"standard output cannot be written: No space left" in done.stderr
    assert b"Traceback" not in done.stderr and b"Exception" not in done.stderr
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert (process.stderr.read(), process.wait(timeout=60)) == (b"", 0)
    process.stderr.close()


@pytest.mark.parametrize("bits", [8, 16])
def test_only_the_matte_or_the_trimap(bits: int, tmp_path: Path) -> None:
    given = rgba() if bits == 8 else rgba().astype(np.uint16) * 257
    source = tmp_path / "in.png"
    cv2.imwrite(str(source), cv2.cvtColor(given, cv2.COLOR_RGBA2BGRA))
    result = refine(given)
    for only, expected in (
        ("alpha", result.rgba[..., 3]),
        ("trimap", result.trimap),
        ("rgba", result.rgba),
    ):
        assert run(source, "-o", tmp_path / "out.png", "--only", only) == 0
        got = read(tmp_path / "out.png")
        assert got.dtype == expected.dtype and np.array_equal(got, expected)


@pytest.mark.parametrize("bits", [8, 16])
def test_over_a_colour_the_values_are_blended_as_they_are(bits: int, tmp_path: Path) -> None:
    given = rgba() if bits == 8 else rgba().astype(np.uint16) * 257
    source = tmp_path / "in.png"
    cv2.imwrite(str(source), cv2.cvtColor(given, cv2.COLOR_RGBA2BGRA))
    assert run(source, "-o", tmp_path / "out.png", "--background", "#20c0ff") == 0
    got, result, limit = read(tmp_path / "out.png"), refine(given), 2**bits - 1
    assert got.dtype == given.dtype and got.shape[2] == 3
    alpha = result.alpha[..., None]
    ground = np.array([0x20, 0xC0, 0xFF]) / 255 * limit
    expected = result.foreground * alpha + ground * (1 - alpha)
    assert np.abs(got - expected).max() < 0.51
    assert (got[result.alpha == 0] == np.rint(ground)).all()


def test_over_a_picture_that_fills_the_frame(
    portrait: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wide = np.zeros((48, 400, 3), np.uint8)
    wide[:, :100], wide[:, 100:300] = (255, 0, 0), (0, 0, 255)  # the red sides are cut off
    Image.fromarray(wide).save(tmp_path / "ground.jpg", quality=100, subsampling=0)
    words = (portrait, "-o", tmp_path / "out.png", "--json", "--background")
    assert run(*words, tmp_path / "ground.jpg") == 0
    clear = refine(rgba()).alpha == 0
    assert clear.mean() > 0.1
    got = read(tmp_path / "out.png")[clear].astype(int)
    assert np.abs(got - (0, 0, 255)).max() <= 3
    capsys.readouterr()
    for behind, done in ((tmp_path / "ground.jpg", 0), ("blue", 1), ("rgb(0, 0, 255)", 0)):
        assert run(*words, behind) == 0
        assert json.loads(capsys.readouterr().out)["refined"] == done
    Image.fromarray(wide[:, 100:300]).save(tmp_path / "ground.jpg")
    assert run(*words, tmp_path / "ground.jpg") == 0
    assert json.loads(capsys.readouterr().out)["refined"] == 1


def test_what_should_not_serve_is_named_with_its_reasons(
    portrait: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = np.zeros((100, 120, 4), np.uint8)
    Image.fromarray(nothing).save(tmp_path / "nothing.png")
    hazy = rgba()
    hazy[..., 3] = np.maximum(hazy[..., 3], 60)
    Image.fromarray(hazy).save(tmp_path / "hazy.png")
    reasons = refine(hazy).report.reasons
    assert reasons
    words = (tmp_path, "-o", tmp_path / "out", "--workers", 1)
    for _ in ("refined", "skipped"):
        assert run(*words) == 0
        shown = capsys.readouterr()
        lines = sorted(shown.err.splitlines())
        assert len(lines) == 2
        assert lines[0].startswith(f"{tmp_path / 'hazy.png'}: should not serve as ground truth: ")
        assert all(reason in lines[0] for reason in reasons)
        assert lines[1].endswith("ground truth: empty (next to nothing is visible)")
        assert "2 should not serve as ground truth" in shown.out
    assert run(*words, "--json") == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["rejected"] == {
        str(tmp_path / "hazy.png"): list(reasons),
        str(tmp_path / "nothing.png"): ["empty"],
    }


def test_pictures_smaller_than_it_is_made_for_are_said_in_one_line(
    portrait: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, size in enumerate(((64, 128), (95, 200))):
        Image.fromarray(rgba(seed, size)).save(tmp_path / f"small{seed}.png")
    assert run(tmp_path, "-o", tmp_path / "out", "--workers", 1) == 0
    (line,) = [li for li in capsys.readouterr().out.splitlines() if "96 px" in li]
    assert line.startswith("2 with a side below 96 px") and "small0.png; try: " in line
    assert run(portrait, "-o", tmp_path / "out") == 0
    assert "96 px" not in capsys.readouterr().out


def test_a_full_disk_stops_the_run_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for seed in range(4):
        Image.fromarray(rgba(seed)).save(folder / f"{seed}.png")
    out = tmp_path / "out"
    sync, tried = os.fsync, 0

    def full(descriptor: int) -> None:
        nonlocal tried
        # Pictures alone: the report has a few hundred bytes, more under a long folder name.
        if os.fstat(descriptor).st_size > 3000:
            tried += 1
            if tried > 1:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    words = (folder, "-o", out, "--workers", 1, "--report", tmp_path / "report.jsonl")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        assert run(*words) == 1
    shown = capsys.readouterr()
    assert tried == 2
    assert shown.err.splitlines() == [
        f"{folder / '1.png'}: {out / '1.png'} cannot be written: No space left on device; "
        "try: free space, then run the same command again"
    ]
    assert "1 refined, 0 already there, 1 failed" in shown.out
    assert "stopped because the disk is full: 2 not tried" in shown.out
    assert [path.name for path in out.iterdir()] == ["0.png"]
    assert len((tmp_path / "report.jsonl").read_text().splitlines()) == 2
    assert run(*words, "--json") == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["skipped"], summary["refined"], summary["not_tried"]) == (1, 3, 0)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run("--version")
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"refinement {VERSION}\n"


def report(*reasons: str) -> Report:
    return Report(0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0.5, reasons)


def shown(raw: NDArray[Any], alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
    return preview.sheet(raw, RefinedMatte(alpha, raw[..., :3], 8, report("haze")))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_preview_shows_both_mattes_the_change_and_the_trimap(dtype: type) -> None:
    scale = np.iinfo(dtype).max // 255
    raw: NDArray[Any] = np.zeros((2100, 1200, 4), dtype)
    raw[..., :3] = np.array((10, 200, 30)) * scale
    raw[:1050, :, 3] = 128 * scale
    alpha = np.zeros((2100, 1200), np.float32)
    alpha[:1050] = 1
    picture = shown(raw, alpha)
    height, width = 525, 300 + 2 * preview.GAP
    assert picture.shape == (2 * height + 3 * preview.BAR, 4 * width, 3)
    rows = [
        picture[top : top + height].reshape(height, 4, width, 3)[:, :, width // 2]
        for top in (preview.BAR, height + 2 * preview.BAR)
    ]
    panels = dict(zip(preview.LABELS, (row[:, i] for row in rows for i in range(4)), strict=True))
    assert panels["raw on light"][10].tolist() == [127, 222, 137]
    assert panels["raw on dark"][10].tolist() == [17, 112, 27]
    for ground, grey in (("light", 245), ("dark", 24)):
        assert panels[f"refined on {ground}"][10].tolist() == [10, 200, 30]
        assert panels[f"refined on {ground}"][-10].tolist() == [grey] * 3
    assert panels["raw alpha"][[10, -10]].tolist() == [[128] * 3, [0] * 3]
    assert panels["refined alpha"][[10, -10]].tolist() == [[255] * 3, [0] * 3]
    edge = [panels["trimap"][row].tolist() for row in (10, 262, -10)]
    assert edge == [[255] * 3, [128] * 3, [0] * 3]
    assert panels["change x 8: + green, - red"][10].tolist() == [0, 255, 0]


@pytest.mark.parametrize("size", [(16, 16), (16, 1500), (1500, 17), (64, 80), (300, 1000)])
def test_every_panel_has_its_label_whatever_its_size(size: tuple[int, int]) -> None:
    height, width = size
    raw = np.full((height, width, 4), 128, np.uint8)
    picture = shown(raw, np.ones(size, np.float32))
    across = picture.shape[1] // 4
    assert across >= preview.CELL
    zoom = 1 if across < 768 else 2
    panel = picture.shape[0] // 2 - 3 * zoom * preview.BAR // 2
    for top in (0, zoom * preview.BAR + panel):
        bar = picture[top : top + zoom * preview.BAR]
        for column in range(4):
            label = bar[:, column * across : (column + 1) * across]
            dark = np.any(label < 100, axis=(0, 2))
            assert dark.any() and not dark[-3:].any()  # text, and all of it
    assert (picture[-zoom * preview.BAR :] < 100).any()
