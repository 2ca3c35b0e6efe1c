"""Changes of colour, sharpness, noise and compression, on (H, W, 3) uint8 sRGB pictures."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray


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
    values = (np.arange(256) / 255) ** gamma
    values = ((values - 0.5) * contrast + 0.5) * brightness
    table = np.clip(values[:, None] * np.array(balance) * 255, 0, 255)
    table = np.rint(table).astype(np.uint8)
    changed = cast("NDArray[np.uint8]", cv2.LUT(picture, table[None]))
    if saturation == 1.0:
        return changed
    luma = np.array([0.299, 0.587, 0.114])
    matrix = saturation * np.eye(3) + (1 - saturation) * np.tile(luma, (3, 1))
    return cast("NDArray[np.uint8]", cv2.transform(changed, matrix))


def blur(picture: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    """Gaussian blur of a standard deviation in pixels; none for 0."""
    if sigma <= 0.1:  # narrower than a pixel: it would change nothing
        return picture
    return cast("NDArray[np.uint8]", cv2.GaussianBlur(picture, (0, 0), sigma))


def add_noise(
    picture: NDArray[np.uint8], sigma: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Gaussian noise of a standard deviation in 8-bit steps, drawn for every value."""
    if sigma <= 0:
        return picture
    noise = rng.standard_normal(picture.shape, dtype=np.float32)
    noise *= np.float32(sigma)
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
