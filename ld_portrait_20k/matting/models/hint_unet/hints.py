"""What classical matting gives cheaply, as input for a network.

The colours that foreground and background would have at each pixel (push-pull), the alpha
that the pixel's colour has between the two (projection), and that alpha carried along the
picture's colour lines (a few steps of closed-form matting, coarse to fine, that end at a
quarter of the size).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as nn_f
from torch import Tensor

CHANNELS, PROJECTED, SOLVED = 14, 11, 13
"""How many channels :func:`hints` gives, and which hold the projected and the solved alpha."""

_LEVELS = ((16, 30), (8, 20), (4, 15))
# Reduction and steps at each level, coarse to fine. Of trials on seven pictures: 8 steps at a
# quarter leave 20 % more error, 30 steps 5 % less; a last level at a half costs three times
# as much and is no better before it has made 60 steps.
_RADIUS = 1  # of the windows at each level; 3 x 3 as in Levin et al. 2008
_EPSILON = 1e-6  # ridge on a window's colours; a tenth and ten times of it are worse
_PULL = 1e-4  # towards the projected alpha, relative to a colour line's weight; by trials


def push_pull(colour: Tensor, weight: Tensor) -> Tensor:
    """Continue known colours smoothly over unknown places.

    The pyramid method of Gortler et al., "The Lumigraph", SIGGRAPH 1996, section 3.4.

    Args:
        colour: (B, C, H, W) float32; what stands where the weight is 0 does not count.
        weight: (B, 1, H, W) float32, 0..1, how far a pixel is known.

    Returns:
        (B, C, H, W) float32: the colour where known, else what its surroundings have; 0
        where nothing is known at all.
    """
    height, width = colour.shape[-2:]
    if min(height, width) <= 1:
        return colour * weight.clamp(max=1.0)
    both = nn_f.pad(torch.cat([colour * weight, weight], 1), (0, width % 2, 0, height % 2))
    small = nn_f.avg_pool2d(both, 2)
    mass = small[:, -1:]
    # A cell with one known pixel in four counts as known: that pixel's colour is its colour.
    coarse = push_pull(small[:, :-1] / mass.clamp(min=1e-6), (4.0 * mass).clamp(max=1.0))
    grown = nn_f.interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=False)
    return torch.lerp(grown[..., :height, :width], colour, weight)


def project(image: Tensor, foreground: Tensor, background: Tensor) -> tuple[Tensor, Tensor]:
    """Alpha of each pixel on the line from its background to its foreground colour.

    Args:
        image: (B, 3, H, W) float32 sRGB, 0..1; so are the others.
        foreground: The foreground's colour at each pixel.
        background: The background's.

    Returns:
        Alpha (B, 1, H, W), 0..1; and the distance of the pixel's colour from the line,
        (B, 1, H, W), which says how little the alpha can be trusted.
    """
    line = foreground - background
    length = (line * line).sum(1, keepdim=True)
    offset = image - background
    # 1e-3: colours nearer than 0.03 to one another say nothing about alpha.
    alpha = ((offset * line).sum(1, keepdim=True) / (length + 1e-3)).clamp(0.0, 1.0)
    rest = offset - alpha * line
    return alpha, (rest * rest).sum(1, keepdim=True).sqrt()


def solve(image: Tensor, trimap: Tensor, prior: Tensor) -> Tensor:
    """Closed-form matting, stopped early and at a quarter of the size.

    Conjugate gradients on the matting Laplacian (Levin, Lischinski and Weiss, "A Closed-Form
    Solution to Natural Image Matting", PAMI 2008), which box filters apply without storing
    it (He, Sun and Tang, "Fast Matting Using Large Kernel Matting Laplacian Matrices", CVPR
    2010). Each level starts from the coarser one's solution. At the end the windows' colour
    lines, not their alpha, are enlarged and read off the whole picture (He and Sun, "Fast
    Guided Filter", arXiv 1505.00996), so fine strands come back. The levels are solved in
    64-bit floats: 32 bits lose a window's small covariances, and half of the gain with them.

    Args:
        image: (B, 3, H, W) float32 sRGB, 0..1.
        trimap: (B, 1, H, W) of 0, 0.5 and 1.
        prior: (B, 1, H, W) alpha to begin with and to be drawn to; the trimap's where known.

    Returns:
        (B, 1, H, W), 0..1; in known places not exactly the trimap's.
    """
    known = ((trimap - 0.5).abs() > 0.25).to(image.dtype)
    both, reached = torch.cat([image, prior, known], 1), 1
    stack = {}
    for reduction in sorted(r for r, _ in _LEVELS):
        both, reached = _reduce(both, reduction // reached), reduction
        stack[reduction] = both = both.double()
    alpha = stack[_LEVELS[0][0]][:, 3:4]
    for level, (reduction, steps) in enumerate(_LEVELS):
        colour, start, fixed = stack[reduction].split([3, 1, 1], 1)
        fixed = (fixed > 0.999).to(fixed.dtype)
        height, width = start.shape[-2:]
        if level:
            alpha = nn_f.interpolate(alpha, scale_factor=2.0, mode="bilinear", align_corners=False)
            alpha = torch.lerp(alpha[..., :height, :width], start, fixed)
        lines = _colour_lines(colour)
        alpha = _descend(lines, alpha, start, 1 - fixed, steps)
        alpha = torch.lerp(alpha.clamp(0.0, 1.0), start, fixed)
    coefficients = lines(alpha)[1].to(image.dtype)
    height, width = image.shape[-2:]
    full = nn_f.interpolate(
        coefficients, scale_factor=float(_LEVELS[-1][0]), mode="bilinear", align_corners=False
    )[..., :height, :width]
    return ((full[:, :3] * image).sum(1, keepdim=True) + full[:, 3:]).clamp(0.0, 1.0)


def hints(image: Tensor, trimap: Tensor) -> Tensor:
    """Everything that the network sees.

    Args:
        image: (B, 3, H, W) float32 sRGB, 0..1.
        trimap: (B, 1, H, W) float32 of 0, 0.5 and 1.

    Returns:
        (B, CHANNELS, H, W) float32: the image (3), the trimap as known foreground and known
        background (2), the push-pulled foreground and background colours (3 + 3), the
        projected alpha, its distance, and the solved alpha.
    """
    inside, outside = (trimap > 0.75).to(image.dtype), (trimap < 0.25).to(image.dtype)
    foreground = push_pull(image, inside)
    background = push_pull(image, outside)
    alpha, distance = project(image, foreground, background)
    known = inside + outside
    alpha = torch.lerp(alpha, inside, known)
    solved = torch.lerp(solve(image, trimap, alpha), inside, known)
    return torch.cat([image, inside, outside, foreground, background, alpha, distance, solved], 1)


Lines = Callable[[Tensor], tuple[Tensor, Tensor]]


def _colour_lines(colour: Tensor) -> Lines:
    """The map from alpha to what its windows' colour lines predict, and to those lines.

    The matting Laplacian is the identity less this map, up to each row's scale.
    """
    red, green, blue = colour[:, :1], colour[:, 1:2], colour[:, 2:]
    moments = _box(torch.cat([colour, red * colour, green * colour[:, 1:], blue * blue], 1))
    mean = moments[:, :3]
    mr, mg, mb = mean.unbind(1)
    rr, gg, bb = (moments[:, k] - m * m + _EPSILON for k, m in ((3, mr), (6, mg), (8, mb)))
    rg, rb, gb = moments[:, 4] - mr * mg, moments[:, 5] - mr * mb, moments[:, 7] - mg * mb
    # The inverse of a symmetric 3 x 3 matrix by its cofactors.
    c00, c01, c02 = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    c11, c12, c22 = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    scale = (rr * c00 + rg * c01 + rb * c02).reciprocal()
    inverse = torch.stack([c00, c01, c02, c01, c11, c12, c02, c12, c22], 1) * scale.unsqueeze(1)

    def predict(alpha: Tensor) -> tuple[Tensor, Tensor]:
        both = _box(torch.cat([alpha, alpha * colour], 1))
        level = both[:, :1]
        covariance = both[:, 1:] - level * mean
        slope = torch.cat(
            [(inverse[:, k : k + 3] * covariance).sum(1, keepdim=True) for k in (0, 3, 6)], 1
        )
        offset = level - (slope * mean).sum(1, keepdim=True)
        lines = _box(torch.cat([slope, offset], 1))
        return (lines[:, :3] * colour).sum(1, keepdim=True) + lines[:, 3:], lines

    return predict


def _descend(lines: Lines, alpha: Tensor, prior: Tensor, free: Tensor, steps: int) -> Tensor:
    """Conjugate gradients for each picture of the batch on its free pixels."""

    def apply(x: Tensor) -> Tensor:
        return free * ((1 + _PULL) * x - lines(x)[0])

    residual = free * (_PULL * prior) - apply(alpha)
    direction, size = residual, _dot(residual, residual)
    for _ in range(steps):
        image = apply(direction)
        rate = size / (_dot(direction, image) + 1e-20)
        alpha = alpha + rate * direction
        residual = residual - rate * image
        before, size = size, _dot(residual, residual)
        direction = residual + size / (before + 1e-20) * direction
    return alpha


def _dot(first: Tensor, second: Tensor) -> Tensor:
    return (first * second).sum((1, 2, 3), keepdim=True)


def _box(values: Tensor) -> Tensor:
    return nn_f.avg_pool2d(
        values, 2 * _RADIUS + 1, stride=1, padding=_RADIUS, count_include_pad=False
    )


def _reduce(values: Tensor, factor: int) -> Tensor:
    height, width = values.shape[-2:]
    padded = nn_f.pad(values, (0, -width % factor, 0, -height % factor), mode="replicate")
    return nn_f.avg_pool2d(padded, factor)
