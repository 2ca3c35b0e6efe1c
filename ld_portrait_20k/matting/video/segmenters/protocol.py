"""What every segmenter promises."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from ld_portrait_20k.matting.video.frames import Frame, Pixels


@runtime_checkable
class Segmenter(Protocol):
    """A way from a frame to the mask of the person in it.

    A segmenter is called for each frame in turn. What it needs of the past is ``last``, so
    that a run can go on where another one was killed; one that remembers more must forget it
    where ``frame.index`` is a multiple of :data:`~.writing.SEGMENT`.

    Attributes:
        name: For messages and ``--segmenter``.
    """

    name: str

    def __call__(self, frame: Frame, last: tuple[Frame, Pixels] | None) -> Pixels:
        """The mask of a frame.

        Args:
            frame: The frame.
            last: The frame before it and the mask that was kept of it; None for the first.

        Returns:
            (H, W) uint8 of the frame's size: 255 person, soft values between.

        Raises:
            PortraitError: There is no mask for this frame.
        """
        ...
