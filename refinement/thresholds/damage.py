"""Whether a matte is damaged at all."""

from __future__ import annotations

from typing import Final

DIRTY: Final = 0.0125
"""Share of definite foreground below 1 from which the matte counts as damaged. Measured: raw
pictures have 2 to 22 % there."""
DIRTY_SIDE: Final = 12
"""The area of a square with a side of so many pixels, below 1, is too little to tell: the definite
foreground of plants and nets is small. Chosen by eye."""
DIRTY_SOFT: Final = (0.08, 0.75, 64, 0.02)
"""Gaps out of focus: so much of the body lacks, the second of it near what is 1, the last of it
steeper than the third. Measured beside a clear background: hair 0.06, 0.75, 12, 0; damage 0.17."""
EVEN_WHOLE: Final = 0.05
"""A body lies evenly below 1 where no more than this share of its cells is 1 throughout. Measured:
0.01 in the fur of a measured matte, 0.18 to 0.95 in bodies as generated."""
EVEN_OUTSIDE: Final = 0.0005
"""And where no more than this share of the background away from the border is above 0. Measured:
0.0001 beside that fur. Grain that damage adds to a body shows in the background too."""
EVEN_REACHES: Final = 0.9
"""And at least this share of them reaches 1 somewhere. Measured: 0.97 in that fur."""
HAZY: Final = 0.04
"""Share of definite background above 0 from which the matte counts as damaged. Chosen by eye,
so that compression noise of good mattes does not count."""
MISSING_SIDE: Final = 64
"""A see-through part beside which the outline of the body goes on shows damage if it covers more
than the area of a square with a side of so many pixels. Chosen by eye: openings of curls that are
out of focus are smaller."""
