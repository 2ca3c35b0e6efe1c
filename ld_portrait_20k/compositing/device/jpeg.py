"""What JPEG compression does to pictures, without the file: of whole batches, with torch.

Colour conversion, halved chroma, cosine transform and quantisation follow ITU-T T.81 and JFIF with
the tables of its annex K, scaled by quality as libjpeg scales them; chroma is enlarged with
libjpeg's triangle filter. libjpeg works in integers, so a coefficient that lies between two
steps may come out as the other one.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

_LUMA: Final = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113,
    92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_CHROMA: Final = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99, *[99] * 32,
)  # fmt: skip
"""Quantisation tables K.1 and K.2 of ITU-T T.81, by rows."""


def compress(picture: Tensor, qualities: Sequence[int]) -> Tensor:
    """Pictures as they come back from JPEG files with 4:2:0 chroma.

    Args:
        picture: (B, 3, H, W) of whole numbers 0..255, sRGB.
        qualities: 1..100 for each; 0 leaves a picture as it is.

    Returns:
        (B, 3, H, W) float32 of whole numbers.
    """
    chosen = [place for place, quality in enumerate(qualities) if quality]
    if not chosen:
        return picture
    part = picture[chosen].float()
    luma, chroma = _to_ycc(part)
    tables = [_tables(qualities[place]) for place in chosen]
    height, width = part.shape[2:]
    luma = _requantised(luma, torch.stack([one for one, _ in tables]))
    small = avg_pool2d(_padded(chroma, 2), 2)
    # libjpeg adds 1 and 2 in turn before it divides by four, so halves go down and up in turn.
    turns = torch.arange(small.shape[3], device=small.device) % 2
    small = (small + 0.25 + 0.25 * turns).floor()
    small = _requantised(small, torch.stack([two for _, two in tables]))
    wide = _enlarged(small)[:, :, :height, :width]
    result = picture.float().clone()
    result[chosen] = _to_rgb(luma, wide)
    return result


def _to_ycc(rgb: Tensor) -> tuple[Tensor, Tensor]:
    red, green, blue = rgb[:, 0:1], rgb[:, 1:2], rgb[:, 2:3]
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    chroma = torch.cat(
        [
            -0.168735892 * red - 0.331264108 * green + 0.5 * blue,
            0.5 * red - 0.418687589 * green - 0.081312411 * blue,
        ],
        dim=1,
    )
    return luma.round(), (chroma + 128).round().clamp_(0, 255)


def _to_rgb(luma: Tensor, chroma: Tensor) -> Tensor:
    blueness, redness = chroma[:, 0:1] - 128, chroma[:, 1:2] - 128
    red = luma + (1.402 * redness).round()
    green = luma - (0.344136286 * blueness + 0.714136286 * redness).round()
    blue = luma + (1.772 * blueness).round()
    return torch.cat([red, green, blue], dim=1).clamp_(0, 255)


def _requantised(planes: Tensor, steps: Tensor) -> Tensor:
    """Planes (B, C, H, W) after the transform of 8x8 blocks in ``steps`` (B, 8, 8) and back."""
    count, channels, height, width = planes.shape
    whole = _padded(planes, 8)
    blocks = whole.view(count, channels, whole.shape[2] // 8, 8, whole.shape[3] // 8, 8)
    # In double precision on a GPU, which may multiply float32 with ten bits.
    kind = torch.float64 if planes.device.type == "cuda" else torch.float32
    blocks = blocks.transpose(3, 4).to(kind) - 128
    basis = _basis().to(planes.device, kind)
    steps = steps.to(planes.device, kind)[:, None, None, None]
    coefficients = basis @ blocks @ basis.T
    coefficients = (coefficients / steps).round_().mul_(steps)
    blocks = (basis.T @ coefficients @ basis).round_().add_(128).clamp_(0, 255)
    return blocks.transpose(3, 4).reshape(whole.shape)[:, :, :height, :width].float()


def _enlarged(small: Tensor) -> Tensor:
    """Twice as large, each pixel three parts of the nearest and one of the next nearest."""
    around = pad(small, (0, 0, 1, 1), mode="replicate")
    middle = 3 * around[:, :, 1:-1]
    rows = torch.stack([middle + around[:, :, :-2], middle + around[:, :, 2:]], dim=3).flatten(2, 3)
    around = pad(rows, (1, 1, 0, 0), mode="replicate")
    middle = 3 * around[..., 1:-1]
    # Halves go up on the left and down on the right, in sixteenths.
    left = ((middle + around[..., :-2] + 8) / 16).floor()
    right = ((middle + around[..., 2:] + 7) / 16).floor()
    return torch.stack([left, right], dim=4).flatten(3, 4)


def _padded(planes: Tensor, step: int) -> Tensor:
    """Planes made a multiple of ``step`` high and wide by repeating the last row and column."""
    down, right = -planes.shape[2] % step, -planes.shape[3] % step
    return pad(planes, (0, right, 0, down), mode="replicate") if down or right else planes


@functools.lru_cache(maxsize=128)
def _tables(quality: int) -> tuple[Tensor, Tensor]:
    """Steps (8, 8) of luma and chroma for a quality, as libjpeg scales them."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    first, second = (
        torch.tensor([min(max((step * scale + 50) // 100, 1), 255) for step in table])
        for table in (_LUMA, _CHROMA)
    )
    return first.view(8, 8), second.view(8, 8)


@functools.cache
def _basis() -> Tensor:
    """The cosine transform of 8 values, (frequency, place), orthonormal (T.81, A.3.3)."""
    place = torch.arange(8, dtype=torch.float64)
    basis = torch.cos((2 * place[None] + 1) * place[:, None] * torch.pi / 16) / 2
    basis[0] /= 2**0.5
    return basis
