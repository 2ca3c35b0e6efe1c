"""Masks of one bit a pixel.

Most steps of the refinement combine, widen and narrow masks. On 64 pixels a word these cost next to
nothing, whatever the radius, and a mask takes an eighth of a byte a pixel.
"""

from __future__ import annotations

from functools import cache
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from refinement.planes.runs import Places, Runs

Mask8 = NDArray[np.uint8]
"""(H, W), 0 or 1; as OpenCV takes masks."""

_BITS: Final = 64
_WORD: Final = np.dtype("<u8")


class Mask:
    """A mask of (H, W) pixels; it is never changed.

    ``&``, ``|`` and ``~`` are those of sets, ``a - b`` is a without b. A mask is true if it holds
    any pixel.

    Attributes:
        shape: (H, W).
    """

    # Pixel (y, x) is bit x % 64 of word (y, x // 64). Bits beyond the width are 0.
    __slots__ = ("_words", "shape")

    def __init__(self, condition: NDArray[np.bool_ | np.uint8]) -> None:
        """Pack a condition.

        Args:
            condition: (H, W), what is not 0 belongs to the mask.
        """
        self.shape: tuple[int, int] = condition.shape[0], condition.shape[1]
        if self.shape[1] % _BITS == 0:  # rows need not be told apart, which is faster
            line = np.packbits(condition.reshape(-1), bitorder="little")
            self._words: NDArray[np.uint64] = line.view(_WORD).reshape(self.shape[0], -1)
        else:
            self._words = _words_of(np.packbits(condition, axis=1, bitorder="little"))

    @classmethod
    def _of(cls, words: NDArray[np.uint64], shape: tuple[int, int]) -> Self:
        result = cls.__new__(cls)
        result._words, result.shape = words, shape
        return result

    @classmethod
    def packed(cls, rows: NDArray[np.uint8], shape: tuple[int, int]) -> Self:
        """A mask of rows that are packed already.

        Args:
            rows: (H, ceil(W / 8)), as ``np.packbits(..., axis=1, bitorder="little")`` gives them.
            shape: (H, W).
        """
        return cls._of(_words_of(rows), shape)

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> Self:
        """A mask of no pixel."""
        height, width = shape
        return cls._of(np.zeros((height, -(-width // _BITS)), _WORD), (height, width))

    @classmethod
    def of_places(cls, places: Places, shape: tuple[int, ...]) -> Self:
        """The mask of some pixels, given by their flat indices."""
        if not places.size:
            return cls.empty(shape)
        pixels = np.zeros(shape, np.uint8)
        pixels.ravel()[places] = 1
        return cls(pixels)

    def __and__(self, other: Mask) -> Mask:
        return self._of(self._words & other._words, self.shape)

    def __or__(self, other: Mask) -> Mask:
        return self._of(self._words | other._words, self.shape)

    def __sub__(self, other: Mask) -> Mask:
        return self._of(self._words & ~other._words, self.shape)

    def __invert__(self) -> Mask:
        return self._of(_cut(~self._words, self.shape[1]), self.shape)

    def __bool__(self) -> bool:
        return bool(self._words.any())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mask) and np.array_equal(self._words, other._words)

    __hash__ = None  # type: ignore[assignment]

    def count(self) -> int:
        """How many pixels the mask holds."""
        return int(cv2.sumElems(np.bitwise_count(self._words))[0])

    def runs(self) -> Runs:
        """The runs of pixels in the rows."""
        # A run begins, and ends before, a bit that differs from the one before it.
        line = self._line(self._words)
        changes = line ^ (line << np.uint64(1))
        changes[1:] ^= line[:-1] >> (_BITS - 1)
        at = _set_bits(changes)
        return Runs(at[::2], at[1::2], _BITS * (self._words.shape[1] + 1), self.shape[1])

    def pixels(self) -> Mask8:
        """The mask as (H, W) uint8, 0 or 1."""
        if self.shape[1] % _BITS == 0:
            line = self._words.reshape(-1).view(np.uint8)
            return np.unpackbits(line, bitorder="little").reshape(self.shape)
        rows = self._words.view(np.uint8)
        return np.unpackbits(rows, axis=1, count=self.shape[1], bitorder="little")

    def count_in_squares(self) -> NDArray[np.uint16]:
        """How many pixels each square of 8 x 8 holds, (H // 8, W // 8)."""
        height, width = (n // 8 for n in self.shape)
        bits = np.bitwise_count(self._words[: 8 * height].view(np.uint8)[:, :width])
        return np.asarray(bits.reshape(height, 8, width).sum(axis=1, dtype=np.uint16))

    def places(self) -> Places:
        """The flat indices of the pixels."""
        at = _set_bits(self._words.reshape(-1))
        beyond = -self.shape[1] % _BITS
        return at - at // (self.shape[1] + beyond) * beyond if beyond else at

    def at(self, places: Places) -> NDArray[np.bool_]:
        """Whether the mask holds each of the places, (n,)."""
        return self.pixels().view(bool).ravel()[places]

    def box(self, margin: int) -> tuple[slice, slice]:
        """Rows and columns of the smallest box about the mask, with a margin."""
        rows = np.flatnonzero(np.bitwise_or.reduce(self._words, axis=1))
        line = np.bitwise_or.reduce(self._words, axis=0)
        columns = np.flatnonzero(np.unpackbits(line.view(np.uint8), bitorder="little"))
        if not rows.size:
            return slice(0, 0), slice(0, 0)
        top, bottom, left, right = (int(n) for n in (*rows[[0, -1]], *columns[[0, -1]]))
        return (
            slice(max(0, top - margin), bottom + 1 + margin),
            slice(max(0, left - margin), right + 1 + margin),
        )

    def crop(self, box: tuple[slice, slice]) -> Mask:
        """The mask of some rows and columns alone."""
        rows, columns = box
        first = columns.start // _BITS
        words = self._words[rows, first : -(-columns.stop // _BITS)]
        pixels = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")
        stop = min(columns.stop, self.shape[1]) - first * _BITS
        return Mask(pixels[:, columns.start - first * _BITS : stop])

    def placed(self, box: tuple[slice, slice], shape: tuple[int, ...]) -> Mask:
        """The mask as rows and columns of a larger one that holds nothing else."""
        whole = np.zeros(shape, np.uint8)
        whole[box] = self.pixels()
        return Mask(whole)

    def dilate(self, radius: float) -> Mask:
        """All pixels within a square about a pixel of the mask.

        Args:
            radius: Half the square's side less the pixel itself, rounded, at least 1.
        """
        reach = max(1, round(radius))
        height, width = self.shape
        if self._words[height // 8 :: max(1, height // 4)].any():
            return self._of(_dilated(self._words, reach, width), self.shape)
        some = np.flatnonzero(self._words.any(axis=1))  # nothing in a few rows: it may be small
        if not some.size:
            return self
        rows = slice(max(0, int(some[0]) - reach), int(some[-1]) + reach + 1)
        words = np.zeros_like(self._words)
        words[rows] = _dilated(self._words[rows], reach, width)
        return self._of(words, self.shape)

    def erode(self, radius: float) -> Mask:
        """The pixels whose whole square lies in the mask; the frame takes nothing away."""
        return ~(~self).dilate(radius)

    def grow_within(self, allowed: Mask, pixels: int) -> Mask:
        """Grow by so many pixels over what is allowed and connected with the mask.

        Args:
            allowed: What it may grow over. Parts of the mask that it leaves out are lost.
            pixels: How many pixels far, at least 1.
        """
        free = allowed - self
        if not free:
            return self & allowed
        # All that is new lies in the box about what is free, one pixel from what is there.
        rows, columns = free.box(1)
        words = slice(columns.start // _BITS, -(-columns.stop // _BITS))
        floor = self._line(allowed._words[rows, words])
        line = self._line(self._words[rows, words])
        height, count = allowed._words[rows, words].shape
        row = count + 1
        for step in range(pixels):
            before, tall = line, line.copy()
            tall[:-row] |= line[row:]
            tall[row:] |= line[:-row]
            line = tall | tall << np.uint64(1)
            line |= tall >> 1
            line[1:] |= tall[:-1] >> (_BITS - 1)
            line[:-1] |= tall[1:] << (_BITS - 1)
            line &= floor
            if step % 4 == 3 and np.array_equal(line, before):
                break
        grown = (self & allowed)._words.copy()
        grown[rows, words] = line.reshape(height, row)[:, :count]
        return self._of(grown, self.shape)

    @staticmethod
    def _line(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Rows as one line, in which a word of nothing parts them."""
        height, count = words.shape
        line = np.zeros(height * (count + 1), _WORD)
        line.reshape(height, -1)[:, :count] = words
        return line

    def erode_octagon(self, radius: int) -> Mask:
        """Erosion by an octagon; the frame takes nothing away."""
        # Erosions commute, so all squares come first.
        rest = ~self
        if radius > 1:
            rest = rest.dilate(radius // 2)
        for _ in range(radius - radius // 2):
            words = rest._words
            cross = words << np.uint64(1)
            cross |= words >> 1
            cross |= words
            cross[:, 1:] |= words[:, :-1] >> (_BITS - 1)
            cross[:, :-1] |= words[:, 1:] << (_BITS - 1)
            cross[1:] |= words[:-1]
            cross[:-1] |= words[1:]
            rest = self._of(_cut(cross, self.shape[1]), self.shape)
        return ~rest


def _dilated(words: NDArray[np.uint64], reach: int, width: int) -> NDArray[np.uint64]:
    """Some rows of a mask, each pixel widened to a square with so many more on each side."""
    height, count = words.shape
    steps = _doubling(2 * reach + 1)
    # Rows of nothing are added on both sides, so that each row of the result is what
    # 2 * reach + 1 successive ones hold.
    tall = np.zeros((height + 2 * reach, count), _WORD)
    tall[reach : reach + height] = words
    for step in steps:
        tall = tall[:-step] | tall[step:]
    # So are columns: words of nothing part the rows, which are then shifted as one line.
    far, near = divmod(reach, _BITS)
    apart = far + 1
    line = np.zeros(apart + height * (count + apart), _WORD)
    line[apart:].reshape(height, -1)[:, :count] = tall
    for step in steps:
        _add_earlier(line, step)
    moved = line[: line.size - far] << np.uint64(near)
    if near:
        moved[1:] |= line[: line.size - far - 1] >> (_BITS - near)
    return _cut(np.ascontiguousarray(moved[apart - far :].reshape(height, -1)[:, :count]), width)


def _words_of(rows: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Rows of packed pixels as words."""
    height, count = rows.shape
    if count % (_BITS // 8) == 0:
        return rows.view(_WORD)
    words = np.zeros((height, -(-count * 8 // _BITS)), _WORD)
    words.view(np.uint8)[:, :count] = rows
    return words


def _set_bits(line: NDArray[np.uint64]) -> NDArray[np.intp]:
    """The numbers of the bits of a line that are set, ascending."""
    eights = line.view(np.uint8)
    some = np.flatnonzero(eights != 0)
    if 2 * some.size > eights.size:
        return np.flatnonzero(np.unpackbits(eights, bitorder="little").view(bool))
    at = np.flatnonzero(np.unpackbits(eights[some], bitorder="little").view(bool))
    return (some << 3)[at >> 3] + (at & 7)


def _cut(words: NDArray[np.uint64], width: int) -> NDArray[np.uint64]:
    """Clear, in place, the bits beyond the width."""
    if width % _BITS:
        words[:, -1] &= np.uint64(2 ** (width % _BITS) - 1)
    return words


@cache
def _doubling(count: int) -> tuple[int, ...]:
    """Steps by which spans of 1, 2, 4, ... grow to the count."""
    steps, span = [], 1
    while span < count:
        steps.append(min(span, count - span))
        span += steps[-1]
    return tuple(steps)


def _add_earlier(words: NDArray[np.uint64], step: int) -> None:
    """Add to a line of pixels, in place, the same line moved by so many towards its beginning."""
    far, near = divmod(step, _BITS)
    moved = words[far:] >> near
    if near:
        moved[:-1] |= words[far + 1 :] << (_BITS - near)
    words[: moved.size] |= moved
