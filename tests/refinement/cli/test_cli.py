"""``python -m refinement`` over files, folders and globs, good and bad."""

from __future__ import annotations

import fcntl
import io
import json
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from refinement import VERSION, Options, refine
from refinement.cli import batch, main
from refinement.io import files, pictures
from refinement.io.png import chunk
from tests.processes import ROOT
from tests.refinement import synthetic

PROFILE = b"not a real profile, but kept byte for byte" * 9


def rgba(seed: int = 1, size: tuple[int, int] = (96, 80)) -> NDArray[Any]:
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


def test_folder_in_folder_out(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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
    reports = {Path(line["input"]).name: line["report"] for line in lines}
    assert reports["one.png"] == result.report.to_dict()
    assert {line["version"] for line in lines} == {VERSION}


def test_finished_ones_are_skipped_until_something_changes(
    inputs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
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
    assert run(*args) == 0 and counts() == (0, 2)
    monkeypatch.setattr(batch, "VERSION", "another")
    assert run(*args) == 0 and counts() == (2, 0)
    assert not list(out.rglob("*.part"))


def test_workers_change_nothing(inputs: Path, tmp_path: Path) -> None:
    for i in range(3, 6):
        Image.fromarray(rgba(i)).save(inputs / f"{i}.png")
    one, two = tmp_path / "1", tmp_path / "2"
    assert run(inputs, "-o", one, "--workers", 1) == 0
    assert run(inputs, "-o", two, "--workers", 2) == 0
    names = sorted(p.relative_to(one) for p in one.rglob("*.png"))
    assert len(names) == 5
    assert all((one / n).read_bytes() == (two / n).read_bytes() for n in names)


def test_bad_files_are_named_and_the_rest_goes_on(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(rgba(1)[..., :3]).save(inputs / "opaque.png")
    Image.new("RGBA", (1, 1)).save(inputs / "tiny.png")
    whole = (inputs / "one.png").read_bytes()
    (inputs / "cut.png").write_bytes(whole[: len(whole) // 2])
    (inputs / "text.png").write_text("no picture")
    header = bytearray(whole[:33])
    header[16:24] = (40_000).to_bytes(4, "big") * 2
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
        "one.tiff": "is that of",
    }.items():
        line = next(li for li in shown.err.splitlines() if f"{name}:" in li)
        assert problem in line
    assert "Traceback" not in shown.err
    assert len(list(out.rglob("*.png"))) == 2


def test_sixteen_bits_stay_sixteen(tmp_path: Path) -> None:
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


def tiff(rgba: NDArray[Any], *, extra: int = 2, orientation: int = 1) -> bytes:
    """An uncompressed RGBA TIFF; ``extra`` 2 straight, 1 premultiplied."""
    height, width, _ = rgba.shape
    bits, data = 8 + 2 + 12 * 11 + 4, 8 + 2 + 12 * 11 + 12
    tags = (
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 4, bits), (259, 3, 1, 1),
        (262, 3, 1, 2), (273, 4, 1, data), (274, 3, 1, orientation), (277, 3, 1, 4),
        (278, 4, 1, height), (279, 4, 1, rgba.nbytes), (338, 3, 1, extra),
    )  # fmt: skip
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    depth = struct.pack("<4H", *[8 * rgba.itemsize] * 4)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + depth + rgba.tobytes()


def saved(image: Image.Image, kind: str, **how: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return buffer.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(orientation: int) -> None:
    image = Image.fromarray(rgba(6))
    exif = Image.Exif()
    exif[0x0112] = orientation
    png = saved(image, "PNG", exif=exif)
    with Image.open(io.BytesIO(png)) as stored:
        upright = np.asarray(ImageOps.exif_transpose(stored))
    deep = rgba(6).astype(np.uint16) * 257
    plain = cv2.imencode(".png", cv2.cvtColor(deep, cv2.COLOR_RGBA2BGRA))[1].tobytes()
    body = exif.tobytes().removeprefix(b"Exif\0\0")
    deep_png = plain[:33] + chunk(b"eXIf", body) + plain[33:]
    webp = saved(image, "WEBP", exif=exif, lossless=True, exact=True)
    for data in (png, webp, tiff(rgba(6), orientation=orientation)):
        assert np.array_equal(pictures.read(data).rgba, upright)
    for data in (deep_png, tiff(deep, orientation=orientation)):
        assert np.array_equal(pictures.read(data).rgba, upright.astype(np.uint16) * 257)


def test_premultiplied_tiff_becomes_straight() -> None:
    deep = rgba(6).astype(np.uint16) * 257
    share = deep[..., 3:] / 65535
    product = deep.copy()
    product[..., :3] = np.rint(deep[..., :3] * share)
    got = pictures.read(tiff(product, extra=1)).rgba
    assert np.array_equal(got[..., 3], deep[..., 3])
    seen = deep[..., 3] > 6000
    assert np.abs(got.astype(int) - deep)[seen].max() <= 8


def test_damage_is_found_before_anything_is_made(tmp_path: Path) -> None:
    """Pillow's EXIF reader loads a PNG; a fault there must not pass for a missing EXIF."""
    for depth in (1, 257):
        deep = rgba(3) if depth == 1 else rgba(3).astype(np.uint16) * np.uint16(depth)
        data = bytearray(cv2.imencode(".png", deep)[1].tobytes())
        data[len(data) // 2] ^= 255
        with pytest.raises(pictures.RefinementError, match="broken"):
            pictures.read(bytes(data))


def test_palette_and_grey_with_alpha_are_read(tmp_path: Path) -> None:
    grey = Image.fromarray(rgba(7)).convert("LA")
    palette = Image.fromarray(rgba(7)).quantize(64)
    for name, image in (("grey", grey), ("palette", palette)):
        image.save(tmp_path / f"{name}.png")
        got = pictures.read((tmp_path / f"{name}.png").read_bytes()).rgba
        assert got.shape == (96, 80, 4) and got.dtype == np.uint8


@pytest.mark.parametrize("words", [("nowhere.png",), ("empty",), ("in", "-o", "in")])
def test_wrong_usage_is_status_2(
    inputs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert run(*words, *([] if "-o" in words else ["-o", "out"])) == 2
    assert capsys.readouterr().err.startswith("python -m refinement: error: ")


def test_globs_and_options(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = (inputs / "*.png", "-o", tmp_path / "out", "--workers", 1, "--keep-colour")
    assert run(*args, "--no-flyaways", "--several-bodies", "keep", "--json") == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == 1
    expected = refine(
        rgba(1),
        options=Options(several_bodies="keep", keep_flyaways=False, estimate_colour=False),
    )
    got = pictures.read((tmp_path / "out" / "one.png").read_bytes()).rgba
    assert np.array_equal(got[..., :3], expected.foreground)


def test_help_is_fast_and_teaches() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "refinement", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert "examples:" in done.stdout
    for heavy in ("torch", "numba", "scipy", "pymatting", "datasets"):
        assert f"| {heavy}\n" not in done.stderr


def chunks(png: bytes) -> dict[bytes, bytes]:
    found, at = {}, 8
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        found[png[at + 4 : at + 8]] = png[at + 8 : at + 8 + length]
        at += 12 + length
    return found


def test_what_colours_mean_is_kept(tmp_path: Path) -> None:
    image = Image.fromarray(rgba(1))
    image.save(tmp_path / "a.webp", icc_profile=PROFILE, lossless=True)
    image.save(tmp_path / "b.tif", icc_profile=PROFILE)
    plain = saved(image, "PNG")
    gamma = chunk(b"gAMA", (100_000).to_bytes(4, "big"))
    (tmp_path / "c.png").write_bytes(plain[:33] + gamma + plain[33:])
    grey = PROFILE[:16] + b"GRAY" + PROFILE[20:]
    image.convert("LA").save(tmp_path / "d.png", icc_profile=grey)
    broken = chunk(b"iCCP", b"icc\0\0no zlib stream")
    (tmp_path / "e.png").write_bytes(plain[:33] + broken + plain[33:])
    out = tmp_path / "out"
    assert run(tmp_path, "-o", out, "--preview", "--workers", 1) == 0
    for name in ("a", "b"):
        for folder in (out, out / "previews"):
            with Image.open(folder / f"{name}.png") as result:
                assert result.info["icc_profile"] == PROFILE
    assert chunks((out / "c.png").read_bytes())[b"gAMA"] == (100_000).to_bytes(4, "big")
    for name in ("d", "e"):
        assert b"iCCP" not in chunks((out / f"{name}.png").read_bytes())


def test_profiles_too_large_to_read_back_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("large.png", "large.tif"):
        Image.fromarray(rgba(1)).save(tmp_path / name, icc_profile=os.urandom(1_100_000))
    assert run(tmp_path, "-o", tmp_path / "out", "--workers", 1) == 1
    assert "over 1 MB" in capsys.readouterr().err


def test_what_is_no_single_rgba_picture_gets_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = Image.fromarray(rgba(1))
    image.convert("CMYK").save(tmp_path / "cmyk.tif")
    image.convert("1").save(tmp_path / "bilevel.png")
    for name in ("loop.gif", "move.webp", "frames.png", "pages.tif"):
        image.save(tmp_path / name, save_all=True, append_images=[image.rotate(90)])
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "dangling.png").symlink_to("nowhere")
    (tmp_path / "itself.png").symlink_to("itself.png")
    (tmp_path / "._cmyk.tif").write_text("a hidden file")
    named = (tmp_path / "pipe.png", tmp_path / "dangling.png")
    assert run(tmp_path, *named, "-o", tmp_path / "out", "--workers", 1) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 9
    assert sum("no alpha channel" in line for line in lines) == 2
    assert sum("more than one frame or page" in line for line in lines) == 4
    assert sum(": not a file; try: " in line for line in lines) == 3


@pytest.mark.parametrize("size", [(64, 64), (16, 16), (16, 1500), (1500, 17), (333, 64)])
def test_any_aspect_and_any_kind_of_alpha(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], size: tuple[int, int]
) -> None:
    picture = cv2.resize(rgba(2), size[::-1], interpolation=cv2.INTER_AREA)
    hard, full, none = picture.copy(), picture.copy(), picture.copy()
    hard[..., 3] = np.where(hard[..., 3] > 127, 255, 0)
    full[..., 3], none[..., 3] = 255, 0
    for name, one in (("soft", picture), ("hard", hard), ("full", full), ("none", none)):
        Image.fromarray(one).save(tmp_path / f"{name}.png")
    Image.fromarray(hard).quantize(32).save(tmp_path / "palette.png")
    words = (tmp_path, "-o", tmp_path / "out", "--preview", "--workers", 1)
    assert run(*words, "--report", tmp_path / "report.jsonl") == 0
    lines = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    reasons = {Path(line["input"]).stem: line["report"]["reasons"] for line in lines}
    assert "no-background" in reasons["full"] and "empty" in reasons["none"]
    for name in ("soft", "hard", "full", "none", "palette"):
        with Image.open(tmp_path / "out" / f"{name}.png") as result:
            assert (*result.size[::-1], result.mode) == (*size, "RGBA")
            alpha = np.asarray(result)[..., 3]
        if name in ("full", "none"):
            assert (alpha == (255 if name == "full" else 0)).all()


def test_output_inside_the_input_and_beside_it(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = inputs / "out"

    def counts(*words: object) -> tuple[int, int, int]:
        run(*words, "--workers", 1, "--json")
        summary = json.loads(capsys.readouterr().out)
        return summary["refined"], summary["skipped"], summary["failed"]

    assert counts(inputs, "-o", out, "--preview") == (2, 0, 0)
    assert counts(inputs, "-o", out, "--preview") == (0, 2, 0)
    assert counts(f"{inputs}/**/*.*p*g", "-o", out) == (0, 1, 0)
    assert counts(inputs / "deep", "-o", inputs) == (1, 0, 0)  # the output is its parent
    assert counts(f"{inputs}/de*", "-o", tmp_path / "glob") == (1, 0, 0)
    assert (tmp_path / "glob" / "deep" / "two.png").is_file()


def test_no_output_takes_another_ones_name(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (inputs / "previews").mkdir()
    for name in ("one.webp", "previews/one.png", "deep/one.png"):
        Image.fromarray(rgba(3)).save(inputs / name)
    out = tmp_path / "out"
    assert run(inputs, "-o", out, "--preview", "--workers", 1) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and all("is that of" in line for line in lines)
    files = sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file())
    assert [f for f in files if "previews" not in f] == ["deep/one.png", "deep/two.png", "one.png"]


def test_inputs_are_never_written_over(
    inputs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (inputs / "deep" / "deep").mkdir()
    Image.fromarray(rgba(3)).save(inputs / "deep" / "two.png")
    Image.fromarray(rgba(3)).save(inputs / "deep" / "deep" / "two.png")
    before = {p: p.read_bytes() for p in inputs.rglob("*") if p.is_file()}
    for words in (
        ("in", "-o", "in"),
        ("in/one.png", "-o", "in"),
        ("in/deep", "-o", "in"),  # in/deep/deep/two.png would become in/deep/two.png
        ("in/deep", "-o", "out", "--report", "in/one.png"),
        ("in/one.png", "-o", "in/deep/two.png"),
        ("in", "-o", "out", "--report", "in/deep"),
    ):
        assert run(*words) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert {p: p.read_bytes() for p in inputs.rglob("*") if p.is_file()} == before


def test_a_report_may_go_through_a_pipe_and_may_fail(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real = tmp_path / "real.jsonl"
    real.touch()
    (tmp_path / "link.jsonl").symlink_to(real)
    words = (inputs / "one.png", "-o", tmp_path / "out", "--workers", 1)
    assert run(*words, "--report", tmp_path / "link.jsonl") == 0
    assert (tmp_path / "link.jsonl").is_symlink() and len(real.read_text().splitlines()) == 1
    if Path("/dev/full").is_char_device():
        (tmp_path / "full").symlink_to("/dev/full")
        assert run(*words, "--report", tmp_path / "full") == 1
        assert "No space left" in capsys.readouterr().err


def test_previews_follow_the_options_and_cut_outputs_are_made_again(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = (inputs / "one.png", "-o", out, "--workers", 1, "--json")

    def refined(*more: object) -> int:
        assert run(*words, *more) == 0
        return json.loads(capsys.readouterr().out)["refined"]

    assert refined("--preview") == 1
    assert refined("--keep-colour") == 1
    assert refined("--keep-colour", "--preview") == 1  # the preview is of other options
    assert refined("--keep-colour", "--preview") == 0
    target = out / "one.png"
    target.write_bytes(target.read_bytes()[:-5])
    assert refined("--keep-colour") == 1
    assert refined("--keep-colour", "--no-resume") == 1


def test_a_failed_write_leaves_nothing_and_leftovers_are_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "file.png"
    files.write_whole(target, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            files.write_whole(target, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["file.png"]
    assert target.read_bytes() == b"old"
    left, written = (tmp_path / f".refinement-{name}.part" for name in "ab")
    left.touch()
    with written.open("wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)  # another process is at it
        files.sweep(tmp_path)
        assert sorted(p.name for p in tmp_path.iterdir()) == [written.name, "file.png"]
    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", full)  # a file system without locks: age decides
        files.sweep(tmp_path)
        assert written.exists()
        os.utime(written, (time.time() - 90,) * 2)
        files.sweep(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["file.png"]


def started(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "refinement", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )


def wait_for(what: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    folder = tmp_path / "many"
    folder.mkdir()
    data = saved(Image.fromarray(cv2.resize(rgba(1), (700, 800))), "PNG", compress_level=1)
    for index in range(16):
        (folder / f"{index:02d}.png").write_bytes(data)
    return folder


@pytest.mark.skipif(os.name != "posix", reason="signals to a process group are POSIX")
@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_quietly_and_the_next_run_goes_on(
    many: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], workers: int
) -> None:
    out = tmp_path / "out"
    process = started(many, "-o", out, "--workers", workers)
    wait_for(lambda: any(out.glob("*.png")))
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error == "interrupted; run the same command again to go on\n"
    there = len(list(out.glob("*.png")))
    assert 0 < there < 16 and not list(out.glob(".*"))
    assert run(many, "-o", out, "--workers", 1, "--json") == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["skipped"], summary["refined"]) == (there, 16 - there)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")
def test_killed_workers_lose_nothing_and_a_killed_run_leaves_no_workers(
    many: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"

    def workers(parent: int) -> list[int]:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return [
            int(c) for c in children if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes()
        ]

    process = started(many, "-o", out, "--workers", 2, "--json")
    wait_for(lambda: any(out.glob("*.png")))
    os.kill(workers(process.pid)[0], signal.SIGKILL)
    result, error = process.communicate(timeout=120)
    assert process.returncode == 0 and "Traceback" not in error
    summary = json.loads(result)
    assert summary["failed"] == 0 and summary["refined"] + summary["skipped"] == 16
    process = started(many, "-o", tmp_path / "again", "--workers", 2)
    wait_for(lambda: any((tmp_path / "again").glob("*.png")))
    children = workers(process.pid)
    process.kill()
    process.communicate()
    wait_for(lambda: not any(alive(child) for child in children), 20)


def test_a_report_replaces_reports_alone(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (inputs / "one.png", "-o", tmp_path / "out", "--workers", 1, "--report")
    for name, text in (
        ("README.md", "# mine\n"),
        ("prompts.jsonl", '{"file": "a.png"}\n'),
        ("list.jsonl", "[1]\n"),
    ):
        mine = tmp_path / name
        mine.write_text(text)
        assert run(*words, mine) == 2
        assert f"--report {mine}: is there and is no report; try: " in capsys.readouterr().err
        assert mine.read_text() == text and not (tmp_path / "out").exists()
    assert run(*words, mine, "--overwrite") == 0
    report = mine.read_text()
    assert run(*words, mine) == 0
    assert json.loads(mine.read_text())["input"] == json.loads(report)["input"]
