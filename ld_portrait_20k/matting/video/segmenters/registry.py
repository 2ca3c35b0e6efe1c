"""The segmenters by name, and what ``auto`` takes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.video.frames import Pixels
from ld_portrait_20k.matting.video.segmenters.protocol import Segmenter

AUTO: Final = "auto"

SEGMENTERS: Final = {
    "masks": "a folder or clip of masks that you have (--masks)",
    "first-mask": "one mask or box in the first frame, carried on by optical flow; no weights",
    "mediapipe": "MediaPipe's selfie segmentation under ai-edge-litert; light, weak on whole "
    "bodies and busy backgrounds",
}
"""Each name and what it is."""


@dataclass(frozen=True, slots=True)
class Guides:
    """What a user gives a segmenter to go by.

    Attributes:
        masks: Folder or clip of masks.
        first: (H, W) uint8 mask of the first frame.
        weights: File of weights.
        start: In-point in seconds.
        rate: Frames a second of the clip.
    """

    masks: Path | None = None
    first: Pixels | None = None
    weights: Path | None = None
    start: float = 0.0
    rate: Fraction = Fraction(25)


def choose(name: str, guides: Guides) -> tuple[str, str]:
    """The segmenter that a name and the guides mean.

    Returns:
        Its name, and a sentence that says which it is and why.

    Raises:
        PortraitError: ``auto``, and none can be had.
    """
    from ld_portrait_20k.matting.video.segmenters import mediapipe

    if name != AUTO:
        if name not in SEGMENTERS:
            raise PortraitError(f"no segmenter {name!r}; try: {', '.join((AUTO, *SEGMENTERS))}")
        return name, f"segmenter: {name}"
    if guides.masks is not None:
        return "masks", f"segmenter: the masks in {guides.masks}"
    if guides.first is not None:
        return "first-mask", "segmenter: first-mask, carried on by optical flow"
    if mediapipe.is_ready():
        return "mediapipe", "segmenter: mediapipe, the best that is installed"
    raise PortraitError(
        "no segmenter is installed; try: --masks FOLDER, --first-mask PICTURE, "
        f"or mediapipe (npm pack {mediapipe.PACKAGE}, and name its {mediapipe.FILE} in "
        f"{mediapipe.ENVIRONMENT})"
    )


def open_segmenter(name: str = AUTO, guides: Guides | None = None) -> Segmenter:
    """Open a segmenter.

    Args:
        name: One of :data:`SEGMENTERS`, or ``auto``.
        guides: What it goes by.

    Raises:
        PortraitError: There is none of that name, or what it needs is missing.
    """
    guides = guides or Guides()
    name, _ = choose(name, guides)
    if name == "masks":
        if guides.masks is None:
            raise PortraitError("the segmenter masks needs --masks FOLDER or CLIP")
        from ld_portrait_20k.matting.video.segmenters.given import GivenMasks

        return GivenMasks(guides.masks, start=guides.start, rate=guides.rate)
    if name == "mediapipe":
        from ld_portrait_20k.matting.video.segmenters.mediapipe import SelfieSegmentation

        return SelfieSegmentation(guides.weights)
    if guides.first is None:
        raise PortraitError(f"the segmenter {name} needs --first-mask PICTURE or --first-box")
    from ld_portrait_20k.matting.video.segmenters.first_mask import FirstMask

    return FirstMask(guides.first)
