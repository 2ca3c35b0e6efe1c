"""Levels of alpha by which background, haze, veil and body are told apart."""

from __future__ import annotations

from typing import Final

CLEAR: Final = 15
"""A pixel at or below this level may be background. Measured: the halo that Layer Diffusion
leaves around a subject has 1 to 15 of 255 over 1 to 3 % of the picture."""
CLEAR_AT_MOST: Final = 56
"""Haze above this level is not taken for background. Measured: the clear level of five usable
pictures is 15; that of a hazy one reaches this limit."""
CLEAR_MARGIN: Final = (1.15, 2.0)
"""The level of clear is the 95th percentile of far haze times the first, plus the second.
Chosen by eye."""
SOLID: Final = 230
"""A pixel at or above this level may be body. Measured: veils inside bodies stay above 0.9 but
for 0.1 % of the pixels."""
OPAQUE_VEIL: Final = 217
"""Visible pixels below this level (0.85) count as translucent in the report. Chosen by eye."""
DENT: Final = 77
"""A wide dent whose floor is above this level is an artifact; below, it is an opening under
haze. Measured: the worst panel of the armour goes down to 0.6, haze up to 0.4; chosen between."""
HAZE_AT_MOST: Final = 115
"""A level region far from everything may be haze below this (0.45). Measured: failed pictures
have haze of up to 0.4."""
VISIBLE: Final = 25
"""What is filled or lies beyond the band is in doubt from this level to SOLID. Chosen by eye."""
STRONG: Final = 64
"""A small detached piece below this level is an artifact if there are others. Chosen by eye."""
VEIL: Final = 204
"""A level part above this (0.8) is a veil over the body wherever it lies. Measured: veils inside
bodies stay above 0.9 but for 0.1 % of the pixels; denser panels have body about them."""
