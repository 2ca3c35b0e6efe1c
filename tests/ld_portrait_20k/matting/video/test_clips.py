"""Clips as cameras, editors and phones write them: odd pixels, alpha, long names."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.cli import main
from ld_portrait_20k.matting.video import matte_video
from ld_portrait_20k.matting.video.frames import Frame
from ld_portrait_20k.matting.video.reading import open_frames

from . import moving

FAST = ["--model", "guided-filter", "--no-steady"]


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    _, alphas = moving.scene(3)
    return moving.save_folder(tmp_path / "masks", alphas)


def aspect_of(path: Path) -> Fraction:
    with av.open(str(path)) as container:
        return Fraction(container.streams.video[0].sample_aspect_ratio or 1)


@pytest.mark.parametrize("turn", [0, 90])
@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.webm", "out.mkv", "out"])
def test_pixels_that_are_not_square_stay_so_or_it_is_said(
    masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, turn: int
) -> None:
    """Results of PAL and anamorphic clips were shown too narrow."""
    pictures, _ = moving.scene(3)
    stored = [np.rot90(picture, -turn // 90) for picture in pictures]
    clip = moving.save_clip(tmp_path / "dv.mp4", stored, rotation=turn, aspect=Fraction(16, 15))
    upright = Fraction(15, 16) if turn else Fraction(16, 15)
    assert open_frames(clip).info.aspect == upright
    output = tmp_path / name
    assert main(["video", str(clip), "--masks", str(masks), "--output", str(output), *FAST]) == 0
    said = "wide, which the output does not say; try: a .mov" in capsys.readouterr().err
    kept = name in ("out.mp4", "out.mov")
    assert said is not kept
    assert not kept or aspect_of(output) == upright


def test_square_pixels_are_not_spoken_of(
    masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = moving.save_clip(tmp_path / "clip.mp4", moving.scene(3)[0])
    output = tmp_path / "out"
    assert main(["video", str(clip), "--masks", str(masks), "--output", str(output), *FAST]) == 0
    assert "wide" not in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["clip", "folder"])
def test_alpha_that_is_left_out_is_spoken_of_and_can_be_the_masks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    pictures, alphas = moving.scene(3)
    both = [np.dstack([*np.moveaxis(p, 2, 0), a]) for p, a in zip(pictures, alphas, strict=True)]
    if kind == "clip":
        source = moving.save_clip(tmp_path / "it's.mov", both, codec="qtrle", pixels="argb")
    else:
        source = moving.save_folder(tmp_path / "it's", both)
    box = ["--first-box", "5,16,46,48"]
    assert main(["video", str(source), "--output", str(tmp_path / "a"), *FAST, *box]) == 0
    assert f"; try: --masks {shlex.quote(str(source))} to go by" in capsys.readouterr().err
    masked = ["--masks", str(source), "--output", str(tmp_path / "b")]
    assert main(["video", str(source), *masked, *FAST]) == 0
    assert "its own alpha" not in capsys.readouterr().err
    for found, true in zip(open_frames(tmp_path / "b/alpha"), alphas, strict=True):
        assert np.abs(found.colour[..., 0].astype(int) - true).mean() < 12


def test_a_box_that_is_the_whole_frame_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """OpenCV's assertion came as a traceback."""
    clip = moving.save_clip(tmp_path / "clip.mp4", moving.scene(2)[0])
    output = tmp_path / "out"
    box = ["--first-box", "0,0,96,72"]
    assert main(["video", str(clip), "--output", str(output), *FAST, *box]) == 1
    told = capsys.readouterr().err.splitlines()[-1]
    assert "the box 0,0,96,72 is the whole frame; try: one close about the person" in told
    assert not output.exists()


def test_names_as_long_as_the_file_system_allows(masks: Path, tmp_path: Path) -> None:
    clip = moving.save_clip(tmp_path / f"{'ö' * 125}.mp4", moving.scene(3)[0])
    for number, name in enumerate((f"{'ä' * 125}.webm", "ü" * 127)):
        output = tmp_path / str(number) / name
        command = ["video", str(clip), "--masks", str(masks), "--output", str(output), *FAST]
        assert main(command) == 0
        assert [path.name for path in output.parent.iterdir()] == [name]
        assert main([*command, "--overwrite"]) == 0


