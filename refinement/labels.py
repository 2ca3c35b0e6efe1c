"""Connected regions of masks, their labels, and what lies beside them.

The numbering of regions decides nothing: all functions give the same result when a picture is
flipped or turned by 90 degrees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from refinement.grid import as_mask8
from refinement.masks import Mask, Mask8, Places

Labels = NDArray[np.int32 | np.uint16]
"""(H, W), number of the region a pixel belongs to; 0 is none."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """The connected regions of a mask.

    One region usually covers most of the mask. Only the pixels of the others are listed.

    Attributes:
        mask: The mask.
        count: How many labels there are, 0 for no region included.
        labels: (H, W), uint16 where so few numbers do.
        main: The region that is not listed, or 0 if all are.
        places: The pixels of all other regions.
        names: (n,), their labels.
    """

    mask: Mask
    count: int
    labels: Labels
    main: int
    places: Places
    names: NDArray[np.intp]

    def mask_of(self, chosen: NDArray[np.bool_]) -> Mask:
        """The mask of the chosen ones of the regions.

        Args:
            chosen: (count,), of each label.
        """
        here = chosen[self.names]
        if self.main and chosen[self.main]:
            return self.mask - Mask.of_places(self.places[~here], self.mask.shape)
        return Mask.of_places(self.places[here], self.mask.shape)

    def meeting(self, other: Mask) -> NDArray[np.bool_]:
        """Which of the regions meet another mask, (count,)."""
        met = np.zeros(self.count, np.bool_)
        met[self.names[other.at(self.places)]] = True
        if self.main:
            listed = Mask.of_places(self.places, self.mask.shape)
            met[self.main] = bool((self.mask - listed) & other)
        return met


def label(mask: Mask, connectivity: int) -> Labelled:
    """Label the connected regions of a mask."""
    pixels = mask.pixels()
    # OpenCV numbers the beginnings of regions first, each of which is that of a run.
    small = mask.runs() < np.iinfo(np.uint16).max
    count, found = cv2.connectedComponents(
        pixels, connectivity=connectivity, ltype=cv2.CV_16U if small else cv2.CV_32S
    )
    labels: Labels = np.asarray(found, np.uint16) if small else np.asarray(found, np.int32)
    main = dominant_label(labels)
    listed = pixels.view(bool)
    places = np.flatnonzero(listed & (labels != main) if main else listed)
    return Labelled(mask, count, labels, main, places, labels_at(labels, places))


def labels_at(labels: Labels, places: Places) -> NDArray[np.intp]:
    """The labels at some places, (n,); as indices they are faster than as labels."""
    return labels.ravel()[places].astype(np.intp)


def regions_meeting(mask: Mask, other: Mask) -> Mask:
    """The 8-connected regions of a mask that meet another mask."""
    regions = label(mask, connectivity=8)
    return regions.mask_of(regions.meeting(other))


def count_beside(
    labels: Labels, where: Mask8, kernel: Mask8, count: int
) -> Callable[[Mask8], NDArray[np.intp]]:
    """A function that counts pixels beside each region.

    A pixel beside two regions counts for both, so that the numbering decides nothing.

    Args:
        labels: (H, W), at most 65534 regions.
        where: (H, W), the pixels that may count.
        kernel: What is beside: the structuring element that regions are dilated by.
        count: How many labels there are.

    Returns:
        A function of an (H, W) mask that gives (count,), the pixels of ``where`` in the mask beside
        each region.
    """
    none = np.iinfo(np.uint16).max
    names = labels.astype(np.uint16)
    last = np.asarray(cv2.dilate(names, kernel), np.uint16)
    places = np.flatnonzero((where & as_mask8(last > 0)).view(bool))
    last = last.ravel()[places]
    names[names == 0] = none
    first = np.asarray(cv2.erode(names, kernel), np.uint16).ravel()[places]
    both = (first != last) & (first != none)

    def counted(mask: Mask8) -> NDArray[np.intp]:
        chosen = mask.ravel()[places].view(bool)
        result = np.bincount(last[chosen], minlength=count)
        return result + np.bincount(first[chosen & both], minlength=count)

    return counted


def dominant_label(labels: Labels) -> int:
    """A label that covers much of the picture, or 0; callers use it for speed only."""
    counts = np.bincount(labels[::16, ::16].ravel())
    counts[0] = 0
    return int(np.argmax(counts)) if counts.any() else 0


def touching_frame(labels: Labels, count: int) -> NDArray[np.bool_]:
    """Which regions touch a side of the picture, (count,)."""
    result = np.zeros(count, np.bool_)
    for line in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        result[line] = True
    return result


def bounding_corners(
    names: NDArray[np.integer], places: NDArray[np.intp], shape: tuple[int, ...], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last row and column of every labelled piece.

    Args:
        names: (n,) labels of the pixels.
        places: (n,) flat indices of the pixels.
        shape: (H, W) of the picture.
        count: How many labels there are.

    Returns:
        Two (2, count) arrays: rows, then columns.
    """
    low = np.full((2, count), max(shape), np.int64)
    high = np.full((2, count), -1, np.int64)
    for axis, line in enumerate((places // shape[1], places % shape[1])):
        np.minimum.at(low[axis], names, line)
        np.maximum.at(high[axis], names, line)
    return low, high
