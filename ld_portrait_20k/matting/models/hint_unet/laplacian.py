"""The matting Laplacian of small pictures, and a few steps towards its solution.

Levin, Lischinski and Weiss, "A Closed-Form Solution to Natural Image Matting", PAMI 2008:
within each 3 x 3 window alpha is taken as a linear function of colour. A pixel then depends
on the 5 x 5 around it, so the matrix is held as 25 planes; batches and GPUs are welcome.
"""

from __future__ import annotations

import torch
import torch.nn.functional as nn_f
from torch import Tensor

_OFFSETS = tuple((row, column) for row in range(3) for column in range(3))


def matting_laplacian(colour: Tensor, epsilon: float) -> Tensor:
    """The Laplacian, divided by 9 so that most of its diagonal is below 1.

    Args:
        colour: (B, 3, H, W) float32, 0..1; H and W at least 3.
        epsilon: Ridge on a window's covariance of colours.

    Returns:
        (B, 25, H, W): the weight of each pixel of the 5 x 5 around a pixel in its row, zero
        for those outside the picture.
    """
    batch, _, height, width = colour.shape
    rows, columns = height - 2, width - 2
    parts = torch.stack([colour[..., r : r + rows, c : c + columns] for r, c in _OFFSETS], 1)
    # Differences from each window's own mean: 32 bits are enough for their products.
    centred = parts - parts.mean(1, keepdim=True)
    solved = _solve_windows(centred, epsilon)
    # What pixel d of a window takes from pixel e: (B, 9, 9, h, w).
    shares = 1 + (centred.unsqueeze(2) * solved.unsqueeze(1)).sum(3)
    shares *= 1 / 81
    planes = colour.new_zeros(batch, 5, 5, height, width)
    for d, (r, c) in enumerate(_OFFSETS):
        here = planes[..., r : r + rows, c : c + columns]
        here[:, 2, 2] += 1 / 9
        # Seen from pixel d, the window is a part of 3 x 3 of the 5 x 5 around it.
        here[:, 2 - r : 5 - r, 2 - c : 5 - c] -= shares[:, d].unflatten(1, (3, 3))
    return planes.flatten(1, 2)


def apply(planes: Tensor, values: Tensor) -> Tensor:
    """The product of a matrix in 25 planes (B, 25, H, W) with values (B, 1, H, W)."""
    height, width = values.shape[-2:]
    padded = nn_f.pad(values, (2, 2, 2, 2))
    result = torch.zeros_like(values)
    for k in range(25):
        r, c = divmod(k, 5)
        result.addcmul_(planes[:, k : k + 1], padded[..., r : r + height, c : c + width])
    return result


def descend(
    planes: Tensor, start: Tensor, prior: Tensor, free: Tensor, pull: float, steps: int
) -> Tensor:
    """Conjugate gradients on the free pixels of each picture, preconditioned by the diagonal.

    Args:
        planes: Of :func:`matting_laplacian`.
        start: (B, 1, H, W) alpha to begin with; it stays where it is not free.
        prior: (B, 1, H, W) alpha to be drawn to.
        free: (B, 1, H, W), 1 where alpha is to be found, else 0.
        pull: Weight of the prior.
        steps: How many.

    Returns:
        (B, 1, H, W), not clipped.
    """
    places = free.reshape(-1).nonzero().squeeze(1)
    if not len(places):
        return start
    system = _Rows(planes, places)
    rows, drawn = start.reshape(-1)[places], pull * prior.reshape(-1)[places]
    scale = 1 / (system.weights[:, 12] + pull).clamp(min=pull)
    residual = drawn - pull * rows - apply(planes, start).reshape(-1)[places]
    direction = scale * residual
    size = system.dot(residual, direction)
    for _ in range(steps):
        image = system.times(direction) + pull * direction
        rate = size / (system.dot(direction, image) + 1e-20)
        rows = rows + rate * direction
        residual = residual - rate * image
        scaled = scale * residual
        before, size = size, system.dot(residual, scaled)
        direction = scaled + size / (before + 1e-20) * direction
    return start.reshape(-1).index_copy(0, places, rows).view_as(start)


