"""Hair, told from body by its narrow gaps and fine structure."""

from __future__ import annotations

from typing import Final

GAP: Final = 12
"""Depth of the narrow gaps by which hair is told from body. Trade."""
FINE_REACH: Final = 6
"""Fine structure of hair that is hardly soft is at most twice so many pixels wide. Trade."""
FINE_NOISE: Final = 16.0
"""It is kept where its power is more than so many times that of the texture in the body away from
hair, that is, where it is four times as deep. Trade: 4 keeps more of a textured veil."""
NARROW_DEEP: Final = (8, 64)
"""Narrow dips in opaque body are counted where they are so deep, and as gaps where they are as deep
as the second. Measured: the texture that real veils leave in hair, fur and cloth is 16 deep in 9 of
10 pixels, and gaps between hanging hair open to the background somewhere."""
NARROW_CELLS: Final = (4, 11)
"""They are counted in cells of at least so many pixels, of which a square has so many on a side.
Trade: in pictures of 96 to 512 px smaller ones take groups of pin holes for hair."""
NARROW_SHARE: Final = (0.15, 0.025)
"""They are hair where more than these shares of those cells hold a dip and a gap. Measured on drawn
heads with four designs of damage: half of the hair that was filled by mistake, and 1 in 20 of the
pin holes; on six real pictures as generated, nothing that lies farther than 88 px inside."""
NARROW_GRAIN: Final = 2.0
"""And more than so many times the share that three quarters of the body exceed: grain. Chosen so
that a veil with coarse grain is taken off."""
DENSE: Final = 0.03
"""A cell with a larger share of narrow gaps may be hair. Trade."""
STRANDS_SHARE: Final = (0.015, 4.0)
"""Small dents are hair where their share exceeds the first plus the second times the usual share
deep in the body. Trade."""
THICK: Final = 5.0
"""A border thicker than this many pixels may hold hair; a crisp edge is thinner. Chosen by eye."""
