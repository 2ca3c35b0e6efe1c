"""One matting sample and what a source of them promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class MattingSample:
    """What a source knows of one picture; at least one of foreground and image is there.

    Attributes:
        sample_id: Unique within its source.
        alpha: (H, W) uint8.
        foreground: (H, W, 3) uint8, straight (not premultiplied) sRGB, to be composited
            over backgrounds; None where only the finished picture is known.
        image: (H, W, 3) uint8 sRGB, the finished picture, taken as it is; None where a
            background is still to be chosen.
        trimap: (H, W) uint8 of 0, 128 and 255; None where one is to be made.
    """

    sample_id: str
    alpha: NDArray[np.uint8]
    foreground: NDArray[np.uint8] | None = None
    image: NDArray[np.uint8] | None = None
    trimap: NDArray[np.uint8] | None = None


class MattingSource(Protocol):
    """Samples by number: map-style, picklable, in an order that never changes.

    Attributes:
        name: For logs and model cards.
    """

    name: str

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> MattingSample:
        """The sample of a number.

        Raises:
            PortraitError: A file is missing, unreadable or of another size; it is named.
        """
        ...
