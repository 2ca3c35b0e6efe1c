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


@runtime_checkable
class AnchoredSegmenter(Segmenter, Protocol):
    """A segmenter that goes by what it is told of the first frame, through the whole clip."""

    def begin(self, frame: Frame) -> None:
        """Take in the clip's first frame.

        It is called before any other call, also where a run goes on in the middle.

        Raises:
            PortraitError: What the user gave does not fit the frame.
        """
        ...


def begin(segmenter: Segmenter, frame: Frame) -> None:
    """Show a segmenter the clip's first frame, if it wants to see it."""
    if isinstance(segmenter, AnchoredSegmenter):
        segmenter.begin(frame)
