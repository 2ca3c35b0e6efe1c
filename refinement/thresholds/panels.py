"""Panels: see-through parts of the body that damage made."""

from __future__ import annotations

from typing import Final

SMOOTH: Final = 2.5
"""A wide dent may be a panel if it differs by less from pixel to pixel. Chosen by eye."""
ROUGH: Final = 12.0
"""A wide dent whose mean difference from pixel to pixel is above this is dense hair. Chosen by
eye."""
PANEL_WIDE: Final = 5
"""Half the side, in pixels, of the smallest square in which a panel is level. Chosen by eye."""
PANEL_RANGE: Final = 18
"""A part is level where alpha spans no more than this over 9 x 9 px. Measured on 833 panels of four
damage designs and 36 soft places of hair with body about them: 95 in 100 panels span up to 15 on
average, 95 in 100 places of hair more than 18."""
PANEL_TOLERANCE: Final = 25
"""A panel reaches as far as alpha is not lower than its level by more than this. Trade."""
PANEL_REACH: Final = 20
"""How far, in pixels, the soft rim of a panel may reach beyond its level part. Chosen by eye."""
PANEL_RIM: Final = 8
"""So many pixels about a panel belong to it in an undamaged matte. Chosen by eye."""
PANEL_LARGE: Final = 64
"""Where a refined matte is level over more than the area of a square with a side of so many pixels,
a further pass is made. Measured: none of 91 refined bodies is, 65 of 97 with tulle or wide soft
parts are."""
PANEL_BODY: Final = 0.6
"""A panel has body along more than this share of its rim. Measured on the same: 95 in 100 panels
have 0.65 at least, 90 in 100 soft places of hair at most 0.59."""
LIKELY_SMOOTH: Final = 1.8
"""Panels that only a damaged matte has differ by less from pixel to pixel. Measured on 1,100 panels
of three damage designs and 540 soft places of hair, tulle and nets: 95 in 100 panels by at most
1.5, half of the others by more than 2.3."""
LIKELY_ENDS: Final = 0.9
"""And they end within three pixels along at least this share of the rim that has no body beside it.
Measured: 1.0 for drawn panels at a crisp border, 0.74 for out-of-focus fur that looks like one."""
DENSE_PANEL: Final = (0.45, 150)
"""A panel whose level is above the second may have body along more than the first of its rim.
Trade: a head's edge is open along as much, and with 0.35 or 128 drawn tulle is filled."""
DENSER_PANEL: Final = (170, 32, 0.7)
"""Above the first it needs only touch body, because cloth that one sees through is fainter. Where
it holds a square of twice the second, in pixels, it may have texture, and the third of the rest of
its rim ends abruptly. Measured on seven designs at two strengths: 2.0 million pixels of panels,
0.003 of hair, fur and defocus, none of drawn tulle; with 150 drawn tulle is filled."""
VEIL_REACH: Final = 16
"""A veil goes on for so many pixels beyond the cells that are level: two cells."""
VEIL_NARROW: Final = 24
"""A veil is narrow where it holds no square of twice so many pixels. Chosen by eye."""
VEIL_SLOPES: Final = 0.6
"""A narrow veil is the top of what is out of focus where soft alpha covers more than this share of
the two pixels about it. Chosen by eye: beside a crisp edge it covers a half."""
PLATEAU_DROP: Final = (3, 4.0)
"""A thin body ends abruptly where background lies within so many pixels of its level top, and so
many at 1024, whichever is more. Chosen by eye: a pixel of top, one of edge, and one more."""
PLATEAU_RANGE: Final = 18
"""The top is level where alpha spans no more than this over 3 x 3 pixels. As for panels."""
PLATEAU_CRISP: Final = 0.5
"""Level tops are those of thin bodies where they are more than so many times as frequent as soft
alpha. Trade: 0 takes hairs for them."""
SEAM: Final = 4
"""Half the width, in pixels, of the widest gap in a panel that is a seam or fold of it. Chosen by
eye."""
