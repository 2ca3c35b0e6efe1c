"""Every threshold of the refinement, with what set it.

Levels are of 255. Lengths inside the functions are pixels of a picture of 1024 x 1024, scaled
with the square root of the area.

Four kinds of origin occur:

- *measured*: on published Layer Diffusion pictures (eleven of them, unless the text says
  otherwise); the figure is given.
- *trade*: `python -m tests.benchmarks.bench_refinement` moves with it (SAD and the band's error
  against truth over 60 procedural portraits); the value is the best compromise that was tried.
- *chosen by eye*: on the same Layer Diffusion pictures and on the drawn cases of
  `tests/refinement`, which fail when it moves far.
- *fitted*: to the error that was left in 1,300 refined pictures: drawn portraits of two kinds, real
  mattes, fur, nets and plants, each damaged by nine designs
  (`python -m tests.benchmarks.bench_refinement_doubt --fit`). On fresh damage and without any one
  design or kind of picture the weights come out at 0.7 to 1.0 of what they are, ERROR_SOFT and
  ERROR_LEVEL at 0.9 to 2.0. ERROR_MOVED_VISIBLY and ERROR_KEPT come out near 0; they stay so that
  such decisions show.
"""

from __future__ import annotations

from typing import Final

# Levels of alpha ------------------------------------------------------------------------

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
HAZE_SIDE: Final = 16
"""Haze holds a square with a side of so many pixels, and of 7 px. Chosen between level places of
good hair and the haze of failed pictures."""
VISIBLE: Final = 25
"""What is filled or lies beyond the band is in doubt from this level to SOLID. Chosen by eye."""
STRONG: Final = 64
"""A small detached piece below this level is an artifact if there are others. Chosen by eye."""

# Shapes ---------------------------------------------------------------------------------

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
SMOOTH: Final = 2.5
"""A wide dent may be a panel if it differs by less from pixel to pixel. Chosen by eye."""
ROUGH: Final = 12.0
"""A wide dent whose mean difference from pixel to pixel is above this is dense hair. Chosen by
eye."""
CRISP_RIM: Final = 0.6
"""A faint level region is cloth if so much of its outer rim is an edge. Chosen by eye."""
CRISP_RISE: Final = 0.7
"""The rim is an edge where alpha reaches this share of its inner level within 4 px. Chosen by
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
VEIL: Final = 204
"""A level part above this (0.8) is a veil over the body wherever it lies. Measured: veils inside
bodies stay above 0.9 but for 0.1 % of the pixels; denser panels have body about them."""
VEIL_REACH: Final = 16
"""A veil goes on for so many pixels beyond the cells that are level: two cells."""
VEIL_NARROW: Final = 24
"""A veil is narrow where it holds no square of twice so many pixels. Chosen by eye."""
VEIL_SLOPES: Final = 0.6
"""A narrow veil is the top of what is out of focus where soft alpha covers more than this share of
the two pixels about it. Chosen by eye: beside a crisp edge it covers a half."""
VEILED: Final = 248
"""Body below this level beside the band shows a veil that may run on into it. Chosen by eye."""
VEIL_TOLERANCE: Final = (2, 12)
"""What is connected with veiled body and not lower than the lowest of it nearby is veiled too, but
for at least the first and at most the second below its mean. Trade."""
PLATEAU_DROP: Final = (3, 4.0)
"""A thin body ends abruptly where background lies within so many pixels of its level top, and so
many at 1024, whichever is more. Chosen by eye: a pixel of top, one of edge, and one more."""
PLATEAU_RANGE: Final = 18
"""The top is level where alpha spans no more than this over 3 x 3 pixels. As for panels."""
PLATEAU_CRISP: Final = 0.5
"""Level tops are those of thin bodies where they are more than so many times as frequent as soft
alpha. Trade: 0 takes hairs for them."""
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

# Bodies and pieces ----------------------------------------------------------------------

BODY_AREA: Final = 256
"""A body has at least so many opaque pixels (a square of 16). Chosen by eye."""
BODY_SHARE: Final = 0.04
"""A body has at least this share of the largest one's opaque area. Chosen by eye."""
CUT_SHARE: Final = 0.01
"""A piece that the frame cuts belongs from this share on. Chosen by eye."""
STRAND_REACH: Final = 24
"""A strand may come back after a gap of so many pixels. Chosen by eye on portraits 01 and 03."""
THIN_REACH: Final = 10
"""The same for a piece that is thin and not long."""
STRAND_FADES: Final = 3
"""A strand may fade so often on its way. Chosen by eye."""

# Hair beside the border -----------------------------------------------------------------

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

# Is the matte damaged at all? -----------------------------------------------------------

DIRTY: Final = 0.0125
"""Share of definite foreground below 1 from which the matte counts as damaged. Measured: raw
pictures have 2 to 22 % there."""
DIRTY_SIDE: Final = 12
"""The area of a square with a side of so many pixels, below 1, is too little to tell: the definite
foreground of plants and nets is small. Chosen by eye."""
DIRTY_SOFT: Final = (0.08, 0.75, 64, 0.02)
"""Gaps out of focus: so much of the body lacks, the second of it near what is 1, the last of it
steeper than the third. Measured beside a clear background: hair 0.06, 0.75, 12, 0; damage 0.17."""
EVEN_WHOLE: Final = 0.05
"""A body lies evenly below 1 where no more than this share of its cells is 1 throughout. Measured:
0.01 in the fur of a measured matte, 0.18 to 0.95 in bodies as generated."""
EVEN_OUTSIDE: Final = 0.0005
"""And where no more than this share of the background away from the border is above 0. Measured:
0.0001 beside that fur. Grain that damage adds to a body shows in the background too."""
EVEN_REACHES: Final = 0.9
"""And at least this share of them reaches 1 somewhere. Measured: 0.97 in that fur."""
HAZY: Final = 0.04
"""Share of definite background above 0 from which the matte counts as damaged. Chosen by eye,
so that compression noise of good mattes does not count."""

# Levels of veil and halo ----------------------------------------------------------------

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
TAIL_REACH: Final = 160
"""A faint strand is followed for so many pixels from what is visible. Chosen by eye."""
TAIL_RISE: Final = 1.5
"""A faint strand has so many times the alpha of the halo about it. Trade: 2 saves fewer tails of
hair, and none saves a few pixels of halo."""
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

# The report -----------------------------------------------------------------------------

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
# The error that is expected to be left, as shares of the picture's pixels.

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

# Colour ---------------------------------------------------------------------------------

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
