"""Changes of colour, sharpness, noise and compression, on (H, W, 3) uint8 sRGB pictures."""

from __future__ import annotations

import functools
from typing import Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.compositing.strips import strip_rows


def jitter_colour(
    picture: NDArray[np.uint8],
    brightness: float = 1.0,
    contrast: float = 1.0,
    saturation: float = 1.0,
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0),
    gamma: float = 1.0,
) -> NDArray[np.uint8]:
    """Change brightness, contrast, saturation, balance and gamma of a picture.

    Args:
        picture: (H, W, 3) uint8.
        brightness: Factor.
        contrast: Factor about mid-grey.
        saturation: Factor about each pixel's luma (Rec. 601).
        balance: Factors of red, green and blue.
        gamma: Exponent on values 0..1.

    Returns:
        (H, W, 3) uint8.
    """
    return recolour(picture, tone_table(brightness, contrast, balance, gamma), saturation)


def tone_table(
    brightness: float = 1.0,
    contrast: float = 1.0,
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0),
    gamma: float = 1.0,
) -> NDArray[np.uint8]:
    """What becomes of each value of each channel: (256, 3) uint8; see :func:`jitter_colour`."""
    values = (np.arange(256) / 255) ** gamma
    values = ((values - 0.5) * contrast + 0.5) * brightness
    table = np.clip(values[:, None] * np.array(balance) * 255, 0, 255)
    return np.rint(table).astype(np.uint8)


LUMA: Final = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (Rec. 601)."""

_IDENTITY: Final = np.eye(3)
_GREY: Final = np.tile(LUMA, (3, 1))
_STRIP: Final = 2**16
"""Pixels recoloured at a time: 0.60 ms a picture of 512x512; 0.75 with a quarter as many, because
of the calls, and 1.1 for whole pictures, which do not stay in a core's cache."""


def recolour(
    picture: NDArray[np.uint8], tones: NDArray[np.uint8], saturation: float
) -> NDArray[np.uint8]:
    """A picture with its tones replaced, then its colours moved from grey or towards it.

    Args:
        picture: (H, W, 3) uint8.
        tones: What becomes of each value of each channel, (256, 3) uint8.
        saturation: Factor on the distance from each pixel's luma (Rec. 601).

    Returns:
        (H, W, 3) uint8.
    """
    result = np.empty_like(picture, order="C")
    height, width = picture.shape[:2]
    tables = [np.ascontiguousarray(column) for column in tones.T]
    matrix = saturation * _IDENTITY + (1 - saturation) * _GREY
    rows = strip_rows(height, width, _STRIP)
    for first in range(0, height, rows):
        # OpenCV looks a single channel up in half the time of three.
        planes = cv2.split(picture[first : first + rows])
        for plane, table in zip(planes, tables, strict=True):
            cv2.LUT(plane, table, plane)
        target = result[first : first + rows]
        if saturation == 1.0:
            cv2.merge(planes, target)
        else:
            cv2.transform(cv2.merge(planes), matrix, target)
    return result


def has_blur(sigma: float) -> bool:
    """Whether a blur of a standard deviation in pixels changes anything."""
    return sigma > 0.1  # narrower than a pixel


def blur(picture: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    """Gaussian blur of a standard deviation in pixels; none for 0."""
    if not has_blur(sigma):
        return picture
    return cast("NDArray[np.uint8]", cv2.GaussianBlur(picture, (0, 0), sigma))


def add_noise(
    picture: NDArray[np.uint8], sigma: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Gaussian noise of a standard deviation in 8-bit steps, from a random place of a table.

    The table (:func:`noise_table`) has normal values cut off at four standard deviations. Drawing
    a new one for every value took ten times as long as adding it.
    """
    if sigma <= 0:
        return picture
    return take_noise(picture, sigma, int(rng.integers(NOISE_VALUES)))


NOISE_VALUES: Final = 2**22
"""Values of the noise table; a picture of 512x512 takes 19 % of them."""

NOISE_STEPS: Final = 31
"""Steps of the noise table in a standard deviation, so that four of them fit in 8 bits."""


@functools.cache
def noise_table() -> NDArray[np.int8]:
    """Normal values of mean 0 and standard deviation :data:`NOISE_STEPS`, always the same ones.

    Returns:
        (:data:`NOISE_VALUES`,) int8.
    """
    rng = np.random.Generator(np.random.Philox(key=0))
    values = rng.standard_normal(NOISE_VALUES, dtype=np.float32)
    values *= NOISE_STEPS
    return np.clip(np.rint(values, out=values), -127, 127).astype(np.int8)


def take_noise(picture: NDArray[np.uint8], sigma: float, start: int) -> NDArray[np.uint8]:
    """Noise of a standard deviation from the table, from its value ``start`` on and round."""
    if sigma <= 0:
        return picture
    table = noise_table()
    values = table[start : start + picture.size]
    if values.size < picture.size:
        values = np.take(table, np.arange(start, start + picture.size), mode="wrap")
    noise = np.multiply(values, np.float32(sigma / NOISE_STEPS)).reshape(picture.shape)
    return cast("NDArray[np.uint8]", cv2.add(picture, noise, dtype=cv2.CV_8U))


def compress_jpeg(picture: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """A picture after JPEG compression of a quality 1..100, with chroma subsampling."""
    # cv2 expects BGR; in another order luma would be wrong.
    done, data = cv2.imencode(
        ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    if not done:
        raise ValueError(f"cannot compress a picture of shape {picture.shape}")
    return cast("NDArray[np.uint8]", cv2.imdecode(data, cv2.IMREAD_COLOR_RGB))
