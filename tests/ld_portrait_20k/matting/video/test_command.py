"""``video`` and ``video evaluate`` from the command line, killed runs too."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from ld_portrait_20k.matting.cli import main
from ld_portrait_20k.matting.data.pictures import read_matte
from ld_portrait_20k.matting.video.frames import Frame
from ld_portrait_20k.matting.video.reading import BrokenClipError, open_frames

from . import moving

ROOT = Path(__file__).parents[4]
FAST = ["--model", "guided-filter"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``clip.mp4`` (12 frames, sound, rotation), ``masks`` and ``truth``."""
    folder = tmp_path_factory.mktemp("clip")
    frames, alphas = moving.scene(12)
    moving.save_clip(
        folder / "clip.mp4", [np.rot90(frame, -1) for frame in frames], rotation=90, sound="aac"
    )
    moving.save_folder(folder / "truth", alphas)
    hard = [np.where(alpha >= 128, np.uint8(255), np.uint8(0)) for alpha in alphas]
    moving.save_folder(folder / "masks", hard)
    return folder


def run(clip: Path, output: Path, *more: str) -> int:
    options = ["--masks", str(clip / "masks"), *FAST] if "--first-mask" not in more else FAST
    return main(["video", str(clip / "clip.mp4"), "--output", str(output), *options, *more])


def seconds_of_sound(path: Path) -> float:
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return 0.0
        return sum(f.samples / f.sample_rate for f in container.decode(audio=0))


def test_a_folder_and_its_figures(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    output = tmp_path / "out"
    assert run(clip, output, "--json") == 0
    body = json.loads(capsys.readouterr().out)
    assert (body["frames"], body["segmenter"], body["nobody"]) == (12, "masks", [])
    names = [f"{index:05d}.png" for index in range(12)]
    assert sorted(path.name for path in (output / "alpha").iterdir()) == names
    assert sorted(path.name for path in (output / "rgba").iterdir()) == names
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]  # nothing else is left
    assert main(["video", "evaluate", str(output / "rgba"), str(clip / "truth"), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert list(figures) == ["frames", "MAD", "MSE", "Grad", "Conn", "dtSSD"]
    assert figures["MAD"] < 25


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm", ".mkv"])
def test_clips_keep_sound_length_and_orientation(clip: Path, tmp_path: Path, suffix: str) -> None:
    output = tmp_path / f"out{suffix}"
    assert run(clip, output) == 0
    source = open_frames(output)
    frames = list(source)
    assert (source.info.width, source.info.height, len(frames)) == (96, 72, 12)
    assert [round(float(frame.time) * 25) for frame in frames] == list(range(12))
    assert seconds_of_sound(output) == pytest.approx(0.48, abs=0.06)
    with av.open(str(output)) as container:
        assert next(container.decode(video=0)).rotation == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [output.name]


def test_sound_follows_the_in_and_out_points(clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    assert run(clip, output, "--start", "0.12", "--end", "0.36", "--background", "green") == 0
    assert len(list(open_frames(output))) == 6
    assert seconds_of_sound(output) == pytest.approx(0.24, abs=0.06)


def test_raw_frames_from_standard_input(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    content = b"".join(picture.tobytes() for picture in moving.scene(12)[0])
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=moving.Pipe(content)))
    command = ["video", "-", "--output", str(tmp_path / "out"), *FAST]
    assert main([*command, "--raw", "96x72", "--masks", str(clip / "masks")]) == 0
    assert len(list((tmp_path / "out/rgba").iterdir())) == 12
    with pytest.raises(SystemExit):
        main([*command, "--raw", "96by72"])
    assert "is not WxH" in capsys.readouterr().err


def test_composites_over_a_colour_a_picture_and_a_clip(clip: Path, tmp_path: Path) -> None:
    moving.save_folder(tmp_path / "behind", [np.full((9, 12, 3), v, np.uint8) for v in (0, 200)])
    for background, values in (
        ("#00ff00", [(0, 255, 0)] * 12),
        (str(tmp_path / "behind/00001.png"), [(200, 200, 200)] * 12),
        (str(tmp_path / "behind"), [(0, 0, 0), (200, 200, 200)] * 6),  # begins again
    ):
        output = tmp_path / "on.mkv"
        assert run(clip, output, "--background", background, "--overwrite") == 0
        corners = [tuple(int(v) for v in frame.colour[0, -1]) for frame in open_frames(output)]
        assert corners == values


def test_one_mask_or_one_box_suffices(clip: Path, tmp_path: Path) -> None:
    mask = str(clip / "masks/00000.png")
    assert run(clip, tmp_path / "a", "--first-mask", mask) == 0
    assert main(["video", str(clip / "clip.mp4"), "--output", str(tmp_path / "b"), *FAST,
                 "--first-box", "5,16,46,48"]) == 0  # fmt: skip


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--background", "no-such-colour"], "neither a colour nor a picture"),
        (["--segmenter", "mediapipe"], "does not go with --masks"),
        (["--start", "9"], "no frames between"),
        (["--model", "nothing"], "no model 'nothing'"),
    ],
)
def test_problems_take_one_line(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture, more: list[str], message: str
) -> None:
    assert run(clip, tmp_path / "out", *more) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert message in error
    assert list(tmp_path.iterdir()) == []


