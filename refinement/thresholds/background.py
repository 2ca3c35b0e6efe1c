"""What is background, and what in it is haze or an opening."""

from __future__ import annotations

from typing import Final

HAZE_SIDE: Final = 16
"""Haze holds a square with a side of so many pixels, and of 7 px. Chosen between level places of
good hair and the haze of failed pictures."""
PIN_HOLE: Final = 60
"""A clear region of fewer pixels is a pin hole if nothing else is open near it. Chosen by eye."""
GAP_AREA: Final = 9
"""A clear region of at least so many pixels is background by itself. Chosen by eye."""
PANE_WIDE: Final = ((5, 40), (32, 100))
"""Half the side, in pixels, of a square that a faint enclosed part holds if it is to stay faint,
and over how much body it may lie from the outside. Chosen by eye: pin holes are narrower, and a rim
or thread is thinner than the first, an arm than the second."""
PANE_RIM: Final = 0.6
"""The share of their common rim that lies so near the outside: a panel in a head or an arm has wide
body on one side at least. Drawn lace has 0.69 and lenses 1, a panel in a drawn head 0.48."""
PANE_APART: Final = 12
"""Such parts belong together where no more than twice so many pixels lie between them: the openings
of a net. Chosen by eye."""
FLAT: Final = 9.0
"""A region whose standard deviation is below this counts as level. Chosen by eye."""
CRISP_RIM: Final = 0.6
"""A faint level region is cloth if so much of its outer rim is an edge. Chosen by eye."""
CRISP_RISE: Final = 0.7
"""The rim is an edge where alpha reaches this share of its inner level within 4 px. Chosen by
eye."""
