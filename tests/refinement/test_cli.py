"""``python -m refinement`` over files, folders and globs, good and bad."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from refinement import Options, pictures, refine
from refinement.cli import main
from tests.refinement import synthetic

PROFILE = b"not a real profile, but kept byte for byte" * 9


def rgba(seed: int = 1, size: tuple[int, int] = (96, 80)) -> np.ndarray:
    subject = synthetic.subject(seed, size, hair="wavy")
    return subject.rgba(synthetic.damage_multiplied(subject.alpha, seed))


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    Image.fromarray(rgba(1)).save(folder / "one.png", icc_profile=PROFILE)
    Image.fromarray(rgba(2)).save(folder / "deep" / "two.webp", lossless=True, exact=True)
    (folder / "notes.txt").write_text("no picture, and not asked for")
    return folder


def run(*words: object) -> int:
    return main([str(word) for word in words])


def test_folder_in_folder_out(inputs, tmp_path, capsys):
    out = tmp_path / "out"
    log = tmp_path / "log.jsonl"
    assert run(inputs, "--output", out, "--report", log, "--preview", "--workers", 1) == 0
    assert "2 refined" in capsys.readouterr().out
    files = sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file())
    assert files == ["deep/two.png", "one.png", "previews/deep/two.png", "previews/one.png"]
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["status"] for line in lines] == ["refined", "refined"]
    result = refine(rgba(1))
    with Image.open(out / "one.png") as image:
        assert image.info["icc_profile"] == PROFILE
        got = np.asarray(image)
    assert np.array_equal(got[..., 3], np.rint(255 * result.alpha))
    assert np.array_equal(got[..., :3], result.foreground)
    assert lines[1]["report"] == result.report.to_dict() or lines[0]["report"]


def test_finished_ones_are_skipped_until_something_changes(inputs, tmp_path, capsys):
    out = tmp_path / "out"
    args = (inputs, "--output", out, "--workers", 1, "--json")

    def counts() -> tuple[int, int]:
        summary = json.loads(capsys.readouterr().out)
        return summary["refined"], summary["skipped"]

    assert run(*args) == 0 and counts() == (2, 0)
    before = (out / "one.png").read_bytes()
    assert run(*args) == 0 and counts() == (0, 2)
    Image.fromarray(rgba(3)).save(inputs / "one.png")
    assert run(*args) == 0 and counts() == (1, 1)
    assert run(*args, "--band-width", 32) == 0 and counts() == (2, 0)
    (out / "one.png").write_bytes(before[:200])
    assert run(*args, "--band-width", 32) == 0 and counts() == (1, 1)
    assert run(*args, "--overwrite") == 0 and counts() == (2, 0)
    assert not list(out.rglob("*.part"))


def test_workers_change_nothing(inputs, tmp_path):
    for i in range(3, 6):
        Image.fromarray(rgba(i)).save(inputs / f"{i}.png")
    one, two = tmp_path / "1", tmp_path / "2"
    assert run(inputs, "-o", one, "--workers", 1) == 0
    assert run(inputs, "-o", two, "--workers", 2) == 0
    names = sorted(p.relative_to(one) for p in one.rglob("*.png"))
    assert len(names) == 5
    assert all((one / n).read_bytes() == (two / n).read_bytes() for n in names)


def test_bad_files_are_named_and_the_rest_goes_on(inputs, tmp_path, capsys):
    Image.fromarray(rgba(1)[..., :3]).save(inputs / "opaque.png")
    Image.new("RGBA", (1, 1)).save(inputs / "tiny.png")
    whole = (inputs / "one.png").read_bytes()
    (inputs / "cut.png").write_bytes(whole[: len(whole) // 2])
    (inputs / "text.png").write_text("no picture")
    header = bytearray(whole[:33])
    header[16:24] = (40_000).to_bytes(4, "big") * 2
    import zlib

    header[29:33] = zlib.crc32(header[12:29]).to_bytes(4, "big")
    (inputs / "bomb.png").write_bytes(bytes(header) + whole[33:])
    Image.fromarray(rgba(4)).save(inputs / "one.tiff")
    out = tmp_path / "out"
    assert run(inputs, "--output", out, "--workers", 1) == 1
    shown = capsys.readouterr()
    assert "2 refined" in shown.out and "6 failed" in shown.out
    for name, problem in {
        "opaque.png": "no alpha channel",
        "tiny.png": "too small",
        "cut.png": "truncated",
        "text.png": "not a picture",
        "bomb.png": "pixels",
        "one.tiff": "already taken",
    }.items():
        line = next(li for li in shown.err.splitlines() if f"{name}:" in li)
        assert problem in line
    assert "Traceback" not in shown.err
    assert len(list(out.rglob("*.png"))) == 2


def test_sixteen_bits_stay_sixteen(tmp_path):
    deep = rgba(5).astype(np.uint16) * 257
    deep[..., :3] -= np.minimum(deep[..., :3], 7)
    path = tmp_path / "deep.png"
    cv2.imwrite(str(path), cv2.cvtColor(deep, cv2.COLOR_RGBA2BGRA))
    assert run(path, "-o", tmp_path / "out", "--workers", 1) == 0
    got = pictures.read((tmp_path / "out" / "deep.png").read_bytes()).rgba
    assert got.dtype == np.uint16
    result = refine(deep)
    assert np.array_equal(got[..., :3], result.foreground)
    assert np.abs(got[..., 3] / 65535 - result.alpha).max() < 1e-4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(tmp_path, orientation):
    from PIL import ImageOps

    image = Image.fromarray(rgba(6))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.png"
    image.save(path, exif=exif)
    with Image.open(path) as stored:
        upright = np.asarray(ImageOps.exif_transpose(stored))
    assert np.array_equal(pictures.read(path.read_bytes()).rgba, upright)
    deep = cv2.cvtColor(rgba(6).astype(np.uint16) * 257, cv2.COLOR_RGBA2BGRA)
    plain = cv2.imencode(".png", deep)[1].tobytes()
    body = exif.tobytes().removeprefix(b"Exif\0\0")
    data = plain[:33] + pictures._chunk(b"eXIf", body) + plain[33:]
    assert np.array_equal(pictures.read(data).rgba // 257, upright)


def test_palette_and_grey_with_alpha_are_read(tmp_path):
    grey = Image.fromarray(rgba(7)).convert("LA")
    palette = Image.fromarray(rgba(7)).quantize(64)
    for name, image in (("grey", grey), ("palette", palette)):
        image.save(tmp_path / f"{name}.png")
        got = pictures.read((tmp_path / f"{name}.png").read_bytes()).rgba
        assert got.shape == (96, 80, 4) and got.dtype == np.uint8


@pytest.mark.parametrize("words", [("nowhere.png",), ("empty",), ("in", "-o", "in")])
def test_wrong_usage_is_status_2(inputs, tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert run(*words, *([] if "-o" in words else ["-o", "out"])) == 2
    assert capsys.readouterr().err.startswith("python -m refinement: error: ")


def test_globs_and_options(inputs, tmp_path, capsys):
    args = (inputs / "*.png", "-o", tmp_path / "out", "--workers", 1, "--keep-colour")
    assert run(*args, "--no-flyaways", "--several-bodies", "keep", "--json") == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == 1
    expected = refine(
        rgba(1),
        options=Options(several_bodies="keep", keep_flyaways=False, estimate_colour=False),
    )
    got = pictures.read((tmp_path / "out" / "one.png").read_bytes()).rgba
    assert np.array_equal(got[..., :3], expected.foreground)


def test_help_is_fast_and_teaches():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "refinement", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert "examples:" in done.stdout
    for heavy in ("torch", "numba", "scipy", "pymatting", "datasets"):
        assert f"| {heavy}\n" not in done.stderr
