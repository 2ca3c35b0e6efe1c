"""Writing 8-bit PNGs: the same pixels give the same bytes, whatever the processor and the zlib.

A picture is filtered in bands of rows by NumPy and OpenCV, in whole numbers, and the residuals are
coded with zlib's run-length strategy. That strategy looks for repeats of one byte and for nothing
else, so that nothing depends on hash functions, which zlib-ng and others choose by processor. The
standard library's zlib and zlib-ng write the same bytes; zlib-ng makes a file in 0.7 times
the time.

The Paeth filter is left out. Files are 1 to 2 % larger without it, but undoing it takes a decoder
longer than inflating, and a training loop decodes a file many times
(``python -m tests.benchmarks.bench_png``).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.codec.zlib_library import fastest_zlib

VERSION: Final = "3"
"""Raise it when the same pixels would give other bytes. 1, which plans do not name, was Pillow; 2
had the Paeth filter."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_NONE, _SUB, _UP, _AVERAGE = range(4)
"""Filter types of the PNG specification, section 9.2."""

_BY_SPEED: Final = (_NONE, _UP, _SUB, _AVERAGE)
"""Of filters that cost the same, the first one here is taken: a decoder undoes it soonest."""

_AVERAGE_COST: Final = 1.03
"""What the average's residuals are taken to cost beyond their sum, because it is undone pixel by
pixel. Decoding takes 2 % less than with 1, and files are 0.2 % larger; 1.06 saves another 4 % for
another 0.5 %."""

_NOTHING: Final = np.zeros((1, 1), np.uint8)

_BANDS: Final = 24
_LEAST_ROWS: Final = 8
_MOST_BYTES: Final = 96 * 1024
"""A picture is filtered in 24 bands: files of 256 to 1152 rows are then as small as with a choice
for each row. There are fewer where a band would have under 8 rows, because calls take longer than
pixels then. There are more where a band would have over 96 KiB and leave, with its predictions,
the processor's second-level cache; 256 KiB took 60 % longer."""

_SAMPLED: Final = 4
"""Every fourth row of a band decides on its filter; files are 0.1 % larger than with all rows."""

_MOST_COST: Final = 12
"""What a residual costs at most: codes of large ones are hardly longer than those of middling ones.
Files are 0.2 % smaller than with the plain sum; 8 and 24 do nearly as well."""


def encode(picture: NDArray[np.uint8]) -> bytes:
    """Encode a picture as PNG.

    Each band of rows gets the filter whose residuals have the least sum of absolute values, each
    taken as 12 at most. Section 12.7 of the PNG specification proposes the sum for each row.

    Args:
        picture: (H, W) grey or (H, W, 3) RGB, uint8, not empty.

    Returns:
        The file's bytes.
    """
    height, width = picture.shape[:2]
    colour = 0 if picture.ndim == 2 else 2
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    # Run lengths are coded alike at every level. With memory level 8 a block has fewer symbols than
    # the window has bytes, so every zlib can still store a block that would not become smaller.
    packer = fastest_zlib().compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 8, zlib.Z_RLE)
    parts = [packer.compress(band) for band in _filtered(picture)]
    data = b"".join([*parts, packer.flush()])
    chunks = (*_chunk(b"IHDR", header), *_chunk(b"IDAT", data), *_chunk(b"IEND", b""))
    return b"".join((_SIGNATURE, *chunks))


def _chunk(kind: bytes, body: bytes) -> tuple[bytes, ...]:
    check = fastest_zlib().crc32(body, zlib.crc32(kind))
    return struct.pack(">I", len(body)), kind, body, struct.pack(">I", check)


def _filtered(picture: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """The filtered rows of a picture, band by band; each band overwrites the one before."""
    channels = 1 if picture.ndim == 2 else picture.shape[2]
    pixels = picture.reshape(len(picture), -1)
    height, length = pixels.shape
    most = min(height, max(-(-height // _BANDS), _LEAST_ROWS), max(1, _MOST_BYTES // length))
    # A row above and a pixel to the left of the band; they are zero outside the picture.
    padded = np.zeros((most + 1, channels + length), np.uint8)
    filtered = np.empty((most, 1 + length), np.uint8)
    filters = _Filters(most, length, channels)
    for top in range(0, height, most):
        rows = min(most, height - top)
        if top:
            padded[0] = padded[most]
        padded[1 : rows + 1, channels:] = pixels[top : top + rows]
        above, here = padded[:rows], padded[1 : rows + 1]
        kind = filters.best(above[::_SAMPLED], here[::_SAMPLED])
        band = filtered[:rows]
        band[:, 0] = kind
        np.subtract(here[:, channels:], filters.predict(kind, above, here), out=band[:, 1:])
        yield band


class _Filters:
    """What the filters predict for the rows of a band.

    The arrays are the same for every band. New ones would be taken from the system and given back
    each time, which took longer than filling them.

    Args:
        rows: The most rows of a band.
        length: Bytes a row.
        channels: Bytes a pixel.
    """

    def __init__(self, rows: int, length: int, channels: int) -> None:
        self._channels = channels
        self._scratch = np.empty((3, rows, length), np.uint8)

    def best(self, above: NDArray[np.uint8], here: NDArray[np.uint8]) -> int:
        """The filter whose residuals cost least; arguments as for :meth:`predict`."""
        import cv2

        residuals = self._scratch[2, : len(here)]
        costs = []
        for kind in _BY_SPEED:
            prediction = self.predict(kind, above, here)
            np.subtract(here[:, self._channels :], prediction, out=residuals)
            np.abs(residuals.view(np.int8), out=residuals.view(np.int8))
            cv2.threshold(residuals, _MOST_COST, 0, cv2.THRESH_TRUNC, dst=residuals)
            weight = _AVERAGE_COST if kind == _AVERAGE else 1
            costs.append(cv2.norm(residuals, cv2.NORM_L1) * weight)
        return _BY_SPEED[costs.index(min(costs))]

    def predict(
        self, kind: int, above: NDArray[np.uint8], here: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        """What a filter predicts.

        Args:
            kind: The filter.
            above: (N, channels + length), the row above each of the rows.
            here: (N, channels + length), the rows behind one pixel of zeros.

        Returns:
            (N, length), or one zero for all of them; good until the next call.
        """
        left, up = here[:, : -self._channels], above[:, self._channels :]
        if kind == _NONE:
            return _NOTHING
        if kind == _SUB:
            return left
        if kind == _UP:
            return up
        return self._average(left, up)

    def _average(self, left: NDArray[np.uint8], up: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(left + up) / 2, rounded down, within 8 bits."""
        shared, half = self._scratch[:2, : len(left)]
        np.bitwise_and(left, up, out=shared)
        np.bitwise_xor(left, up, out=half)
        np.right_shift(half, 1, out=half)
        return np.add(shared, half, out=shared)
