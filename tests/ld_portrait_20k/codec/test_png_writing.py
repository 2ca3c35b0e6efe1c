"""PNGs are exact, the same everywhere, and no larger than Pillow's with the same strategy."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image

from ld_portrait_20k import codec

SHARED = Path(os.environ.get("LD_PORTRAIT_SHARED", "/nowhere")) / "data" / "layerdiffuse"


def textures(size: int = 240) -> NDArray[np.uint8]:
    """(5 * size, size, 3): five textures, each of which another filter suits best."""
    y, x = np.mgrid[:size, :size]
    noise = (x * 40503 + y * 30011 + x * y * 9973) >> 3
    grid = np.stack([np.zeros_like(x), (noise % 251) * (noise % 17 == 0), x * 0], axis=2)
    across = np.repeat(noise[:, :1, None] + 3 * x[..., None] // 5, 3, axis=2)  # smooth along a row
    down = np.repeat(noise[:1, :, None], size, axis=0).repeat(3, axis=2)  # equal rows
    wave = ((x + y) % 120 - 60) ** 2 // 24
    soft = (wave + noise % 23)[..., None].repeat(3, axis=2)
    edges = np.where((x[..., None] // 24 + y[..., None] // 24) % 2, 210, 40).repeat(3, axis=2)
    return np.vstack([grid, across, down, soft, edges]).astype(np.uint8)


def inflated(data: bytes) -> bytes:
    """The filtered rows of a PNG of one IDAT."""
    start = data.index(b"IDAT")
    length = int.from_bytes(data[start - 4 : start], "big")
    return zlib.decompress(data[start + 4 : start + 4 + length])


def test_every_filter_but_paeth_is_used_and_exact() -> None:
    rgb = textures()
    rows = np.frombuffer(inflated(codec.encode_foreground(rgb)), np.uint8)
    assert set(rows.reshape(len(rgb), -1)[:, 0]) == {0, 1, 2, 3}
    for data, pixels in (
        (codec.encode_foreground(rgb), rgb),
        (codec.encode_alpha(rgb[..., 1]), rgb[..., 1]),
    ):
        assert (np.asarray(Image.open(io.BytesIO(data))) == pixels).all()
        found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        assert found is not None
        assert (found[..., ::-1] if pixels.ndim == 3 else found).tobytes() == pixels.tobytes()


def test_bytes_are_these_everywhere() -> None:
    rgb = textures()
    digests = [
        hashlib.sha256(data).hexdigest()[:16]
        for data in (codec.encode_foreground(rgb), codec.encode_alpha(rgb[..., 1]))
    ]
    assert digests == ["ccf3ed8a3b1873be", "c57a9e53aa5839cf"], "raise png_writing.VERSION"


def without_zlib_ng(monkeypatch: pytest.MonkeyPatch, rgb: NDArray[np.uint8]) -> list[bytes]:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "zlib_ng", None)
        return [codec.encode_foreground(rgb), codec.encode_alpha(rgb[..., 0])]


def test_zlib_and_zlib_ng_write_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("zlib_ng")
    random = np.random.default_rng(3)
    noise = random.integers(0, 256, (700, 600, 3), dtype=np.uint8)  # stored, not deflated
    mixed = np.where(random.random((700, 600, 1)) < 0.5, noise, 7).astype(np.uint8)
    flat = np.zeros((3000, 900, 3), np.uint8)
    few = random.integers(0, 4, (700, 600, 3), dtype=np.uint8)
    for rgb in (textures(), noise, mixed, flat, few):
        expected = [codec.encode_foreground(rgb), codec.encode_alpha(rgb[..., 0])]
        assert without_zlib_ng(monkeypatch, rgb) == expected


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 90), st.integers(1, 50)),
    st.integers(0, 2**32),
    st.sampled_from([2, 9, 256]),
)
def test_zlib_and_zlib_ng_agree_on_anything(shape: tuple[int, int], seed: int, levels: int) -> None:
    pytest.importorskip("zlib_ng")
    rgb = np.random.default_rng(seed).integers(0, levels, (*shape, 3)).astype(np.uint8)
    expected = [codec.encode_foreground(rgb), codec.encode_alpha(rgb[..., 0])]
    assert without_zlib_ng(pytest.MonkeyPatch(), rgb) == expected
    assert (codec.decode_foreground(expected[0]) == rgb).all()
    assert (codec.decode_alpha(expected[1]) == rgb[..., 0]).all()


@settings(max_examples=40, deadline=None)
@given(
    st.one_of(
        hnp.arrays(np.uint8, st.tuples(st.integers(1, 70), st.integers(1, 9))),
        hnp.arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(900, 1100))),
    )
)
def test_narrow_and_flat_pictures_are_exact(alpha: NDArray[np.uint8]) -> None:
    assert (codec.decode_alpha(codec.encode_alpha(alpha)) == alpha).all()
    rgb = np.dstack([alpha, alpha[::-1], alpha[:, ::-1]])
    assert (codec.decode_foreground(codec.encode_foreground(rgb)) == rgb).all()


def test_wide_rows_make_bands_of_one_row() -> None:
    rgb = np.arange(3 * 3 * 40_000, dtype=np.uint32).reshape(3, 40_000, 3).astype(np.uint8)
    assert (codec.decode_foreground(codec.encode_foreground(rgb)) == rgb).all()


def pillow_size(pixels: NDArray[np.uint8]) -> int:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=6, compress_type=zlib.Z_RLE)
    return len(out.getvalue())


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs LD_PORTRAIT_SHARED")
def test_real_pictures_take_little_more_than_with_pillow_and_paeth() -> None:
    ours = pillows = 0
    for path in sorted(SHARED.glob("portrait*.png")):
        rgba = np.asarray(Image.open(path))
        rgb, alpha = np.ascontiguousarray(rgba[..., :3]), np.ascontiguousarray(rgba[..., 3])
        ours += len(codec.encode_foreground(rgb)) + len(codec.encode_alpha(alpha))
        pillows += pillow_size(rgb) + pillow_size(alpha)
    assert ours < 1.025 * pillows
