"""Wide see-through parts beside which the outline of the body goes on."""

from __future__ import annotations

from typing import Final

SEE_THROUGH_WIDE: Final = 16
"""Half the side, in pixels, of a square that such a part holds. Trade: with 12, narrow tulle beside
a body is filled."""
SEE_THROUGH_SIDE: Final = 40
"""It covers more than the area of a square with a side of so many pixels. Chosen by eye."""
SEE_THROUGH_REACH: Final = 20
"""How far, in pixels, its soft rim may reach beyond such squares. As for panels."""
SEE_THROUGH_DIP: Final = 0.6
"""It reaches as far as alpha is this share of its level at least. Trade between its texture and the
soft edge towards background."""
OUTLINE_BLUR: Final = 8
"""Half the side, in pixels, of the square over which texture is averaged. Chosen by eye: weaves and
folds are finer."""
OUTLINE_THICK: Final = 3
"""Half the side, in pixels, of the smallest square of body that has an outline: no seam and no hair
has. Chosen by eye."""
OUTLINE_REACH: Final = 12
"""Half the side, in pixels, of the squares in which the outline is looked at. Chosen by eye: longer
than texture, shorter than a limb is wide."""
OUTLINE_VISIBLE: Final = 0.6
"""The outline goes on where no more than this share of the squares is visible: half of them beside
a straight one, three quarters where cloth begins. Measured on 120 parts of nine designs and 1,800
soft places of tulle, hair, fur and nets: 75 in 100 parts have up to 0.62, 95 in 100 others more
than 0.61."""
OUTLINE_BODY: Final = (0.25, 0.44)
"""And body covers so much of them: a quarter where it ends, half where its own outline goes on
within the part. At no junction is it more than the second. Measured on the same: 96 in 100 parts
lie between."""
JUNCTIONS: Final = 8
"""At least so many pixels where body, part and background meet. Fewer tell nothing."""
SEE_THROUGH_LEAST: Final = 40
"""It is open where alpha is below this level. Chosen by eye, between halo and strong damage."""
SEE_THROUGH_OPEN: Final = 0.02
"""Meshes and hair are open over more than this share. Chosen by eye."""
CLEAR_SHARE: Final = 0.02
"""A picture is hazy all over where less than this share of it is clear. As for the clear level."""
ENCLOSED: Final = 0.97
"""A part has body all about it along this share of its rim. Trade: where only no clear pixel lies
beside it, tulle between an arm and the frame is filled."""
WITHIN_WIDE: Final = 40
"""Half the side, in pixels, of a square that a part with body along more than PANEL_BODY of its rim
holds, if its texture is to count for nothing in a damaged matte. Measured on 318 parts of five
designs and 1,369 soft places of tulle, hair, fur and defocus: cloth and fringes have body along a
half of their rim, and of those with more only one, out of focus, holds a disc of this radius times
1.2, as do parts with 0.4 of what no outline tells. With 30, fur is filled; with the hair beside a
part left out of its rim, tulle."""
WITHIN_RIM: Final = 12
"""How far, in pixels, from what is clear only what is no lower than such a part is filled: hair may
lie there. Chosen by eye on curls beside strong damage; 8 does as well."""
