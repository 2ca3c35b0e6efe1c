"""Sources of backgrounds: pictures and plain colours."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.codec import MAX_PIXELS, ImageError, decode_foreground
from ld_portrait_20k.compositing.geometry import resize_picture
from ld_portrait_20k.errors import PortraitError

SUFFIXES: Final = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

# Named after grey, they say only how much smaller; with IMREAD_COLOR_RGB the result is RGB.
_REDUCED = {
    1: 0,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
_ORIENTATION: Final = 0x0112  # the tag of EXIF


class _Header(NamedTuple):
    """What a picture file's first bytes say.

    Attributes:
        size: Width and height.
        format: Pillow's name of it.
        plain: Of three channels, not turned by EXIF.
    """

    size: tuple[int, int]
    format: str | None
    plain: bool


def named_pictures(folder: Path) -> list[Path]:
    """Files under a folder that are named like pictures, in the order of their paths.

    Hidden files and folders are passed over, as are folders, pipes, sockets and devices. A link
    to nothing is among the found, so that who opens it can name it.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.suffix.lower() in SUFFIXES:
            found += [path] if path.is_file() or not path.exists() else []
    return found


class Backgrounds(Protocol):
    """A source of backgrounds."""

    def draw(self, rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
        """A background of a size, drawn from ``rng``: (height, width, 3) uint8 sRGB."""
        ...


class PictureBackgrounds:
    """Random crops of pictures: of files, of arrays, or of another dataset's rows.

    Args:
        pictures: A folder (searched through, in name order; hidden files and what is no file
            are passed over); or a sequence of paths or of (H, W, 3) uint8 arrays; or a
            map-style dataset (``datasets.Dataset`` or any sequence of dicts).
        column: Column of a dataset that holds the picture.
        zoom: Side of the largest possible crop divided by the side of the smallest one drawn.
        flip: Mirror half of them.
        cache_bytes: Each process keeps decoded files up to so many bytes, because decoding a
            photograph costs more than all the rest of a training sample.

    Raises:
        PortraitError: There are no pictures.
    """

    def __init__(
        self,
        pictures: str | Path | Sequence[Any],
        *,
        column: str = "image",
        zoom: float = 2.0,
        flip: bool = True,
        cache_bytes: int = 256 * 2**20,
    ) -> None:
        if isinstance(pictures, (str, Path)):
            folder = Path(pictures).absolute()
            pictures = [path for path in named_pictures(folder) if path.is_file()]
            if not pictures:
                raise PortraitError(f"{folder}: no pictures ({', '.join(SUFFIXES)}) there")
        if not len(pictures):
            raise PortraitError("an empty list of backgrounds")
        if isinstance(pictures, (list, tuple)):
            # The process may change its folder before it reads them.
            pictures = [
                Path(item).absolute() if isinstance(item, (str, Path)) else item
                for item in pictures
            ]
        self._pictures = pictures
        self._column = column
        self._zoom = zoom
        self._flip = flip
        self._cache_bytes = cache_bytes
        self._lock = threading.Lock()  # a loader's threads share the cache
        self._held = 0
        self._cache: OrderedDict[tuple[int, int], NDArray[np.uint8]] = OrderedDict()
        self._headers: dict[int, _Header] = {}

    def __len__(self) -> int:
        return len(self._pictures)

    def draw(self, rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
        """A random crop of a random picture, scaled to (height, width, 3) uint8 sRGB.

        Raises:
            PortraitError: A file is not a picture, or is too large.
        """
        index = int(rng.integers(len(self._pictures)))
        # Draw a window of the wanted shape, up to `zoom` times smaller than the largest.
        share = 1 / rng.uniform(1.0, self._zoom)
        picture = self._load(index, height, width, share)
        window = share * min(picture.shape[0] / height, picture.shape[1] / width)
        rows = min(picture.shape[0], max(1, round(height * window)))
        columns = min(picture.shape[1], max(1, round(width * window)))
        top = int(rng.integers(picture.shape[0] - rows + 1))
        left = int(rng.integers(picture.shape[1] - columns + 1))
        cut = picture[top : top + rows, left : left + columns]
        result = resize_picture(cut, (height, width))
        if self._flip and rng.random() < 0.5:
            return cast("NDArray[np.uint8]", cv2.flip(result, 1, None if result is cut else result))
        return result.copy() if result is cut else result

    def _load(self, index: int, height: int, width: int, share: float) -> NDArray[np.uint8]:
        item = self._pictures[index]
        if isinstance(item, dict):
            item = item[self._column]
        if isinstance(item, (str, Path)):
            return self._read(index, Path(item), height, width, share)
        picture = np.asarray(item if isinstance(item, np.ndarray) else item.convert("RGB"))
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise PortraitError(
                f"background {index}: {picture.shape} {picture.dtype}, not (H, W, 3) uint8"
            )
        return picture

    def _read(
        self, index: int, path: Path, height: int, width: int, share: float
    ) -> NDArray[np.uint8]:
        """A file, decoded no larger than the window needs where its format allows that."""
        known = self._headers.get(index)
        if known is None:
            known = self._headers[index] = _header(path)
        jpeg = known.format == "JPEG"
        room = share * min(known.size) / max(height, width) if jpeg else 1.0
        # Up to a quarter too coarse is accepted (chosen by eye): backgrounds are seldom sharp,
        # and decoding is expensive.
        reduction = next((r for r in (8, 4, 2) if room >= 0.75 * r), 1)
        key = (index, reduction)
        with self._lock:
            picture = self._cache.get(key)
            if picture is not None:
                self._cache.move_to_end(key)
                return picture
        picture = _decode(path, reduction, known)
        with self._lock:
            if picture.nbytes <= self._cache_bytes and key not in self._cache:
                self._cache[key] = picture
                self._held += picture.nbytes
                while self._held > self._cache_bytes:
                    self._held -= self._cache.popitem(last=False)[1].nbytes
        return picture

    def __getstate__(self) -> dict[str, Any]:
        state = {**self.__dict__, "_cache": OrderedDict(), "_held": 0}
        del state["_lock"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"PictureBackgrounds({len(self)} pictures)"


class ColourBackgrounds:
    """Plain colours, drawn uniformly or from a list.

    Args:
        colours: (r, g, b) triples of 0..255; any colour by default.
    """

    def __init__(self, colours: Sequence[tuple[int, int, int]] | None = None) -> None:
        self._colours = colours

    def draw(self, rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
        """One colour all over: (height, width, 3) uint8."""
        if self._colours is None:
            colour = rng.integers(0, 256, 3)
        else:
            colour = np.array(self._colours[int(rng.integers(len(self._colours)))])
        return np.broadcast_to(colour.astype(np.uint8), (height, width, 3)).copy()

    def __repr__(self) -> str:
        return f"ColourBackgrounds({'any' if self._colours is None else len(self._colours)})"


def _header(path: Path) -> _Header:
    """What a picture file is, without decoding it."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            upright = picture.getexif().get(_ORIENTATION, 1) == 1
            found = _Header(picture.size, picture.format, upright and picture.mode == "RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as problem:
        raise PortraitError(f"{path}: not a picture that can be read ({problem})") from problem
    width, height = found.size
    if width * height > MAX_PIXELS:
        raise PortraitError(f"{path}: {width}x{height} is over the limit of {MAX_PIXELS} pixels")
    return found


def _decode(path: Path, reduction: int, header: _Header) -> NDArray[np.uint8]:
    try:
        data = path.read_bytes()
    except OSError as problem:
        raise PortraitError(f"{path}: cannot be read ({problem.strerror})") from problem
    if header.format == "JPEG" and reduction == 1 and header.plain:
        # The same pixels as OpenCV's in two thirds of the time.
        with contextlib.suppress(ImageError):
            return decode_foreground(data)
    flags = _REDUCED[reduction] | cv2.IMREAD_COLOR_RGB
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if picture is None:
        raise PortraitError(f"{path}: cannot be decoded")
    return cast("NDArray[np.uint8]", picture)
