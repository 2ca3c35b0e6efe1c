"""What a user says of the person in the first frame: a mask, a box or a point."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.video.frames import Pixels
from ld_portrait_20k.matting.video.masks import fit_mask

Box = tuple[int, int, int, int]
Point = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """Where the person is in the first frame; one of the three.

    Attributes:
        mask: (H, W) uint8, scaled to the frame if need be.
        box: Left, top, width, height in pixels.
        point: Right and down in pixels.
    """

    mask: Pixels | None = None
    box: Box | None = None
    point: Point | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said."""
        return self.mask is None and self.box is None and self.point is None

    def check(self, height: int, width: int) -> None:
        """Check that it fits frames of this size.

        Raises:
            PortraitError: It does not, or the mask is empty.
        """
        if self.mask is not None:
            self.fitted_mask(height, width)
        if self.box is not None:
            left, top, box_width, box_height = self.box
            if min(left, top) < 0 or left + box_width > width or top + box_height > height:
                raise PortraitError(
                    f"the box {left},{top},{box_width},{box_height} does not lie in the frame, "
                    f"{width} x {height}; try: left, top, width and height within it"
                )
        if self.point is not None and not (
            0 <= self.point[0] < width and 0 <= self.point[1] < height
        ):
            raise PortraitError(
                f"the point {self.point[0]},{self.point[1]} does not lie in the frame, "
                f"{width} x {height}; try: x and y within it, from the top left corner"
            )

    def fitted_mask(self, height: int, width: int) -> Pixels:
        """The mask at the size of the frames.

        Raises:
            PortraitError: It is empty or of other proportions.
        """
        assert self.mask is not None
        if not (self.mask >= 128).any():
            raise PortraitError("the first mask is empty; try: a mask that is white on people")
        return fit_mask(self.mask, height, width, "the first mask")


def mask_in_box(colour: Pixels, box: Box) -> Pixels:
    """The mask of what stands in a box, by GrabCut.

    Rother, Kolmogorov and Blake, "GrabCut", 2004, through OpenCV.

    Args:
        colour: (H, W, 3) uint8 sRGB, the first frame.
        box: Left, top, width, height in pixels.

    Returns:
        (H, W) uint8 of 0 and 255.

    Raises:
        PortraitError: The box lies outside the frame or is all of it, or nothing was found in it.
    """
    height, width = colour.shape[:2]
    Prompt(box=box).check(height, width)
    if box[2:] == (width, height):  # what lies outside tells what the background looks like
        raise PortraitError(
            f"the box {','.join(map(str, box))} is the whole frame; "
            "try: one close about the person, or --first-mask"
        )
    labels = np.zeros(colour.shape[:2], np.uint8)
    cv2.setRNGSeed(0)  # its clusters start at random
    cv2.grabCut(
        np.ascontiguousarray(colour), labels, box, np.zeros((1, 65)), np.zeros((1, 65)), 5,
        cv2.GC_INIT_WITH_RECT,
    )  # fmt: skip
    mask = np.where((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD), np.uint8(255), np.uint8(0))
    if not mask.any():
        raise PortraitError("nothing stands out in the box; try: --first-mask with a mask")
    return mask
