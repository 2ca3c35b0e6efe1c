"""How far the colour of the foreground follows what pixels show."""

from __future__ import annotations

from typing import Final

COLOUR_TRUST: Final = (16.0, 1.0)
"""Reciprocal of the weight at which a plane of the pyramid needs nothing coarser, and by how much
that grows a level. Trade: `bench_refinement_colour`, as for the next five."""
COLOUR_TRUST_NEAR: Final = (8.0, 1.0)
"""The same for the foreground continued from nearly opaque pixels. A larger one follows it closer,
and PNGs grow: by 0.3 % at 16."""
COLOUR_TRUST_AGAIN: Final = (5.0, 4.0)
"""The same for what all soft pixels tell of the foreground: four times as many do on each level."""
COLOUR_NOISE: Final = 0.1
"""Variance of what is observed that no colour explains, against that of foreground."""
COLOUR_KINSHIP: Final = 0.8
"""Correlation of how padding and foreground vary."""
COLOUR_FAINT: Final = 0.125
"""Alpha below which the colour becomes the continued foreground, so that the outside is smooth."""
COLOUR_OPAQUE: Final = 0.9
"""Alpha above which a pixel shows how much foreground varies."""
COLOUR_PLAIN: Final = 6.0
"""A standard deviation of padding (of 255) below this counts little, plain foreground or not."""
COLOUR_ALIKE: Final = (2.0, 4.0)
"""Padding nearer to the foreground than the first (of 255) is the foreground; farther than the
second it is not. Measured about bands of seven real pictures and three drawn ones: all below 0.9
when refined, 98 in 100 above 2.5 as generated."""
