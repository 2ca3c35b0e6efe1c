"""What a caller may choose, and the error that says what was wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BODIES = ("reject", "keep", "largest")


class RefinementError(ValueError):
    """Input or options that cannot be refined; ``str()`` is one clear line."""


class PictureError(RefinementError):
    """A file that is not a picture that can be used.

    Attributes:
        reason: Short name of what is wrong: ``not-a-picture``, ``unreadable``, ``too-large``,
            ``too-small``, ``no-alpha`` or ``animated``.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.reason, str(self))


@dataclass(frozen=True, slots=True)
class Options:
    """The few choices that change the outcome; the defaults need no thought.

    Attributes:
        band_width: The widest level soft border that is believed, in pixels of a picture of
            1024 x 1024 (scaled with the square root of the area). What is level and half
            transparent farther from background is in doubt, see ``Report.doubtful_area``:
            below 0.45 it is haze and cleared, else kept. Slopes (motion, hair) may be wider.
        several_bodies: What to do when there are several separate opaque bodies:
            ``"reject"`` keeps them all and gives the reason ``several-bodies``,
            ``"keep"`` keeps them all without complaint, ``"largest"`` removes all but the
            largest.
        keep_flyaways: Whether thin, long pieces close to the body (a strand that fades and
            comes back) are kept; otherwise every detached piece is removed.
        estimate_colour: Whether the foreground colour is re-estimated; without it the
            input's colour is returned.
        trimap_width: Half the width of the trimap's unknown region beyond the soft alpha,
            in pixels at 1024 x 1024.
    """

    band_width: float = 64.0
    several_bodies: Literal["reject", "keep", "largest"] = "reject"
    keep_flyaways: bool = True
    estimate_colour: bool = True
    trimap_width: float = 8.0

    def __post_init__(self) -> None:
        if not 4 <= self.band_width <= 512:
            raise RefinementError(
                f"band_width must be between 4 and 512, not {self.band_width}; try: 64"
            )
        if not 0 <= self.trimap_width <= 256:
            raise RefinementError(
                f"trimap_width must be between 0 and 256, not {self.trimap_width}; try: 8"
            )
        if self.several_bodies not in BODIES:
            raise RefinementError(
                f"no several_bodies={self.several_bodies!r}; try: {', '.join(map(repr, BODIES))}"
            )
