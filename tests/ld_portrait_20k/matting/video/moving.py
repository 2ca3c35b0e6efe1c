"""A small moving scene with known alpha, and clips of it."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.matting.video.frames import ClipInfo, Frame
from ld_portrait_20k.matting.video.writing import png

Pixels = NDArray[np.uint8]
RATE = Fraction(25)


def scene(
    count: int = 8, height: int = 72, width: int = 96, *, people: int = 1, speed: float = 2.0
) -> tuple[list[Pixels], list[Pixels]]:
    """Frames (H, W, 3) and true alpha (H, W) of one or two discs that move to the right."""
    rng = np.random.default_rng(5)
    noise = rng.integers(0, 90, (height // 6, width // 6)).astype(np.uint8)
    grey = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    behind = np.dstack([grey, np.clip(grey.astype(int) + 40, 0, 255), grey])
    frames, alphas = [], []
    y, x = np.mgrid[:height, :width].astype(np.float32)
    for index in range(count):
        alpha = np.zeros((height, width), np.float32)
        for who in range(people):
            centre = (width * (0.3 + 0.45 * who) + speed * index, height * 0.55)
            radius = height * (0.28 - 0.06 * who)
            distance = np.hypot(x - centre[0], y - centre[1])
            alpha = np.maximum(alpha, np.clip((radius - distance) / 3 + 0.5, 0, 1))
        colour = np.array([225, 170, 140], np.float32) + 20 * np.sin(y / 5)[..., None]
        mixed = alpha[..., None] * colour + (1 - alpha[..., None]) * behind
        frames.append(np.rint(np.clip(mixed, 0, 255)).astype(np.uint8))
        alphas.append(np.rint(alpha * 255).astype(np.uint8))
    return frames, alphas


class Pipe(io.RawIOBase):
    """Bytes that come in pieces and cannot be sought."""

    def __init__(self, content: bytes) -> None:
        self._bytes = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._bytes.read(min(size, 1000) if size > 0 else size)


def as_frames(pictures: list[Pixels]) -> list[Frame]:
    return [Frame(i, i / RATE, 1 / RATE, picture) for i, picture in enumerate(pictures)]


def info(picture: Pixels, time_base: Fraction = Fraction(1, 12800)) -> ClipInfo:
    return ClipInfo("scene", picture.shape[1], picture.shape[0], RATE, time_base)


def save_folder(folder: Path, pictures: list[Pixels]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for index, picture in enumerate(pictures):
        (folder / f"{index:05d}.png").write_bytes(png(picture))
    return folder


def save_clip(
    path: Path,
    pictures: list[Pixels],
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    times: list[int] | None = None,
    rotation: int = 0,
    sound: str = "",
    tag: int | None = None,
    transfer: int = 1,
    aspect: Fraction | None = None,
) -> Path:
    """A clip by PyAV; ``times`` in thousandths of a second, ``sound`` the codec of a tone."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25, options={"crf": "4"})
        stream.width, stream.height, stream.pix_fmt = *pictures[0].shape[1::-1], pixels
        stream.codec_context.time_base = Fraction(1, 1000)
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if tag is not None:
            context = stream.codec_context
            context.colorspace = context.color_primaries = tag
            context.color_trc, context.color_range = transfer, 1
        if rotation:
            stream.set_display_rotation(rotation)
        voice: Any = container.add_stream(sound, rate=44100, layout="mono") if sound else None
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(picture), format="rgba" if picture.shape[2] == 4 else "rgb24"
            )
            # Untagged pictures of this size are taken for BT.601.
            frame = frame.reformat(format=pixels, dst_colorspace=tag or 5, dst_color_range=1)
            frame.pts = times[index] if times else index * 40
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if voice is not None:
            for packet in _tone(voice, len(pictures) / 25):
                container.mux(packet)
    return path


def _tone(stream: Any, seconds: float) -> list[Any]:
    samples = np.sin(np.arange(int(44100 * seconds)) * (2 * np.pi * 440 / 44100))
    frame = av.AudioFrame.from_ndarray(
        samples.astype(np.float32)[None], format="fltp", layout="mono"
    )
    frame.sample_rate, frame.pts, frame.time_base = 44100, 0, Fraction(1, 44100)
    resampler = av.AudioResampler(
        format=stream.codec_context.format.name, layout="mono", rate=44100,
        frame_size=stream.codec_context.frame_size or None,
    )  # fmt: skip
    packets = []
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        packets += stream.encode(piece)
    return packets + stream.encode(None)
