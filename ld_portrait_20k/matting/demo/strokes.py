"""What people paint over a picture, as a trimap; and a trimap as colours over a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.compositing.trimaps import BACKGROUND, FOREGROUND, UNKNOWN
from ld_portrait_20k.errors import PortraitError

Pixels = NDArray[np.uint8]

VIEW_SIDE: Final = 1024
"""Longer side at which the page shows and paints; results keep the picture's own size."""

BRUSHES: Final = {FOREGROUND: "#12b76a", BACKGROUND: "#f04438", UNKNOWN: "#2e90fa"}
"""Colours of the brushes: green, red and blue are told apart on most pictures."""

NOTHING: Final = np.uint8(1)
"""In painted labels: no brush went there."""

_SOLID: Final = 64
"""Alpha from which a pixel of a layer counts as painted: brushes are soft at their rim."""
_NEAR: Final = 70.0
"""Distance in RGB within which a colour is a brush's: under half of the 152 between green and
blue, the two nearest. Where strokes of two brushes blend, neither is meant: unknown."""
_GRABCUT_SIDE: Final = 640
"""GrabCut works at this longer side, some seconds; the unknown band takes up the difference."""
_TINT: Final = 0.45  # chosen by eye: the trimap shows and the picture too


def view(picture: Pixels, side: int = VIEW_SIDE) -> Pixels:
    """A picture (H, W) or (H, W, 3) uint8, reduced to a longer side."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def painted(editor: Mapping[str, Any] | None, shape: tuple[int, ...]) -> Pixels | None:
    """What was painted, at the picture's size.

    Args:
        editor: Value of Gradio's image editor: ``layers`` holds (h, w, 4) uint8 pictures.
        shape: Of the picture, height first.

    Returns:
        (H, W) uint8 of 0, 128, 255 and :data:`NOTHING`; None where nothing was painted.
    """
    layers = [layer for layer in (editor or {}).get("layers") or [] if layer is not None]
    labels: Pixels | None = None
    for layer in layers:
        found = _labels(np.asarray(layer, np.uint8))
        if (found == NOTHING).all():
            continue
        # Resized to the picture, without blending labels.
        size = (shape[1], shape[0])
        full = np.asarray(cv2.resize(found, size, interpolation=cv2.INTER_NEAREST), np.uint8)
        labels = full if labels is None else np.where(full == NOTHING, labels, full)
    return None if labels is None else np.asarray(labels, np.uint8)


def _labels(layer: Pixels) -> Pixels:
    colours = np.array(
        [[int(text[at : at + 2], 16) for at in (1, 3, 5)] for text in BRUSHES.values()], np.float32
    )
    brushed = layer[..., 3] >= _SOLID
    labels = np.full(layer.shape[:2], NOTHING, np.uint8)
    distance = np.linalg.norm(layer[brushed][:, None, :3].astype(np.float32) - colours, axis=2)
    nearest = np.fromiter(BRUSHES, np.uint8)[distance.argmin(axis=1)]
    labels[brushed] = np.where(distance.min(axis=1) <= _NEAR, nearest, np.uint8(UNKNOWN))
    return labels


def with_strokes(base: Pixels | None, strokes: Pixels | None) -> Pixels | None:
    """A trimap with what was painted over it.

    Args:
        base: (H, W) uint8 trimap; None leaves unknown what was not painted.
        strokes: From :func:`painted`.

    Returns:
        (H, W) uint8 of 0, 128 and 255; None where there is neither.

    Raises:
        PortraitError: It was only painted, and either foreground or background is missing.
    """
    if strokes is None:
        return base
    if base is not None:
        return np.where(strokes == NOTHING, base, strokes)
    for value, name in ((FOREGROUND, "foreground (green)"), (BACKGROUND, "background (red)")):
        if not (strokes == value).any():
            raise PortraitError(f"no {name} is painted; try: a few strokes of it")
    return np.where(strokes == NOTHING, np.uint8(UNKNOWN), strokes)


def mask_from_strokes(picture: Pixels, strokes: Pixels | None) -> Pixels:
    """The person's mask from some strokes, by GrabCut.

    Rother, Kolmogorov and Blake, "GrabCut", 2004, through OpenCV. What is painted keeps its
    label. What is nearer to a foreground stroke than to a background stroke or to the picture's
    border is taken for the person at first.

    Args:
        picture: (H, W, 3) uint8 sRGB.
        strokes: From :func:`painted`.

    Returns:
        (H, W) uint8 of 0 and 255.

    Raises:
        PortraitError: No foreground is painted, or nothing is found.
    """
    if strokes is None or not (strokes == FOREGROUND).any():
        raise PortraitError("GrabCut needs foreground; try: paint some strokes on the person")
    small = view(picture, _GRABCUT_SIDE)
    marks = cv2.resize(strokes, small.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    known = np.pad(marks == BACKGROUND, 1, constant_values=True)
    to_background = _distance_to(known)[1:-1, 1:-1]
    near = _distance_to(marks == FOREGROUND) < to_background
    labels = np.where(near, np.uint8(cv2.GC_PR_FGD), np.uint8(cv2.GC_PR_BGD))
    labels[marks == FOREGROUND] = cv2.GC_FGD
    labels[marks == BACKGROUND] = cv2.GC_BGD
    cv2.setRNGSeed(0)  # its clusters start at random
    try:
        cv2.grabCut(
            np.ascontiguousarray(small), labels, (0, 0, 0, 0), np.zeros((1, 65)),
            np.zeros((1, 65)), 5, cv2.GC_INIT_WITH_MASK,
        )  # fmt: skip
    except cv2.error:
        raise PortraitError(
            "GrabCut found no background; try: paint some strokes of background (red)"
        ) from None
    found = np.where((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD), 255, 0).astype(np.uint8)
    if not found.any():
        raise PortraitError("GrabCut found nobody; try: more strokes on the person")
    size = (picture.shape[1], picture.shape[0])
    mask = np.asarray(cv2.resize(found, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    return np.where(mask >= 128, np.uint8(255), np.uint8(0))


def _distance_to(where: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance of each pixel to the nearest one that is marked, in pixels."""
    outside = (~where).astype(np.uint8)
    return np.asarray(cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_5), np.float32)


def tinted(picture: Pixels, trimap: Pixels | None) -> Pixels:
    """A picture (H, W, 3) uint8 at the page's size, coloured by its trimap."""
    small = view(picture)
    if trimap is None:
        return small
    labels = cv2.resize(trimap, small.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    result = small.astype(np.float32)
    for value, text in BRUSHES.items():
        colour = np.array([int(text[at : at + 2], 16) for at in (1, 3, 5)], np.float32)
        where = labels == value
        result[where] += _TINT * (colour - result[where])
    return np.rint(result).astype(np.uint8)
