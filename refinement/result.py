"""What a refinement gives back."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refinement.band.trimap import trimap
from refinement.io import pictures
from refinement.io.files import write_whole
from refinement.options import RefinementError
from refinement.planes.grid import Pixels, to_8_bit
from refinement.report import Report


@dataclass(frozen=True, slots=True, repr=False)
class RefinedMatte:
    """What ``refine`` returns.

    Attributes:
        alpha: (H, W) float32, 0..1.
        foreground: (H, W, 3) straight sRGB; uint8, or uint16 for 16-bit and float input.
        unknown: How far the trimap's unknown region reaches beyond the soft alpha, in pixels.
        report: What was changed, and whether the result can serve as ground truth.
        colour_space: The PNG chunks that say what the colours mean (ICC profile, gamma), where
            the input was a file or a PIL image that said so.
    """

    alpha: NDArray[np.float32]
    foreground: Pixels
    unknown: int
    report: Report
    colour_space: bytes = b""

    @property
    def trimap(self) -> NDArray[np.uint8]:
        """(H, W) uint8: 0 background, 128 unknown, 255 foreground; made at each access."""
        return trimap(to_8_bit(self.alpha), self.unknown)

    @property
    def rgba(self) -> Pixels:
        """(H, W, 4) straight sRGB and alpha, of the foreground's dtype; made at each access."""
        limit = np.iinfo(self.foreground.dtype).max
        result = np.empty((*self.alpha.shape, 4), self.foreground.dtype)
        result[..., :3] = self.foreground
        result[..., 3] = self.alpha * limit + 0.5  # rounds, as the assignment cuts off
        return result

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write :attr:`rgba` as a PNG, of 16 bits where the input had more than 8.

        The file is there whole or not at all. Folders that are missing are made.

        Args:
            path: Ends in ``.png``; a file that is there is replaced.

        Raises:
            RefinementError: The name does not end in ``.png``.
            OSError: It cannot be written.
        """
        target = Path(path)
        if target.suffix.lower() != ".png":
            better = target.with_suffix(".png") if target.name else target / "refined.png"
            raise RefinementError(f"{target}: a result is saved as PNG; try: {better}")
        write_whole(target, pictures.encode(self.rgba, colour_space=self.colour_space))

    def __repr__(self) -> str:
        height, width = self.alpha.shape
        text = f"{width} x {height}, {8 * self.foreground.itemsize} bit, "
        text += f"confidence {self.report.confidence:.2f}"
        if self.report.reasons:
            text += f", rejected: {', '.join(self.report.reasons)}"
        return f"<RefinedMatte {text}>"
