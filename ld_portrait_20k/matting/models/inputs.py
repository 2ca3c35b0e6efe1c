"""What a model is given, checked once for all models: a wrong scale gives no error, but garbage."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.errors import PortraitError

_BEYOND: Final = 1.0
"""How far a picture may leave 0..1: cubic enlargement does by some 0.2, 0..255 by 254."""


def checked_input(
    name: str,
    image: NDArray[np.floating[Any]],
    trimap: NDArray[np.floating[Any]] | None,
    *,
    needs_trimap: bool,
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """A picture and its trimap as every model takes them.

    Args:
        name: Of the model, for messages.
        image: (H, W, 3) float of any width, sRGB, 0..1.
        trimap: (H, W) float: 0 background, 1 foreground, what lies between is unknown.
        needs_trimap: Whether there must be one.

    Returns:
        Both as float32.

    Raises:
        PortraitError: No arrays, of another shape, type or range, empty, or the trimap is
            missing.
    """
    if needs_trimap and trimap is None:
        raise PortraitError(f"{name} needs a trimap; try: --trimap or --mask")
    for what, given in (("picture", image), ("trimap", trimap)):
        if given is not None and not isinstance(given, np.ndarray):
            raise PortraitError(
                f"{name}: the {what} is a {type(given).__name__}; try: a numpy array"
            )
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype.kind != "f" or not image.size:
        raise PortraitError(
            f"{name}: a picture of shape {image.shape} {image.dtype}; try: (H, W, 3) floats in 0..1"
        )
    if not _within(image, -_BEYOND, 1 + _BEYOND):
        raise PortraitError(f"{name}: the picture's values leave 0..1; try: image / 255")
    if trimap is None:
        return np.asarray(image, np.float32), None
    if trimap.shape != image.shape[:2]:
        raise PortraitError(
            f"{name}: trimap {trimap.shape} and picture {image.shape[:2]} differ in size"
        )
    if trimap.dtype.kind != "f" or not _within(trimap, 0, 1):
        raise PortraitError(
            f"{name}: a trimap of {trimap.dtype}, {trimap.min()} to {trimap.max()}; "
            "try: floats of 0 background, 0.5 unknown, 1 foreground"
        )
    return np.asarray(image, np.float32), np.asarray(trimap, np.float32)


def _within(values: NDArray[np.floating[Any]], low: float, high: float) -> bool:
    """Whether all lie between; what is no number lies nowhere."""
    return bool(values.min() >= low and values.max() <= high)
