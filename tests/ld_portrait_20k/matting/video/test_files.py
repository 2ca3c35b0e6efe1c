"""Frames out of files and into files."""

from __future__ import annotations

import ast
import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting import video
from ld_portrait_20k.matting.video.encoding import ALPHA, COMPOSITE, ENCODINGS, RGBA
from ld_portrait_20k.matting.video.frames import ClipInfo, Frame
from ld_portrait_20k.matting.video.reading import BrokenClipError, RawFrames, open_frames
from ld_portrait_20k.matting.video.writing import SEGMENT, ClipSink, FolderSink

from . import moving

VARIED = [0, 40, 50, 150, 160, 300, 310, 350]


def differences(frames: list[Frame], pictures: list[moving.Pixels]) -> float:
    pairs = zip(frames, pictures, strict=True)
    return max(float(np.abs(f.colour.astype(int) - p).mean()) for f, p in pairs)


def test_a_clip_keeps_colours_times_and_count(tmp_path: Path) -> None:
    pictures, _ = moving.scene()
    path = moving.save_clip(tmp_path / "clip.mkv", pictures, times=VARIED)
    source = open_frames(path)
    frames = list(source)
    assert differences(frames, pictures) < 3
    assert [round(float(frame.time) * 1000) for frame in frames] == VARIED
    assert [round(float(frame.duration) * 1000) for frame in frames[:3]] == [40, 10, 100]
    assert [len(list(source)), source.info.audio] == [8, False]  # a file can be read again


@pytest.mark.parametrize(("pixels", "tag"), [("yuv420p10le", 9), ("yuv444p", 1), ("yuv420p", 5)])
def test_depth_and_colour_space_are_read(tmp_path: Path, pixels: str, tag: int) -> None:
    pictures, _ = moving.scene(3)
    path = moving.save_clip(tmp_path / "clip.mp4", pictures, pixels=pixels, tag=tag)
    assert differences(list(open_frames(path)), pictures) < 3


def test_hdr_is_mapped_to_srgb(tmp_path: Path) -> None:
    """PQ code 0.5807 is paper white, 203 cd/m2: bright, not clipped; its half is dark."""
    white = np.full((32, 32, 3), round(0.5807 * 255), np.uint8)
    path = moving.save_clip(
        tmp_path / "hdr.mp4", [white, white // 2], pixels="yuv420p10le", tag=9, transfer=16
    )
    bright, dark = (float(frame.colour.mean()) for frame in open_frames(path))
    assert 235 <= bright <= 250
    assert 30 <= dark <= 90


@pytest.mark.parametrize("turn", [90, 180, -90])
def test_frames_come_upright(tmp_path: Path, turn: int) -> None:
    pictures, _ = moving.scene(2)
    stored = [np.rot90(picture, -turn // 90) for picture in pictures]
    path = moving.save_clip(tmp_path / "clip.mp4", stored, rotation=turn)
    source = open_frames(path)
    assert (source.info.width, source.info.height) == (96, 72)
    assert differences(list(source), pictures) < 3


def test_in_and_out_points(tmp_path: Path) -> None:
    pictures, _ = moving.scene(20)
    clip = moving.save_clip(tmp_path / "clip.mp4", pictures)
    folder = moving.save_folder(tmp_path / "frames", pictures)
    for source in (clip, folder):
        opened = open_frames(source, start=0.2, end=0.48)
        frames = list(opened)
        assert [frame.index for frame in frames] == list(range(7))
        assert differences(frames, pictures[5:12]) < 3
        assert frames[0].time == 0
        assert opened.info.start == Fraction(1, 5)
        assert opened.info.frames == 7


def test_frames_of_a_folder_come_as_they_are_counted(tmp_path: Path) -> None:
    pictures, _ = moving.scene(12)
    for index, picture in enumerate(pictures):
        (tmp_path / f"take 2 f{index}.png").write_bytes(moving.png(picture))
    assert differences(list(open_frames(tmp_path)), pictures) == 0


def test_raw_frames_on_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, _ = moving.scene(5)
    content = b"".join(picture.tobytes() for picture in pictures)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=moving.Pipe(content)))
    source = open_frames("-", raw=RawFrames(96, 72), rate=Fraction(50))
    frames = list(source)
    assert differences(frames, pictures) == 0
    assert [frame.time for frame in frames] == [Fraction(index, 50) for index in range(5)]
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=moving.Pipe(content)))
    with pytest.raises(PortraitError, match=r"not a clip that can be read.*; try: "):
        open_frames("-", raw=RawFrames(96, 72, "no-such-format"))
    with pytest.raises(PortraitError, match="come on standard input; try: -"):
        open_frames(tmp_path / "clip.raw", raw=RawFrames(96, 72))


