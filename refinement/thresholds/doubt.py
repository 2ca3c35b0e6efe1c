"""What the report rejects, and the error that it expects to be left."""

from __future__ import annotations

from typing import Final

EMPTY_SOFT_AREA: Final = 1e-4
"""A picture with no opaque pixel and less soft area is empty. Chosen by eye."""
TRANSLUCENT_AT_MOST: Final = 0.5
"""A subject of which more is translucent has no opaque body. Chosen by eye (the glass bottle)."""
HAZE_REJECTED: Final = 0.05
"""Mean raw alpha over the background from which the picture is rejected as haze. Measured:
`raw_haze` of five usable pictures is 0.0001 to 0.0032, of a hazy one 0.12."""
MOVED_VISIBLY: Final = 20
"""A pixel that moves by so much (0.08) is visibly different over a contrasting background. Chosen
by eye."""
ERROR_SOFT: Final = 0.002
"""Of a soft pixel: half of one 255th. Fitted."""
ERROR_UNEVEN_BODY: Final = 1.6
"""Of the opaque part of soft alpha, times the geometric mean of how uneven the damage of the body
beside it was (counted three times) and how far soft alpha was moved there. Fitted."""
ERROR_UNEVEN_GROUND: Final = 3.5
"""The same of its transparent part, and of what was cleared beside it. Fitted."""
UNEVEN_CELLS: Final = 5
"""Over so many cells of 8 px unevenness is measured. Fitted; 3 to 9 do as well."""
PURE: Final = 0.01
"""A cell shows the damage of the body if it holds less background than this, and the reverse, so
that a step from one to the other is not taken for unevenness."""
ERROR_LEVEL: Final = 2.4
"""Of level soft alpha, times its distance from 0 or 1: panels that are left. Fitted."""
ERROR_LEVEL_AT_MOST: Final = (0.0003, 0.004)
"""What level soft alpha adds stays below this in an undamaged picture and in a damaged one: wide
level parts are cloth more often than panels. Chosen so that cloth alone takes 0.07 of
`confidence` where nothing was wrong, and leaves about a half where much was."""
LEVEL_DAMAGE: Final = 0.005
"""A picture that moved by so much on average is damaged; in between lies in between."""
LEVEL_REACH: Final = 2
"""What is level is so over 5 x 5 pixels. Fitted."""
LEVEL_RANGE: Final = 9
"""It spans less than this there. Fitted; 6 to 12 do as well."""
LEVEL_SOFTNESS: Final = 8
"""It is farther than this from 0 and 255. Chosen by eye."""
ERROR_MOVED_VISIBLY: Final = 0.0005
"""Of a pixel that moved visibly, so that every such decision lowers `confidence`. Chosen: fitted it
would be 0, because nearly all of them are right (by design 0.0002 to 0.03 of such a pixel is wrong
where it became 0 or 1)."""
ERROR_HALF: Final = 0.004
"""The expected error at which `confidence` is a half. Its quantiles over damaged pictures are those
that version 1.4 had."""
