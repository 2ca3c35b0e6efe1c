"""Bodies, their detached pieces and the strands that lead to them."""

from __future__ import annotations

from typing import Final

BODY_AREA: Final = 256
"""A body has at least so many opaque pixels (a square of 16). Chosen by eye."""
BODY_SHARE: Final = 0.04
"""A body has at least this share of the largest one's opaque area. Chosen by eye."""
CUT_SHARE: Final = 0.01
"""A piece that the frame cuts belongs from this share on. Chosen by eye."""
STRAND_REACH: Final = 24
"""A strand may come back after a gap of so many pixels. Chosen by eye on portraits 01 and 03."""
THIN_REACH: Final = 10
"""The same for a piece that is thin and not long."""
STRAND_FADES: Final = 3
"""A strand may fade so often on its way. Chosen by eye."""
TAIL_REACH: Final = 160
"""A faint strand is followed for so many pixels from what is visible. Chosen by eye."""
TAIL_RISE: Final = 1.5
"""A faint strand has so many times the alpha of the halo about it. Trade: 2 saves fewer tails of
hair, and none saves a few pixels of halo."""