def test_standard_input_in_y4m(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, _ = moving.scene(5)
    content = moving.save_clip(
        tmp_path / "clip.y4m", pictures, codec="rawvideo", pixels="yuv444p"
    ).read_bytes()  # fmt: skip

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=moving.Pipe(content)))
    source = open_frames("-")
    assert differences(list(source), pictures) < 3
    with pytest.raises(PortraitError, match="only once"):
        list(source)


def test_alpha_of_a_clip_is_read(tmp_path: Path) -> None:
    pictures, alphas = moving.scene(3)
    both = [np.dstack(pair) for pair in zip(pictures, alphas, strict=True)]
    path = moving.save_clip(tmp_path / "clip.mkv", both, codec="ffv1", pixels="bgra")
    for frame, alpha in zip(open_frames(path), alphas, strict=True):
        assert frame.alpha is not None
        assert np.array_equal(frame.alpha, alpha)


@pytest.mark.parametrize("content", [b"", b"no clip at all" * 99])
def test_what_is_no_clip_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(PortraitError, match=r"clip\.mp4: not a clip.*; try: "):
        open_frames(path)


def test_a_clip_whose_frames_are_all_missing_is_no_clip(tmp_path: Path) -> None:
    """Its header is whole, so FFmpeg opens it and finds no frame."""
    whole = faststart(tmp_path / "clip.mp4", moving.scene(4)[0])
    (tmp_path / "clip.mp4").write_bytes(whole[: whole.index(b"mdat") + 8])
    with pytest.raises(
        PortraitError, match=r"clip\.mp4: not a clip .* or broken .*; try: "
    ) as caught:
        open_frames(tmp_path / "clip.mp4")
    assert not isinstance(caught.value, BrokenClipError)


def test_every_message_of_the_package_says_what_to_try() -> None:
    folder = Path(str(video.__file__)).parent
    silent = []
    for path in sorted(folder.rglob("*.py")):
        raised = (
            node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Raise)
        )
        for node in raised:
            text = ast.unparse(node)
            if "PortraitError(" in text and "try: " not in text and "_no_frames()" not in text:
                silent.append(f"{path.relative_to(folder)}:{node.lineno}")
    assert silent == []


