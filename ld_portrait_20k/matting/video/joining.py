"""Segments of one clip into the clip, without encoding again, with the sound of the source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from ld_portrait_20k.matting.video.frames import ClipInfo
from ld_portrait_20k.matting.video.reading import import_av

_COPIED: Final = {
    ".mp4": {"aac", "mp3", "ac3", "eac3", "alac", "opus"},
    ".mov": {"aac", "mp3", "ac3", "alac", "pcm_s16le", "pcm_s24le"},
    ".webm": {"opus", "vorbis"},
    ".mkv": {"aac", "mp3", "ac3", "eac3", "flac", "opus", "vorbis", "pcm_s16le", "pcm_s24le"},
}
"""Sound that each container takes as it is; other sound is encoded again."""
_ENCODER: Final = {".mp4": "aac", ".mov": "aac", ".webm": "libopus", ".mkv": "flac"}


def join(
    segments: Sequence[tuple[Path, Fraction]],
    output: Path,
    info: ClipInfo,
    *,
    sound: Path | None = None,
    length: Fraction | None = None,
) -> None:
    """Write a clip from its segments.

    Args:
        segments: Each with the time of its first frame, in seconds.
        output: The file; it must not exist under this name for a reader yet.
        info: Of the source clip; its ``start`` is where sound begins.
        sound: File whose first sound track is kept; None for none.
        length: Seconds of sound; to its end by default.
    """
    av = import_av()
    options = {"movflags": "+faststart"} if output.suffix.lower() in (".mp4", ".mov") else {}
    with av.open(str(output), "w", options=options) as target:
        with av.open(str(segments[0][0])) as first:
            video = target.add_stream_from_template(first.streams.video[0])
            video.time_base = info.time_base
            if info.aspect != 1:
                video.sample_aspect_ratio = info.aspect
            if "alpha_mode" in first.streams.video[0].metadata:
                video.metadata["alpha_mode"] = "1"
        source = av.open(str(sound)) if sound else None
        tracks = _sound(av, source, target, output.suffix.lower(), info.start, length)
        packets = _video(av, segments, video)
        for packet in _by_time(packets, tracks):
            target.mux(packet)
        if source:
            source.close()


def _video(av: Any, segments: Sequence[tuple[Path, Fraction]], stream: Any) -> Iterator[Any]:
    for path, start in segments:
        with av.open(str(path)) as segment:
            for packet in segment.demux(video=0):
                if packet.pts is None:
                    continue
                shift = round(start / packet.time_base)
                packet.pts += shift
                packet.dts = packet.pts  # without B-frames they are the same
                packet.stream = stream
                yield packet


def _sound(
    av: Any, source: Any, target: Any, suffix: str, start: Fraction, length: Fraction | None
) -> Iterator[Any]:
    """Packets of the source's first sound track, moved to begin with the first frame."""
    if source is None or not source.streams.audio:
        return iter(())
    track = source.streams.audio[0]
    # Frames count from the first picture: sound that begins before it is cut, not moved.
    video = source.streams.video[0]
    origin = (video.start_time or 0) * video.time_base
    if track.codec_context.name in _COPIED[suffix]:
        return _copied(
            source, track, target.add_stream_from_template(track), origin + start, length
        )
    encoder = target.add_stream(_ENCODER[suffix], rate=_rate(suffix, track))
    encoder.codec_context.layout = track.codec_context.layout.name
    return _encoded(av, source, track, encoder, origin + start, length)


def _until_broken(items: Iterator[Any]) -> Iterator[Any]:
    """Packets or frames as far as the file can be read."""
    try:
        yield from items
    except import_av().FFmpegError:
        return


def _rate(suffix: str, track: Any) -> int:
    return 48000 if suffix == ".webm" else int(track.codec_context.sample_rate)


def _copied(
    source: Any, track: Any, stream: Any, start: Fraction, length: Fraction | None
) -> Iterator[Any]:
    for packet in _until_broken(source.demux(track)):
        if packet.pts is None:
            continue
        time = packet.pts * packet.time_base - start
        if time < 0 or (length is not None and time >= length):
            continue
        moved = round(start / packet.time_base)
        packet.pts -= moved
        packet.dts = packet.pts
        packet.stream = stream
        yield packet


def _encoded(
    av: Any, source: Any, track: Any, encoder: Any, start: Fraction, length: Fraction | None
) -> Iterator[Any]:
    context = encoder.codec_context
    resampler = av.AudioResampler(
        format=context.codec.audio_formats[0].name, layout=context.layout.name,
        rate=context.sample_rate, frame_size=context.frame_size or None,
    )  # fmt: skip
    for frame in _until_broken(source.decode(track)):
        time = frame.pts * frame.time_base - start
        if time < 0 or (length is not None and time >= length):
            continue
        frame.pts -= round(start / frame.time_base)
        for piece in resampler.resample(frame):
            yield from encoder.encode(piece)
    for piece in resampler.resample(None):
        yield from encoder.encode(piece)
    yield from encoder.encode(None)


def _by_time(first: Iterator[Any], second: Iterator[Any]) -> Iterator[Any]:
    """Two streams of packets as one, so that a player finds picture and sound together."""
    one, other = next(first, None), next(second, None)
    while one is not None or other is not None:
        take_one = other is None or (
            one is not None and one.pts * one.time_base <= other.pts * other.time_base
        )
        if take_one:
            yield one
            one = next(first, None)
        else:
            yield other
            other = next(second, None)
