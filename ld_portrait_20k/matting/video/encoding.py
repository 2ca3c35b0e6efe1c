"""How frames are encoded: codec, pixel format and colour tags by file suffix and content."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.video.frames import ClipInfo, Pixels
from ld_portrait_20k.matting.video.reading import import_av

ALPHA: Final = "alpha"
RGBA: Final = "rgba"
COMPOSITE: Final = "composite"

_RGB, _BT709, _SRGB = 0, 1, 13
_LIMITED, _FULL = 1, 2
"""Codes of ITU-T H.273 and of FFmpeg's ranges."""

_VP9: Final = {"crf": "18", "b:v": "0", "auto-alt-ref": "0", "row-mt": "1", "cpu-used": "5",
               "deadline": "realtime"}  # fmt: skip
"""A third of the time of FFmpeg's own ``good``, files a sixth larger, the same errors."""
_PRORES: Final = {"profile": "4444", "vendor": "apl0"}


@dataclass(frozen=True, slots=True)
class Encoding:
    """How one kind of clip is encoded.

    Attributes:
        codec: FFmpeg's encoder.
        pixels: Its pixel format.
        options: Of the encoder. No B-frames: segments are joined without encoding again.
        full_range: Whether 0..255 is kept instead of 16..235.
    """

    codec: str
    pixels: str
    options: dict[str, str] = field(default_factory=dict)
    full_range: bool = False


_H264: Final = {"crf": "16", "bf": "0", "preset": "medium"}

ENCODINGS: Final = {
    (".mp4", ALPHA): Encoding("libx264", "yuv420p", {**_H264, "crf": "8"}, full_range=True),
    (".mp4", COMPOSITE): Encoding("libx264", "yuv420p", _H264),
    (".mov", RGBA): Encoding("prores_ks", "yuva444p10le", {**_PRORES, "alpha_bits": "16"}),
    (".mov", COMPOSITE): Encoding("prores_ks", "yuv444p10le", _PRORES),
    (".webm", RGBA): Encoding("libvpx-vp9", "yuva420p", _VP9),
    (".webm", COMPOSITE): Encoding("libvpx-vp9", "yuv420p", _VP9),
    (".mkv", RGBA): Encoding("ffv1", "bgra"),
    (".mkv", COMPOSITE): Encoding("ffv1", "bgr0"),
}
"""By suffix and content."""

KEEPS_ASPECT: Final = frozenset({".mp4", ".mov"})
"""Clips that say how wide their pixels are; PyAV has no way to tell it to Matroska."""

OUTPUT_SUFFIXES: Final = tuple(dict.fromkeys(suffix for suffix, _ in ENCODINGS))


def content_of(output: Path, composite: bool) -> str:
    """What a clip of this name holds: mp4 has no alpha channel, so it holds the matte itself.

    Raises:
        PortraitError: A suffix of clips that are not written.
    """
    suffix = output.suffix.lower()
    if suffix not in OUTPUT_SUFFIXES:
        raise PortraitError(
            f"{output}: clips are written as {', '.join(OUTPUT_SUFFIXES)}; "
            "try: one of these, or a folder"
        )
    if composite:
        return COMPOSITE
    return ALPHA if suffix == ".mp4" else RGBA


class ClipEncoder:
    """Encodes frames into a file of video alone.

    Args:
        path: The file; its suffix chooses the container.
        content: :data:`ALPHA`, :data:`RGBA` or :data:`COMPOSITE`.
        info: Of the clip: size, rate, time base.
        start: Time of the first frame in seconds; it gets time stamp 0.
    """

    def __init__(self, path: Path, content: str, info: ClipInfo, start: Fraction) -> None:
        self._av = import_av()
        self._start = start
        self._encoding = encoding = ENCODINGS[path.suffix.lower(), content]
        self._pixels = encoding.pixels
        if self._pixels == "yuv420p" and (info.width % 2 or info.height % 2):
            # 4:2:0 needs even sides in H.264; with full colour any size can be kept.
            self._pixels = "yuv444p"
        self._container = self._av.open(str(path), "w")
        stream = self._container.add_stream(
            encoding.codec, rate=info.rate, options=dict(encoding.options)
        )
        stream.width, stream.height, stream.pix_fmt = info.width, info.height, self._pixels
        stream.time_base = info.time_base
        context = stream.codec_context
        context.time_base = info.time_base
        if info.aspect != 1:
            context.sample_aspect_ratio = info.aspect
        context.color_primaries = _BT709
        if self._pixels.startswith("bgr"):
            context.colorspace, context.color_trc, context.color_range = _RGB, _SRGB, _FULL
        else:
            context.colorspace = context.color_trc = _BT709
            context.color_range = _FULL if encoding.full_range else _LIMITED
        self._durations: dict[int, int] = {}
        self._stream, self._context, self._time_base = stream, context, info.time_base

    def write(self, pixels: Pixels, time: Fraction, duration: Fraction) -> None:
        """Encode a frame.

        Args:
            pixels: (H, W) uint8 alpha, (H, W, 4) RGBA or (H, W, 3) RGB.
            time: Seconds since the clip's first frame.
            duration: Seconds.
        """
        frame = self._frame(pixels)
        frame.time_base = self._time_base
        frame.pts = round((time - self._start) / self._time_base)
        self._durations[frame.pts] = max(1, round(duration / self._time_base))
        self._mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write what is still in the encoder, and the file's index."""
        self._mux(self._stream.encode(None))
        self._container.close()

    def abandon(self) -> None:
        """Close the file as it is; it may be unusable."""
        self._container.close()

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            # The encoder knows the average rate alone; the last frame's end needs its own.
            packet.duration = self._durations.pop(packet.pts, packet.duration)
            self._container.mux(packet)

    def _frame(self, pixels: Pixels) -> Any:
        av = self._av
        if pixels.ndim == 2:
            return _grey(av, pixels, self._pixels)
        kind = "rgba" if pixels.shape[2] == 4 else "rgb24"
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=kind)
        if self._pixels.startswith("bgr"):
            return frame.reformat(format=self._pixels)
        return frame.reformat(
            format=self._pixels, dst_colorspace=_BT709, dst_color_range=_LIMITED,
            dst_color_trc=_BT709, dst_color_primaries=_BT709,
        )  # fmt: skip


def _grey(av: Any, alpha: NDArray[np.uint8], pixels: str) -> Any:
    """A matte as luma, all 256 values of it, with neutral chroma."""
    frame = av.VideoFrame(alpha.shape[1], alpha.shape[0], pixels)
    for plane, values in zip(frame.planes, (alpha, None, None), strict=True):
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        rows[:] = 128
        if values is not None:
            rows[: alpha.shape[0], : alpha.shape[1]] = values
    frame.color_range = _FULL
    frame.colorspace = _BT709
    return frame
