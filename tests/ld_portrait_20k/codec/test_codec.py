from __future__ import annotations

import io
import struct
import time
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image

from ld_portrait_20k import codec
from tests.ld_portrait_20k.samples import picture

SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 40))


@settings(max_examples=60, deadline=None)
@given(SHAPES.flatmap(lambda s: hnp.arrays(np.uint8, (*s, 3))))
def test_png_foreground_round_trip_is_exact(rgb: NDArray[np.uint8]) -> None:
    data = codec.encode_foreground(rgb)
    assert data == codec.encode_foreground(np.asfortranarray(rgb))
    assert (codec.decode_foreground(data) == rgb).all()
    assert (np.asarray(Image.open(io.BytesIO(data))) == rgb).all()


@settings(max_examples=60, deadline=None)
@given(SHAPES.flatmap(lambda s: hnp.arrays(np.uint8, s)))
def test_alpha_round_trip_is_exact(alpha: NDArray[np.uint8]) -> None:
    data = codec.encode_alpha(alpha)
    assert (codec.decode_alpha(data) == alpha).all()
    assert Image.open(io.BytesIO(data)).mode == "L"


def test_jpeg_is_unsubsampled_and_close() -> None:
    rgb = picture(3, 160, 120)[0]
    data = codec.encode_foreground(rgb, "jpeg")
    decoded = codec.decode_foreground(data)
    assert decoded.shape == rgb.shape
    assert np.abs(decoded.astype(int) - rgb).mean() < 1.5
    # Sampling factors of the three components in the frame header: all 1x1.
    frame = data.index(b"\xff\xc0")
    assert [data[frame + 11 + 3 * i] for i in range(3)] == [0x11] * 3
    assert (decoded == np.asarray(Image.open(io.BytesIO(data)))).all()


@pytest.mark.parametrize("name", ["_decode_cv2", "_decode_pillow"])
def test_every_decoder_gives_the_same_pixels(name: str) -> None:
    rgb, alpha = picture(5, 90, 70)
    decode = getattr(codec.decode, name)
    for data, expected in (
        (codec.encode_foreground(rgb), rgb),
        (codec.encode_alpha(alpha), alpha),
    ):
        assert (decode(data, codec.read_header(data)) == expected).all()


def test_encoding_refuses_what_cannot_be_stored() -> None:
    wrong: tuple[Any, ...] = (
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4), np.uint8),
    )
    for bad in wrong:
        with pytest.raises(ValueError):
            codec.encode_foreground(bad)
    with pytest.raises(ValueError):
        codec.encode_alpha(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match="webp"):
        codec.encode_foreground(np.zeros((4, 4, 3), np.uint8), "webp")


