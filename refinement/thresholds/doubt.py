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
ERROR_MOVED_SOFT: Final = 0.95
"""Of the geometric mean of how far a soft pixel was moved and how far it is from 0 or 1. Fitted."""
ERROR_UNEVEN: Final = 34.0
"""Of the transparent part of soft alpha, times the unevenness of what was cleared beside it to the
power of 1.5. Fitted."""
ERROR_LEVEL: Final = 3.0
"""Of level soft alpha far from background, times its distance from 0 or 1: panels that are left.
Fitted."""
ERROR_LEVEL_AT_MOST: Final = 0.006
"""What level soft alpha adds stays below this: wide level parts are cloth more often than panels.
Chosen so that cloth alone leaves `confidence` about a half."""
ERROR_MOVED_VISIBLY: Final = 0.003
"""Of a pixel that moved visibly. Measured on the same: 0.002 to 0.009 by design on average."""
ERROR_KEPT: Final = 0.0055
"""Of half transparent cloth that is kept, so that `confidence` falls by about its area."""
ERROR_HALF: Final = 0.0055
"""The expected error at which `confidence` is a half. Its quantiles over damaged pictures are those
that version 1.4 had."""
LEVEL_DEEP: Final = 16
"""Panels that are left lie farther from background than this. Fitted."""
LEVEL_ENDS: Final = (8, 247)
"""What is level there lies between these. Chosen by eye."""
LEVEL_RANGE: Final = 6
"""What is level there spans less than this over 3 x 3 pixels. Fitted."""
LEVEL_DAMAGE: Final = 0.005
"""Level soft alpha is doubted fully in a picture that moved by so much on average, and less in one
that moved less. Chosen so that undamaged tulle is believed."""
