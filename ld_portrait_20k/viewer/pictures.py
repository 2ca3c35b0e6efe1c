"""Pictures of samples: as they lie in the shards, and small ones for the grid."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k import codec
from ld_portrait_20k.format.shards import RawSample
from ld_portrait_20k.viewer.dataset import ViewedDataset

THUMBNAIL: Final = 192
"""Longer side of a small picture in pixels: a cell has 160, and some screens two pixels for one."""

THUMBNAIL_BYTES: Final = 64 * 2**20
"""Small pictures that are kept, encoded: about 8,000. Chosen by eye, as are the next two."""
SAMPLE_BYTES: Final = 32 * 2**20
_AT_ONCE: Final = 2  # pictures decoded at once; one of 1024 x 1024 takes about 20 MB
_QUALITY: Final = 78

_Value = TypeVar("_Value")


class BoundedCache(Generic[_Value]):
    """Values by key; the one that was not used for longest goes when there are too many bytes.

    Args:
        limit: Bytes in all.
        size: Bytes of a value.
    """

    def __init__(self, limit: int, size: Callable[[_Value], int]) -> None:
        self.bytes = 0
        self._limit = limit
        self._size = size
        self._values: OrderedDict[tuple[str, ...], _Value] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, *key: str) -> _Value | None:
        """The value, which counts as used now."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def add(self, value: _Value, *key: str) -> None:
        """Keep a value, unless it is larger than all that may be kept."""
        size = self._size(value)
        if size > self._limit:
            return
        with self._lock:
            old = self._values.pop(key, None)
            self.bytes += size - (self._size(old) if old is not None else 0)
            self._values[key] = value
            while self.bytes > self._limit:
                _, gone = self._values.popitem(last=False)
                self.bytes -= self._size(gone)


class Pictures:
    """Pictures of a dataset, made when they are asked for.

    Args:
        dataset: Where they are read.
    """

    def __init__(self, dataset: ViewedDataset) -> None:
        self._dataset = dataset
        self._thumbnails: BoundedCache[bytes] = BoundedCache(THUMBNAIL_BYTES, len)
        self._samples: BoundedCache[RawSample] = BoundedCache(SAMPLE_BYTES, _bytes_of)
        self._decoding = threading.Semaphore(_AT_ONCE)

    def sample(self, subset: str, key: str) -> RawSample:
        """A sample as it lies in its shard.

        Raises:
            KeyError: There is none.
            PortraitError: It is damaged.
        """
        found = self._samples.get(subset, key)
        if found is None:
            found = self._dataset.sample(subset, key)
            self._samples.add(found, subset, key)
        return found

    def thumbnail(self, subset: str, key: str) -> bytes:
        """A small WebP with straight alpha; errors as of :meth:`sample`."""
        found = self._thumbnails.get(subset, key)
        if found is None:
            with self._decoding:
                # Not through the cache of samples: a grid would drive out the one that is open.
                found = thumbnail(self._dataset.sample(subset, key))
            self._thumbnails.add(found, subset, key)
        return found


def decode(sample: RawSample) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A sample's pictures.

    Returns:
        Foreground (H, W, 3) uint8 straight sRGB, alpha (H, W) uint8.

    Raises:
        PortraitError: One is damaged, or their sizes differ.
    """
    try:
        foreground = codec.decode_foreground(sample.foreground)
        alpha = codec.decode_alpha(sample.alpha)
    except codec.ImageError as problem:
        raise sample.error(str(problem)) from problem
    if foreground.shape[:2] != alpha.shape:
        raise sample.error("dimensions of foreground and alpha differ")
    return foreground, alpha


def thumbnail(sample: RawSample, longest: int = THUMBNAIL) -> bytes:
    """A small copy as WebP with straight alpha; errors as of :func:`decode`."""
    return encode_webp(shrunk(*decode(sample), longest))


def shrunk(
    foreground: NDArray[np.uint8], alpha: NDArray[np.uint8], longest: int
) -> NDArray[np.uint8]:
    """A smaller copy; a picture that is small already keeps its size.

    Args:
        foreground: (H, W, 3) uint8 straight sRGB.
        alpha: (H, W) uint8.
        longest: Longer side of the result in pixels.

    Returns:
        (h, w, 4) uint8 straight sRGB and alpha. Colours are averaged by their alpha, so that
        what lies unseen in transparent places does not bleed into edges.
    """
    height, width = alpha.shape
    scale = longest / max(height, width)
    if scale >= 1:
        return np.dstack([foreground, alpha])
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    weight = cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB)
    premultiplied = cv2.multiply(foreground, weight, scale=1 / 255)
    colour = cv2.resize(premultiplied, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    opacity = np.asarray(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA), np.uint8)
    divisor = np.maximum(opacity, 1).astype(np.float32)[..., None] / 255
    straight = np.clip(colour / divisor + 0.5, 0, 255).astype(np.uint8)
    return np.dstack([straight, opacity])


def encode_webp(
    picture: NDArray[np.uint8], quality: int = _QUALITY, *, alpha_quality: int = 100
) -> bytes:
    """A WebP.

    Args:
        picture: (H, W, 4) or (H, W, 3) uint8 sRGB, or (H, W) grey.
        quality: 0 to 100.
        alpha_quality: The same for alpha; 100 keeps it without loss.
    """
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(picture).save(
        out, "WEBP", quality=quality, alpha_quality=alpha_quality, method=2
    )
    return out.getvalue()


def media_type(content: bytes) -> str:
    """``image/png`` or ``image/jpeg``, by how a member begins.

    Raises:
        PortraitError: It is neither.
    """
    return f"image/{codec.read_header(content).format}"


def _bytes_of(sample: RawSample) -> int:
    return len(sample.foreground) + len(sample.alpha) + len(sample.json)
