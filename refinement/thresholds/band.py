"""Veil and halo in the band, and the line at the frame."""

from __future__ import annotations

from typing import Final

VEILED: Final = 248
"""Body below this level beside the band shows a veil that may run on into it. Chosen by eye."""
VEIL_TOLERANCE: Final = (2, 12)
"""What is connected with veiled body and not lower than the lowest of it nearby is veiled too, but
for at least the first and at most the second below its mean. Trade."""
CAUTION: Final = 2.0
"""A textured veil is taken to be weaker near the border by so many standard deviations. Trade:
it trades one damage design against the other."""
HALO_FADE: Final = 2.0
"""Halo is taken off fully up to its own level and not at all from so many times it. Trade between
a halo that adds to alpha, which wants more, and one that is a maximum, which wants less. What lies
between is stretched by this at most, so no step over 8 is made where raw had less than 5."""
HALO_NEAR: Final = 3
"""The level of the halo is the highest within so many pixels, smoothed over nearly as many. Trade:
2 leaves more steps."""
HALO_AT_MOST: Final = 77
"""A wide halo is fainter than this (0.3). Chosen between halos and tulle."""
HALO_LEAST: Final = 2
"""Alpha above this counts as a part of a wide halo."""
HALO_LOWERED: Final = 20
"""Where more than the area of a square with a side of so many pixels was lowered to the level of
clear, contours aside, a further pass is made. Chosen so that none changes anything in the others of
300 pictures."""
HALO_WIDE: Final = 3
"""Half the side, in pixels, of the smallest square in which a halo is smooth. Chosen by eye."""
HALO_RANGE: Final = 18
"""A halo is smooth where alpha spans no more than this over 9 x 9 px. As for panels."""
HALO_TOLERANCE: Final = 10
"""A halo reaches as far as alpha is not higher than its level by more than this. Trade."""
HALO_REACH: Final = 12
"""How far, in pixels, a halo may go on beyond its smooth part. Trade."""
HALO_RISE: Final = 80
"""The subject begins abruptly beside a halo: within 4 px alpha is higher than its level by this.
Chosen by eye; slopes of defocus and of motion rise less."""
HALO_ABRUPT: Final = 0.7
"""So much of a halo's rim towards the subject is abrupt. Trade."""
HALO_ALIKE_ABRUPT: Final = (0.95, 0.5)
"""Where a picture has halo for certain, parts no higher need an abrupt rim along so much: the first
if they are small or enclosed, else the second. Measured on real mattes: faint hair that is small or
enclosed has 0.5 to 0.9."""
HALO_ALIKE_OPEN: Final = 2.0
"""The rim towards background of a small part is at most so many times that towards the subject:
longer ones are strands and wisps. Measured on the same."""
HALO_ALIKE_SIDE: Final = 10
"""Such a part covers the area of a square with a side of so many pixels. Smaller ones lie along all
edges, and make steps there. Trade."""
HALO_OPEN: Final = 0.15
"""A halo's rim towards background is at least this share of that towards the subject. Chosen by
eye: what body encloses is a panel."""
HALO_EDGE: Final = 40
"""Cloth of at least this level has an edge towards background; fainter cloth is not told from a
halo. Chosen by eye."""
HALO_SIDE: Final = 24
"""A wide halo covers the area of a square with a side of so many pixels. Trade: smaller ones took
faint hair of undamaged mattes."""
GAIN_AT_LEAST: Final = 0.75
"""A veil in the band is never divided by less. Chosen by eye."""
FRAME_BODY: Final = 0.9
"""The frame cuts body where the line behind the outermost one is at least this. Chosen by eye."""
FRAME_LEVEL: Final = 0.05
"""The two lines behind the outermost one differ by no more than this in body. Chosen by eye: an
edge that runs along the frame differs by more."""
FRAME_DARKENED: Final = 0.985
"""The outermost line was darkened where it is lower than the next by more than this. Measured:
Layer Diffusion's decoder lowers alpha there by a few percent, by up to a quarter in one picture."""
FRAME_RUN: Final = 9
"""Darkened runs are at least so many pixels long. Chosen by eye: strands are thinner."""