@pytest.mark.parametrize("command", [["key"], ["predict", "--model", "guided-filter"]])
def test_commands_of_pictures_say_what_takes_a_clip(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = moving.save_clip(tmp_path / "clip.mp4", moving.scene(2)[0])
    code = main([*command, str(clip), "--output", str(tmp_path / "out")])
    assert code == 1
    assert "clip.mp4: a clip, not a picture; try: a folder of its frames" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm", ".mkv"])
@pytest.mark.parametrize("late", [0, 500])
def test_sound_that_begins_before_the_picture_stays_in_step(
    tmp_path: Path, suffix: str, late: int
) -> None:
    """Broadcasts and cut files begin so: the picture moved to 0, the sound did not."""
    pictures, alphas = moving.scene(25, 48, 64)
    times = [late + 40 * index for index in range(25)]
    clip = moving.save_clip(tmp_path / "clip.mkv", pictures, times=times, sound="aac")
    masks = moving.save_folder(tmp_path / "masks", alphas)
    output = tmp_path / f"out{suffix}"
    assert main(["video", str(clip), "--masks", str(masks), "--output", str(output), *FAST]) == 0
    with av.open(str(output)) as container:
        track = container.streams.audio[0]
        ends = [float(f.time or 0) + f.samples / f.sample_rate for f in container.decode(track)]
    # The tone ends a second after the file begins.
    assert ends[-1] == pytest.approx(1 - late / 1000, abs=0.06)


def test_a_run_that_is_stopped_says_how_it_goes_on(tmp_path: Path) -> None:
    """It said that the same command goes on, which then asked for --resume."""
    pictures, alphas = moving.scene(90, 48, 64, speed=0.2)
    clip = moving.save_clip(tmp_path / "clip.mkv", pictures, codec="ffv1", pixels="bgr0")
    moving.save_folder(tmp_path / "masks", alphas)
    output, store = tmp_path / "out.mkv", tmp_path / ".out.mkv.unfinished/masks"
    command = [sys.executable, "-m", "ld_portrait_20k.matting", "video", str(clip), "--masks",
               str(tmp_path / "masks"), "--output", str(output), *FAST]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not store.is_dir() or len(list(store.iterdir())) < 3:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    said = process.communicate()[1]
    assert process.returncode == 130
    assert said.splitlines()[-1] == (
        "stopped; what is done is kept: run the same command with --resume"
    )
    assert not output.exists()
    assert subprocess.run([*command, "--resume"], env=environment).returncode == 0
    assert len(list(open_frames(output))) == 90


class Given:
    """A segmenter of other people's: it always gives the same."""

    name = "mine"

    def __init__(self, mask: Any) -> None:
        self._mask = mask

    def __call__(self, frame: Frame, last: Any) -> Any:
        return self._mask


FRAMES, ALPHAS = moving.scene(3, 48, 64)


@pytest.mark.parametrize(
    ("frames", "told"),
    [
        ([frame / 255 for frame in FRAMES], r"frame 0: \(48, 64, 3\) float64, not"),
        ([frame.tolist() for frame in FRAMES], "frame 0: list, not"),
        ("clip.mp4", "frame 0: str, not"),
        ([frame[:0] for frame in FRAMES], r"frame 0: \(0, 64, 3\) uint8, not"),
        ([FRAMES[0], FRAMES[1][:, :40]], "frame 1: 40 x 48, unlike the first, 64 x 48"),
    ],
)
def test_frames_of_other_readers_are_checked(frames: Any, told: str) -> None:
    with pytest.raises(PortraitError, match=f"{told}.*; try: "):
        list(matte_video(frames, segmenter=Given(ALPHAS[0]), model="guided-filter"))


@pytest.mark.parametrize(
    ("mask", "told"),
    [
        (ALPHAS[0] > 127, r"\(48, 64\) bool"),
        (ALPHAS[0] / 255, r"\(48, 64\) float64"),
        (ALPHAS[0][:20], r"\(20, 64\) uint8"),  # that went through, and was wrong
        (ALPHAS[0][..., None], r"\(48, 64, 1\) uint8"),
        (None, "NoneType"),
    ],
)
def test_masks_of_other_segmenters_are_checked(mask: Any, told: str) -> None:
    with pytest.raises(PortraitError, match=rf"frame 0: the segmenter mine gives {told}; try: "):
        list(matte_video(FRAMES, segmenter=Given(mask), model="guided-filter"))