class _Rows:
    """The rows and columns of a matrix in 25 planes that belong to some pixels.

    The unknown band is a sixth of a picture or less, and a step over it alone takes a third of
    the time.

    Args:
        planes: (B, 25, H, W).
        places: (N,) int64, the pixels, counted over (B, H, W), in ascending order.

    Attributes:
        weights: (N, 25), their rows.
    """

    def __init__(self, planes: Tensor, places: Tensor) -> None:
        batch, _, height, width = planes.shape
        self.weights = planes.permute(0, 2, 3, 1).reshape(-1, 25)[places]
        picture, inside = places // (height * width), places % (height * width)
        wide = width + 4
        around = torch.arange(5, device=planes.device)
        offsets = (wide * (around - 2)[:, None] + (around - 2)).reshape(-1)
        padded = (height + 4) * wide
        row, column = inside // width + 2, inside % width + 2
        self._centres = picture * padded + row * wide + column
        self._around = (self._centres[:, None] + offsets).reshape(-1)
        self._field = planes.new_zeros(batch * padded)  # 0 wherever no such pixel is
        self._batch, self._picture = batch, picture

    def times(self, values: Tensor) -> Tensor:
        """The product with values (N,) of the pixels, 0 elsewhere; (N,)."""
        self._field.index_copy_(0, self._centres, values)
        around = self._field.index_select(0, self._around)
        return (self.weights * around.view_as(self.weights)).sum(1)

    def dot(self, first: Tensor, second: Tensor) -> Tensor:
        """For each pixel (N,), the inner product over its picture."""
        if self._batch == 1:
            return torch.dot(first, second)
        # In the field, not by adding at indices, which a GPU does in any order.
        self._field.index_copy_(0, self._centres, first * second)
        return self._field.view(self._batch, -1).sum(1)[self._picture]


def colour_lines(colour: Tensor, alpha: Tensor, epsilon: float) -> Tensor:
    """The lines ``alpha = slope . colour + offset`` of 3 x 3 windows, averaged at each pixel.

    Args:
        colour: (B, 3, H, W) float32, 0..1; H and W at least 3.
        alpha: (B, 1, H, W).
        epsilon: Ridge on a window's covariance of colours.

    Returns:
        (B, 4, H, W): three slopes and the offset.
    """
    padded = nn_f.pad(torch.cat([colour, alpha], 1), (1, 1, 1, 1), mode="replicate")
    height, width = alpha.shape[-2:]
    parts = torch.stack([padded[..., r : r + height, c : c + width] for r, c in _OFFSETS], 1)
    mean = parts.mean(1)
    centred = parts[:, :, :3] - mean[:, :3].unsqueeze(1)
    slope = (_solve_windows(centred, epsilon) * parts[:, :, 3:]).mean(1)
    offset = mean[:, 3:] - (slope * mean[:, :3]).sum(1, keepdim=True)
    lines = torch.cat([slope, offset], 1)
    return nn_f.avg_pool2d(lines, 3, stride=1, padding=1, count_include_pad=False)


def _solve_windows(centred: Tensor, epsilon: float) -> Tensor:
    """Each window's inverse covariance times its centred colours, (B, 9, 3, h, w) of as many."""
    r, g, b = centred.unbind(2)
    moments = [(x * y).mean(1) for x, y in ((r, r), (r, g), (r, b), (g, g), (g, b), (b, b))]
    # On a colour line the determinant is a tiny difference of products: 64 bits, briefly.
    rr, rg, rb, gg, gb, bb = (moment.double() for moment in moments)
    rr, gg, bb = rr + epsilon, gg + epsilon, bb + epsilon
    # The inverse of a symmetric 3 x 3 matrix by its cofactors.
    c00, c01, c02 = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    c11, c12, c22 = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    scale = (rr * c00 + rg * c01 + rb * c02).reciprocal()
    c00, c01, c02, c11, c12, c22 = (
        (c * scale).to(centred.dtype).unsqueeze(1) for c in (c00, c01, c02, c11, c12, c22)
    )
    return torch.stack(
        [c00 * r + c01 * g + c02 * b, c01 * r + c11 * g + c12 * b, c02 * r + c12 * g + c22 * b], 2
    )
