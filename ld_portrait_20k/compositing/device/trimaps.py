"""Trimaps of whole batches, the same to the pixel as those of one picture at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ld_portrait_20k.compositing.dilation import disc_widths
from ld_portrait_20k.compositing.trimaps import FOREGROUND, UNKNOWN


def trimap(
    alpha: Tensor, radii: Sequence[tuple[float, float]], low: int = 0, high: int = 255
) -> Tensor:
    """A trimap of each picture; see :func:`ld_portrait_20k.compositing.trimaps.trimap`.

    Args:
        alpha: (B, 1, H, W) uint8.
        radii: Erosion and dilation of each, in pixels.
        low: Alpha up to this is background.
        high: Alpha from this on is foreground.

    Returns:
        (B, 1, H, W) uint8 of 0, 128 and 255.
    """
    matte = alpha[:, 0]
    inside = ~_dilated(matte < high, [erosion for erosion, _ in radii])
    outside = ~_dilated(matte > low, [dilation for _, dilation in radii])
    result = torch.full_like(matte, UNKNOWN, memory_format=torch.contiguous_format)
    result.masked_fill_(inside, FOREGROUND)
    return result.masked_fill_(outside, 0)[:, None]


def _dilated(region: Tensor, radii: Sequence[float]) -> Tensor:
    """Each region (B, H, W) bool grown by a disc of its own radius."""
    discs = [disc_widths(max(0.0, radius)) for radius in radii]
    rows = max(len(disc) for disc in discs)
    # How near a pixel of the region must lie in a row so far away: its distance is less than this.
    limits = [[width + 1 for width in disc] + [0] * (rows - len(disc)) for disc in discs]
    widest = max(max(line) for line in limits)
    kind: Any = torch.uint8 if widest < 256 else torch.int16
    limit = torch.tensor(limits, dtype=kind).to(region.device, non_blocking=True)
    along = _distance_along_rows(region, widest).to(kind)
    result = along < limit[:, 0, None, None]
    height = region.shape[1]
    for distance in range(1, min(rows, height)):
        near = along < limit[:, distance, None, None]
        result[:, distance:] |= near[:, :-distance]
        result[:, :-distance] |= near[:, distance:]
    return result


def _distance_along_rows(region: Tensor, limit: int) -> Tensor:
    """Pixels to the nearest one of the region in the same row, at most ``limit``; int16."""
    width = region.shape[2]
    far = width + limit
    place = torch.arange(width, dtype=torch.int32, device=region.device)
    left = torch.where(region, place, -far).cummax(dim=2).values
    right = torch.where(region, place, width + far).flip(2).cummin(dim=2).values.flip(2)
    return torch.minimum(place - left, right - place).clamp_(max=limit).to(torch.int16)
