"""The arms: mattes of the same foregrounds, made in different ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.errors import PortraitError

Picture = NDArray[np.uint8]

SOURCE_ARMS: Final = ("truth", "refined", "raw", "keyed", "lcc")
"""Of the table of matte sources; ``lcc`` is the largest connected component."""

PARTS: Final = {
    "all parts": None,
    "without levels": "levels",
    "without holes": "holes",
    "without colour": "colour",
}
"""Arms of the refinement's table, and the part that each leaves out."""

_SHOWS: Final = 25
"""8-bit alpha from which a pixel counts for the largest component: refinement's ``VISIBLE``,
0.1, just visible over a contrasting background."""


@dataclass(frozen=True, slots=True, eq=False)
class Mattes:
    """What one sample is known by.

    Attributes:
        sample_id: Its id.
        raw: Foreground (H, W, 3) and alpha (H, W), uint8, as generated; None if not kept.
        refined: The same, refined.
        truth: The same, exact; None where nobody knows it.
    """

    sample_id: str
    refined: tuple[Picture, Picture]
    raw: tuple[Picture, Picture] | None
    truth: tuple[Picture, Picture] | None

    @property
    def best(self) -> tuple[Picture, Picture]:
        """The truth; what was refined where there is none."""
        return self.truth or self.refined


def source_arm(arm: str, mattes: Mattes, seed: int) -> tuple[Picture, Picture]:
    """Foreground and alpha of an arm of :data:`SOURCE_ARMS`.

    Args:
        arm: Its name.
        mattes: Of the sample; the arm must be among :func:`available`.
        seed: Of the camera's noise, for ``keyed``.
    """
    if arm == "keyed":
        return keyed(*mattes.best, seed)
    if arm == "lcc":
        assert mattes.raw is not None
        return mattes.raw[0], largest_component(mattes.raw[1])
    found: tuple[Picture, Picture] = getattr(mattes, arm)
    return found


def available(mattes: Mattes) -> tuple[str, ...]:
    """The arms that a sample allows, in the order of :data:`SOURCE_ARMS`."""
    missing = {"truth"} if mattes.truth is None else set()
    missing |= {"raw", "lcc"} if mattes.raw is None else set()
    return tuple(arm for arm in SOURCE_ARMS if arm not in missing)


def largest_component(alpha: Picture) -> Picture:
    """Alpha within the largest 8-connected region that shows, 0 elsewhere; (H, W) uint8."""
    shows = (alpha >= _SHOWS).astype(np.uint8)
    count, labels, figures, _ = cv2.connectedComponentsWithStats(shows, connectivity=8)
    if count < 2:
        return alpha
    largest = 1 + int(figures[1:, cv2.CC_STAT_AREA].argmax())
    # Fainter pixels at its rim are part of it: a ring of one pixel keeps soft edges whole.
    mask = cv2.dilate((labels == largest).astype(np.uint8), np.ones((3, 3), np.uint8))
    return np.asarray(alpha * mask, np.uint8)


def refined_without(arm: str, mattes: Mattes) -> tuple[Picture, Picture]:
    """Foreground and alpha of an arm of :data:`PARTS`, refined now from the raw matte.

    Raises:
        PortraitError: The package ``refinement`` is not there.
    """
    assert mattes.raw is not None
    foreground, alpha = mattes.raw
    found = _refine()(np.dstack([foreground, alpha]), without=PARTS[arm])
    return found.foreground, np.rint(found.alpha * 255).astype(np.uint8)


def keyed(foreground: Picture, alpha: Picture, seed: int) -> tuple[Picture, Picture]:
    """Foreground and alpha that chroma keying gets of a green screen's footage.

    The foreground is filmed by :mod:`..keying.camera` and keyed with the clean plate.

    Args:
        foreground: (H, W, 3) uint8, straight sRGB.
        alpha: (H, W) uint8.
        seed: Of the camera's noise.
    """
    from ld_portrait_20k.matting.keying.camera import shoot
    from ld_portrait_20k.matting.keying.keyer import key

    shot = shoot(foreground, alpha, seed=seed)
    found = key(shot.image, "green", plate=shot.plate)
    return np.asarray(found.foreground, np.uint8), np.asarray(found.alpha, np.uint8)


def _refine() -> Callable[..., Any]:
    # By name: this package stands without the refinement, and only this table needs it.
    try:
        found: Callable[..., Any] = import_module("refinement").refine
    except (ImportError, AttributeError) as problem:
        raise PortraitError(
            f"the table refinement needs the package refinement ({problem}); "
            "try: pip install ld-portrait-20k, or the other tables"
        ) from problem
    return found