def test_broken_clips_and_empty_ones_are_named(tmp_path: Path) -> None:
    pictures, _ = moving.scene(4)
    whole = moving.save_clip(tmp_path / "clip.mp4", pictures).read_bytes()
    (tmp_path / "half.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PortraitError, match=r"half\.mp4: not a clip"):
        open_frames(tmp_path / "half.mp4")
    with pytest.raises(PortraitError, match=r"clip\.mp4: no frames between.*; try: "):
        open_frames(tmp_path / "clip.mp4", start=99)
    with pytest.raises(PortraitError, match="no such clip"):
        open_frames(tmp_path / "none.mp4")
    with pytest.raises(PortraitError, match="is not after"):
        open_frames(tmp_path / "clip.mp4", start=2, end=1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(PortraitError, match="empty: no frames"):
        open_frames(tmp_path / "empty")
    moving.save_clip(tmp_path / "sound.mp4", pictures, sound="aac")
    with (
        av.open(str(tmp_path / "sound.mp4")) as both,
        av.open(str(tmp_path / "only.m4a"), "w", format="mp4") as only,
    ):
        track = only.add_stream_from_template(both.streams.audio[0])
        for packet in both.demux(audio=0):
            if packet.pts is not None:
                packet.stream = track
                only.mux(packet)
    with pytest.raises(PortraitError, match="no video"):
        open_frames(tmp_path / "only.m4a")


def faststart(path: Path, pictures: list[moving.Pixels]) -> bytes:
    """An mp4 with its index in front, as from the web."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 96, 72, "yuv420p"
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


def test_a_clip_that_is_cut_gives_its_frames_and_then_says_so(tmp_path: Path) -> None:
    """With its index in front FFmpeg just stops where it ends."""
    path = tmp_path / "cut.mp4"
    pictures = moving.scene(40)[0]
    whole = faststart(path, pictures)
    assert len(list(open_frames(path))) == 40
    path.write_bytes(whole[: len(whole) * 6 // 10])
    frames = []
    with pytest.raises(BrokenClipError, match=r"cut\.mp4: broken at .* after \d+ frames") as caught:
        for one in open_frames(path):
            frames.append(one)
    assert 5 < len(frames) < 27
    assert f"at {len(frames) / 25:.2f} s, after {len(frames)} frames" in str(caught.value)
    assert differences(frames[:3], pictures[:3]) < 6
    assert len(list(open_frames(path, end=0.2))) == 5


def test_frames_of_another_size_are_named(tmp_path: Path) -> None:
    folder = moving.save_folder(tmp_path / "frames", moving.scene(2)[0])
    moving.save_folder(tmp_path / "other", moving.scene(1, 60, 80)[0])
    (tmp_path / "other/00000.png").replace(folder / "00002.png")
    with pytest.raises(PortraitError, match=r"00002\.png: 80 x 60, unlike"):
        list(open_frames(folder))


@pytest.mark.parametrize("size", [(72, 96), (71, 95)])
@pytest.mark.parametrize(("suffix", "content"), list(ENCODINGS))
def test_written_clips_read_the_same(
    tmp_path: Path, suffix: str, content: str, size: tuple[int, int]
) -> None:
    """Over three segments: every frame, its time, its alpha, the tags."""
    pictures, alphas = moving.scene(2, *size)
    rgba = np.dstack([pictures[0], alphas[0]])
    about = ClipInfo("scene", size[1], size[0], moving.RATE, Fraction(1, 24000))
    output = tmp_path / f"out{suffix}"
    sink = ClipSink(output, content, about, tmp_path / "work")
    times, time = [], Fraction(0)
    for index in range(2 * SEGMENT + 3):
        duration = Fraction([1000, 1001, 3000][index % 3], 24000)
        made = {ALPHA: alphas[0], RGBA: rgba, COMPOSITE: pictures[0]}
        sink.write(Frame(index, time, duration, pictures[0]), made)
        times.append(time)
        time += duration
    sink.finish(None)
    frames = list(open_frames(output))
    # WebM and Matroska count in milliseconds.
    assert max(abs(f.time - t) for f, t in zip(frames, times, strict=True)) <= Fraction(1, 1999)
    with av.open(str(output)) as container:
        assert container.duration is not None
        assert abs(container.duration / 1e6 - float(time)) <= 0.002
    wanted = np.dstack([alphas[0]] * 3) if content == ALPHA else pictures[0]
    assert differences(frames[::20], [wanted] * len(frames[::20])) < (1 if content == ALPHA else 4)
    if content == RGBA:
        alpha = frames[-1].alpha
        assert alpha is not None
        assert np.abs(alpha.astype(int) - alphas[0]).mean() < 1
    with av.open(str(output)) as container:
        context = container.streams.video[0].codec_context
        tags = (int(context.colorspace), int(context.color_trc), int(context.color_range))
    assert tags == ((0, 13, 2) if suffix == ".mkv" else (1, 1, 2 if content == ALPHA else 1))


def test_a_folder_counts_whole_frames(tmp_path: Path) -> None:
    pictures, alphas = moving.scene(3)
    sink = FolderSink(tmp_path, (ALPHA, RGBA))
    for frame, alpha in zip(moving.as_frames(pictures), alphas, strict=True):
        sink.write(frame, {ALPHA: alpha, RGBA: np.dstack([frame.colour, alpha])})
    (tmp_path / "alpha/00001.png").unlink()
    assert FolderSink(tmp_path, (ALPHA, RGBA)).done == 1