def test_nobody_in_the_clip_is_an_error_and_in_some_frames_a_note(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    empty = [np.zeros((72, 96), np.uint8)] * 12
    masks = moving.save_folder(tmp_path / "none", empty)
    command = ["video", str(clip / "clip.mp4"), "--output", str(tmp_path / "out"), *FAST]
    assert main([*command, "--masks", str(masks)]) == 1
    assert "nobody was found in any of its 12 frames" in capsys.readouterr().err
    assert not list(tmp_path.glob("out/*"))
    moving.save_folder(tmp_path / "some", empty)
    for index in (3, 4, 5, 6, 8, 9, 10, 11):
        content = (clip / f"masks/{index:05d}.png").read_bytes()
        (tmp_path / f"some/{index:05d}.png").write_bytes(content)
    assert main([*command, "--masks", str(tmp_path / "some")]) == 0
    assert "nobody in frames 0 to 2, 7" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["out", "out.mkv"])
def test_of_a_broken_clip_the_frames_until_there_are_kept(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture, name: str
) -> None:
    moving.save_clip(tmp_path / "whole.mkv", moving.scene(40)[0], codec="ffv1", pixels="bgr0")
    whole = (tmp_path / "whole.mkv").read_bytes()
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(whole[: len(whole) // 2])
    there = list(until_broken(broken))
    assert 10 < len(there) < 30
    output = tmp_path / name
    mask = str(clip / "masks/00000.png")
    command = ["video", str(broken), "--output", str(output), *FAST, "--first-mask", mask]
    assert main(command) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    second = len(there) / 25
    assert f"broken.mkv: broken at {second:.2f} s, after {len(there)} frames" in error
    assert f"{name} has the {len(there)} frames until there" in error
    frames = list(open_frames(output / "rgba" if name == "out" else output))
    assert len(frames) == len(there)
    assert not (tmp_path / f".{name}.unfinished").exists()
    assert main([*command, "--end", f"{second:.2f}", "--overwrite"]) == 0  # what is whole is whole


def until_broken(path: Path) -> Iterator[Frame]:
    with contextlib.suppress(BrokenClipError):
        yield from open_frames(path)


def test_a_clip_of_zero_frames_is_named(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    empty = tmp_path / "empty.y4m"
    empty.write_bytes(b"YUV4MPEG2 W96 H72 F25:1 Ip A1:1 C420jpeg\n")
    command = ["video", str(empty), "--output", str(tmp_path / "out"), *FAST]
    assert main([*command, "--masks", str(clip / "masks")]) == 1
    assert "empty.y4m: no frames in it" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["empty.y4m"]


def test_of_two_people_one_is_kept_or_both(tmp_path: Path) -> None:
    pictures, alphas = moving.scene(4, people=2)
    frames = moving.save_folder(tmp_path / "frames", pictures)
    masks = moving.save_folder(tmp_path / "masks", alphas)
    command = ["video", str(frames), "--masks", str(masks), *FAST]
    assert main([*command, "--output", str(tmp_path / "one")]) == 0
    assert main([*command, "--output", str(tmp_path / "both"), "--people", "all"]) == 0
    right = slice(60, None)
    for index, true in enumerate(alphas):
        one, both = (
            read_matte(tmp_path / kept / f"alpha/{index:05d}.png") for kept in ("one", "both")
        )
        assert not one[:, right].any()
        assert one[:, :55].max() == both[:, :55].max() == 255
        assert (both[:, right] >= 128).sum() > 0.8 * (true[:, right] >= 128).sum()


def test_what_is_there_is_not_overwritten_unasked(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for output in (tmp_path / "out", tmp_path / "out.mov"):
        assert run(clip, output) == 0
        assert run(clip, output) == 1
        assert "is there already; try: --overwrite" in capsys.readouterr().err
        assert run(clip, output, "--resume") == 0
        assert "is complete" in capsys.readouterr().err
        assert run(clip, output, "--overwrite", "--end", "0.2") == 0
    assert len(list((tmp_path / "out/alpha").iterdir())) == 5


LONG = 130  # frames: two whole segments and a part of the third


def start(folder: Path, output: Path, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "ld_portrait_20k.matting", "video", str(folder / "clip.mkv"),
         "--output", str(output), "--first-mask", str(folder / "mask.png"), *FAST, *more],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out", "out.mkv"])
def test_killed_runs_end_with_the_same_frames(tmp_path: Path, name: str) -> None:
    """Five kills at random moments; LD_PORTRAIT_KILLS sets another number."""
    kills = int(os.environ.get("LD_PORTRAIT_KILLS", "5"))
    random = np.random.default_rng(int(os.environ.get("LD_PORTRAIT_SEED", "0")))
    frames, alphas = moving.scene(LONG, 48, 64, speed=0.2)
    moving.save_clip(tmp_path / "clip.mkv", frames, codec="ffv1", pixels="bgr0")
    moving.save_folder(tmp_path / "first", alphas[:1])
    (tmp_path / "first/00000.png").replace(tmp_path / "mask.png")
    whole, killed = tmp_path / f"whole-{name}", tmp_path / f"killed-{name}"
    assert start(tmp_path, whole).wait() == 0

    work = tmp_path / f".{killed.name}.unfinished"
    for kill in range(kills):
        process = start(tmp_path, killed, *(["--resume"] if kill else []))
        target = (kill + 1) * 100 // kills  # masks by then: in a later segment each time
        deadline = time.monotonic() + 120
        while not (work / f"masks/{target:05d}.png").is_file() and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(random.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert work.is_dir()
    assert start(tmp_path, killed).wait() == 1  # neither --resume nor --overwrite
    assert start(tmp_path, killed, "--band", "5", "--resume").wait() == 1
    assert start(tmp_path, killed, "--resume").wait() == 0

    if name == "out":
        files = [sorted(path.relative_to(whole) for path in whole.rglob("*.png"))]
        files += [sorted(path.relative_to(killed) for path in killed.rglob("*.png"))]
        assert files[0] == files[1]
        assert len(files[0]) == 2 * LONG
        assert all((whole / file).read_bytes() == (killed / file).read_bytes() for file in files[0])
    folders = [whole / "rgba", killed / "rgba"] if name == "out" else [whole, killed]
    one, other = (list(open_frames(path)) for path in folders)
    assert len(one) == len(other) == LONG
    for first, second in zip(one, other, strict=True):
        assert first.time == second.time
        assert np.array_equal(first.colour, second.colour)
        assert first.alpha is not None
        assert second.alpha is not None
        assert np.array_equal(first.alpha, second.alpha)
    assert not work.exists()


def test_what_is_read_is_not_written_over(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    talk = tmp_path / "talk.mp4"
    talk.write_bytes((clip / "clip.mp4").read_bytes())
    (tmp_path / "same.mp4").hardlink_to(talk)
    frames, _ = moving.scene(3)
    used = moving.save_folder(tmp_path / "out" / "rgba", frames)
    masks = moving.save_folder(tmp_path / "out" / "alpha", moving.scene(3)[1])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    given = ["--masks", str(clip / "masks"), *FAST, "--overwrite"]
    for arguments, named in (
        ([str(talk), "--output", str(talk), *given], talk),
        ([str(talk), "--output", str(tmp_path / "same.mp4"), *given], talk),
        ([str(used), "--output", str(tmp_path / "out"), *given], used),
        ([str(talk), "--output", str(tmp_path / "out"), "--masks", str(masks), *given[2:]], masks),
        (
            [str(clip / "clip.mp4"), "--output", str(talk), "--background", str(talk), *given],
            talk,
        ),
    ):
        assert main(["video", *arguments]) == 1, arguments
        problem = capsys.readouterr().err.splitlines()[-1]
        assert str(named) in problem and "would be overwritten; try: another --output" in problem
    after = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    assert after == before


def test_a_run_that_fails_leaves_the_clip_that_it_was_to_replace(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    output = tmp_path / "out.mp4"
    assert run(clip, output) == 0
    before = output.read_bytes()
    moving.save_folder(tmp_path / "few", moving.scene(12)[1][:5])
    moving.save_folder(tmp_path / "none", [np.zeros((72, 96), np.uint8)] * 12)
    for masks in ("few", "none"):
        more = ["--masks", str(tmp_path / masks), "--overwrite"]
        assert run(clip, output, *more) == 1
        assert output.read_bytes() == before
    assert run(clip, output, "--overwrite", "--background", "no-such-colour") == 1
    assert output.read_bytes() == before
    folder = tmp_path / "out"
    assert run(clip, folder) == 0
    frames = sorted(path.name for path in (folder / "alpha").iterdir())
    assert run(clip, folder, "--overwrite", "--background", "no-such-colour") == 1
    assert sorted(path.name for path in (folder / "alpha").iterdir()) == frames


def test_results_below_the_frames_are_no_frames(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    frames = moving.save_folder(tmp_path / "frames", moving.scene(4)[0])
    masks = moving.save_folder(frames / "masks", moving.scene(4)[1])
    for more in ([], ["--overwrite"]):
        options = ["--masks", str(masks), "--output", str(frames / "out"), *FAST, "--json", *more]
        assert main(["video", str(frames), *options]) == 0
        assert json.loads(capsys.readouterr().out)["frames"] == 4


@pytest.mark.parametrize(
    "wrong",
    ["--start=nan", "--start=-1", "--start=inf", "--end=nan", "--end=1e400", "--band=nan",
     "--band=-3", "--band=1e9"],
)  # fmt: skip
def test_numbers_out_of_range_are_one_line_and_nothing_is_removed(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture, wrong: str
) -> None:
    before = moving.save_folder(tmp_path / "out" / "alpha", moving.scene(2)[1])
    capsys.readouterr()
    assert run(clip, tmp_path / "out", "--overwrite", wrong) == 1
    said = capsys.readouterr().err
    assert said.splitlines()[-1].startswith("error: the ") and "; try: " in said
    assert len(list(before.iterdir())) == 2


def test_json_is_printed_of_a_finished_output_too(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    bodies = []
    for more in ([], ["--resume"]):
        assert run(clip, tmp_path / "out.mp4", "--json", *more) == 0
        bodies.append(json.loads(capsys.readouterr().out))
    assert bodies[1] == {**bodies[0], "frames": None, "earlier": None}