def bomb(width: int, height: int, colour: int = 0) -> bytes:
    """A PNG of the declared size whose data would be all zeros."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(bytes(10_000_000)))
        + chunk(b"IEND", b"")
    )


def test_decompression_bomb_is_refused_undecoded() -> None:
    data = bomb(60_000, 60_000)
    with pytest.raises(codec.ImageError, match="60000x60000"):
        codec.decode_alpha(data)
    with pytest.raises(codec.ImageError, match="over the limit"):
        codec.decode_alpha(codec.encode_alpha(np.zeros((64, 64), np.uint8)), max_pixels=4095)


def test_8k_by_8k_passes() -> None:
    alpha = np.zeros((8192, 8192), np.uint8)
    assert codec.decode_alpha(codec.encode_alpha(alpha)).shape == alpha.shape


@pytest.mark.parametrize("mode", ["P", "RGBA", "I;16", "1"])
def test_other_png_kinds_are_refused(mode: str) -> None:
    out = io.BytesIO()
    Image.new(mode, (8, 8)).save(out, "PNG")
    for decode in (codec.decode_alpha, codec.decode_foreground):
        with pytest.raises(codec.ImageError):
            decode(out.getvalue())


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "BMP", "WEBP"])
def test_other_formats_are_refused(kind: str) -> None:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, kind)
    with pytest.raises(codec.ImageError, match="neither PNG nor JPEG"):
        codec.decode_foreground(out.getvalue())


def test_swapped_members_are_refused() -> None:
    rgb, alpha = picture(1)
    with pytest.raises(codec.ImageError):
        codec.decode_alpha(codec.encode_foreground(rgb))
    with pytest.raises(codec.ImageError):
        codec.decode_foreground(codec.encode_alpha(alpha))
    with pytest.raises(codec.ImageError):
        codec.decode_alpha(codec.encode_foreground(rgb, "jpeg"))


@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_truncation_anywhere_is_an_error(form: str) -> None:
    data = codec.encode_foreground(picture(2, 64, 48)[0], form)
    for length in range(0, len(data) - 16, 97):
        with pytest.raises(codec.ImageError):
            codec.decode_foreground(data[:length])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_flipped_bit_in_a_png_never_gives_other_pixels(data: st.DataObject) -> None:
    alpha = picture(4, 40, 30)[1]
    encoded = bytearray(codec.encode_alpha(alpha))
    position = data.draw(st.integers(0, len(encoded) - 1))
    encoded[position] ^= 1 << data.draw(st.integers(0, 7))
    try:
        decoded = codec.decode_alpha(bytes(encoded))
    except codec.ImageError:
        return
    assert (decoded == alpha).all()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"]))
def test_noise_is_refused_cleanly(noise: bytes, start: bytes) -> None:
    for decode in (codec.decode_alpha, codec.decode_foreground):
        with pytest.raises(codec.ImageError):
            decode(start + noise)


def test_decoders_are_named() -> None:
    assert set(codec.decoders()) == {"png", "jpeg"}


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", 2 + len(body)) + body


def huge_behind_a_small_header(standalone: int) -> bytes:
    """A JPEG of 900x900 whose comment, read after a misread marker, begins with another frame."""
    out = io.BytesIO()
    Image.new("RGB", (900, 900)).save(out, "JPEG")
    frame = segment(0xC0, struct.pack(">BHHB", 8, 16, 16, 3) + bytes(9))
    # Read as a marker with a length, the next marker is the length: 0xFFFE bytes.
    skipped = segment(0xFE, bytes(65_533))
    hidden = segment(0xFE, frame + bytes(99))
    start = b"\xff\xd8" + bytes([0xFF, standalone]) + skipped + hidden
    found = bytearray(start + out.getvalue()[2:])
    place = 4 + 0xFFFE
    found[place : place + len(frame)] = frame
    return bytes(found)


@pytest.mark.parametrize("marker", [0x01, 0x00, *range(0xD0, 0xDA), 0xC8, 0xDC, 0xDE, 0xF0])
def test_a_marker_that_decoders_skip_hides_no_other_frame(marker: int) -> None:
    data = huge_behind_a_small_header(marker)
    with pytest.raises(codec.ImageError, match="no frame header"):
        codec.read_header(data)
    with pytest.raises(codec.ImageError, match="no frame header"):
        codec.decode_foreground(data)


def progressive(size: int, more_scans: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    out = io.BytesIO()
    Image.new("RGB", (size, size), (9, 90, 200)).save(out, "JPEG", progressive=True)
    data = out.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * more_scans + b"\xff\xd9"


def test_scans_are_bounded() -> None:
    honest = progressive(64, 0)
    assert 6 <= honest.count(b"\xff\xda") <= 20
    assert codec.decode_foreground(honest).shape == (64, 64, 3)
    started = time.process_time()
    bomb_of_scans = progressive(1024, 60_000)
    with pytest.raises(codec.ImageError, match="more than 64 scans"):
        codec.decode_foreground(bomb_of_scans)
    assert time.process_time() - started < 5


class Panic(BaseException):
    """What ``pyo3_runtime.PanicException`` is: not an Exception."""


@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_a_panic_of_a_decoder_is_damage(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = codec.encode_foreground(picture(1)[0], form)

    def decoder(problem: BaseException) -> tuple[str, Any]:
        def decode(*_: object) -> NDArray[np.uint8]:
            raise problem

        return "kornia_rs", decode

    monkeypatch.setattr(
        codec.decode, f"_{form}_decoder", lambda: decoder(Panic("index out of bounds"))
    )
    with pytest.raises(codec.ImageError, match=f"corrupt {form} .*index out of bounds"):
        codec.decode_foreground(data)
    for other in (KeyboardInterrupt(), MemoryError()):
        monkeypatch.setattr(codec.decode, f"_{form}_decoder", lambda other=other: decoder(other))
        with pytest.raises(type(other)):
            codec.decode_foreground(data)
