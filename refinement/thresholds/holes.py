"""Pin holes, and the gaps of hair, nets and leaves that they are told from."""

from __future__ import annotations

from typing import Final

PIN_HOLE_SIDE: Final = (8, 8.0)
"""It is at most so many pixels wide, and so many at 1024, whichever is more. Chosen by eye."""
PIN_HOLE_COMPACT: Final = 0.4
"""A pin hole covers at least this share of the square about it; a disc covers 0.79."""
PIN_HOLE_APART: Final = (2, 5.0)
"""Dents belong together where half the body between them is no wider than so many pixels, and so
many at 1024, whichever is more. Trade: of 43,000 pixels of drawn holes and 18,000 of gaps in
undamaged mattes, at 2 pixels 82 in 100 of the holes lie in groups that lead nowhere, and 3 in 100
of the gaps."""
PIN_HOLE_SHALLOW: Final = 246
"""Far from the border dents below this level are asked too. Chosen by eye."""
PIN_HOLE_GROUP: Final = 2.5
"""Pin holes near each other fill a square of at most so many times their largest side. Trade: with
1 half of what is left lies in groups, with 4 gaps of drawn hair are filled."""
PIN_HOLE_TOUCHING: Final = (12, 0.3)
"""In pictures smaller than the second (of 1024) holes touch each other, and a pin hole is at most
so many pixels wide. Trade: at 512 px a gap in the curls of portrait 01 is 10 px wide."""
PIN_HOLE_OPEN: Final = 5
"""A dent of at least so many clear pixels is an opening. Trade: 4 leave a sixth more of the holes
at 96 px, 9 fill openings of 4 px at 384 px."""
LONE_HOLE_COMPACT: Final = 0.5
"""A clear pin hole covers at least this share of the square about it. As for those of 1024 px."""
LONE_HOLE_BODY: Final = (2.0, 32.0)
"""About a clear pin hole lies so many times the largest side of body, and so many pixels at 1024,
whichever is more. Trade: of drawn clear holes that were left, two thirds go at 256 px and all at
512 px, and 1 more of 22,600 openings of fourteen kinds of drawn subjects is filled; with 24 pixels
gaps in braids are."""
LONE_HOLE_OPENINGS: Final = 8.0
"""Openings beside strands and leaves lie farther than so many times the largest side. Trade:
without, five gaps between leaves are filled."""
PIN_HOLE_SCATTER: Final = (2.0, 8)
"""Where holes touch each other a group may be so many times as large, if gaps begin farther from it
than so many times half the body between dents and it is wider than half a usual group: gaps form
rows. Trade: without the width 13 of 660 gaps in drawn braids are filled."""
FOCUS: Final = (0.6, 1.7, 24)
"""A dent without steps above the first share of its depth is soft: a gap, if the border within the
third is less steep, but by no more than the second. Theory: 1.52 for narrow gaps."""
STRAND_WIDTH: Final = 4
"""A border is ragged where it has strands and gaps up to so many pixels wide. Measured on dents
beside the border: 88 in 100 of 297 drawn holes, and 5 in 100 of 352 gaps of undamaged mattes, lie
where it is smooth in this sense; with 8 pixels less than 82 of the holes."""
RAGGED_SIDE: Final = 8
"""It is asked in squares that reach so far about a pixel. Trade, as above: 6 and 10 do as well."""
RAGGED_SHARE: Final = 0.1
"""It is ragged if more than this share of the square is part of strands and gaps. Trade: 0.15
leaves a seventh less of the holes at 96 px and fills a fifth more of gaps between leaves."""
RAGGED_REACH: Final = 2
"""Dents are gaps so many times half the body between gaps from it. Trade: 3 leave a fifth more."""
OPENING_AREA: Final = 4000
"""Openings of fewer pixels at 1024 lie among gaps; arms enclose larger ones. Trade: 16,000 leave a
quarter more of the holes at 512 px."""
OPENING_REACH: Final = 6
"""The same for such an opening. Trade: with 2 half as much again is filled between leaves."""
