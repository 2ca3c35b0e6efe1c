"""Colour, composite, blur and noise of whole batches.

Pictures are tensors (B, C, H, W) of whole numbers 0..255, uint8 or float32. Every function
rounds where the one for a single picture does, so that both agree to one step of 8 bits.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ld_portrait_20k.compositing import augment
from ld_portrait_20k.compositing.composite import composite as composite_floats


def map_tones(picture: Tensor, tones: Sequence[NDArray[np.uint8]]) -> Tensor:
    """Each channel's values replaced by those of the picture's (256, 3) table."""
    table = torch.from_numpy(np.stack(tones)).to(picture.device, non_blocking=True)
    flat = picture.flatten(2).long()
    return table.transpose(1, 2).gather(2, flat).view(picture.shape)


def saturate(picture: Tensor, saturation: Sequence[float]) -> Tensor:
    """Colours' distance from each pixel's luma multiplied by a factor for each picture."""
    values = picture.float()
    factor = _column(saturation, values)
    red, green, blue = augment.LUMA
    luma = (values[:, 0] * red + values[:, 1] * green + values[:, 2] * blue)[:, None]
    return _whole(luma + factor * (values - luma))


def composite(
    foreground: Tensor, alpha: Tensor, background: Tensor, linear: Sequence[bool]
) -> Tensor:
    """Foregrounds over backgrounds, those that ``linear`` names in linear light."""
    front, weight, behind = foreground.float(), alpha.float(), background.float()
    image = _whole((weight * front + (255 - weight) * behind) * (1 / 255))
    chosen = [place for place, one in enumerate(linear) if one]
    if chosen:
        floats = [layer[chosen] * (1 / 255) for layer in (front, weight, behind)]
        image[chosen] = _whole(composite_floats(*floats, linear=True) * 255)
    return image


def blur(picture: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Gaussian blur of each picture by its own standard deviation in pixels."""
    chosen = [place for place, sigma in enumerate(sigmas) if augment.has_blur(sigma)]
    if not chosen:
        return picture
    # OpenCV's length of kernel for 8 bits.
    kernels = [cv2.getGaussianKernel(round(sigmas[n] * 6 + 1) | 1, sigmas[n])[:, 0] for n in chosen]
    reach = max(len(kernel) for kernel in kernels) // 2
    rows = [np.pad(kernel, reach - len(kernel) // 2) for kernel in kernels]
    weights = torch.tensor(np.stack(rows), dtype=torch.float32).to(picture.device)
    part = picture[chosen].float()
    # Not a convolution: cuDNN would round its factors to ten bits.
    for dimension in (2, 3):
        length = part.shape[dimension]
        places = np.pad(np.arange(length), reach, mode="reflect")
        wide = part.index_select(dimension, torch.from_numpy(places).to(part.device))
        part = torch.zeros_like(part)
        for tap in range(2 * reach + 1):
            factor = weights[:, tap].view(-1, 1, 1, 1)
            part.addcmul_(factor, wide.narrow(dimension, tap, length))
    return _replaced(picture, chosen, _whole(part))


def take_noise(picture: Tensor, noise: Sequence[tuple[float, int]]) -> Tensor:
    """Noise of the table of :func:`ld_portrait_20k.compositing.augment.noise_table`.

    Args:
        picture: (B, C, H, W).
        noise: Standard deviation and place in the table for each picture.
    """
    chosen = [place for place, (sigma, _) in enumerate(noise) if sigma > 0]
    if not chosen:
        return picture
    table = _noise_table(picture.device)
    channels, height, width = picture.shape[1:]
    count = channels * height * width
    repeated = table.repeat(-(-count // len(table)) + 1) if count > len(table) else None
    parts = []
    for place in chosen:
        start = noise[place][1]
        if repeated is not None:
            part = repeated[start : start + count]
        else:
            part = table[start : start + count]
            part = torch.cat([part, table[: count - len(part)]])
        parts.append(part.view(height, width, channels).permute(2, 0, 1))
    factors = [noise[place][0] / augment.NOISE_STEPS for place in chosen]
    values = picture[chosen].float()
    changed = values + torch.stack(parts).float() * _column(factors, values)
    return _replaced(picture, chosen, _whole(changed))


@functools.lru_cache(maxsize=4)
def _noise_table(device: torch.device) -> Tensor:
    return torch.from_numpy(augment.noise_table()).to(device)


def _replaced(picture: Tensor, chosen: list[int], changed: Tensor) -> Tensor:
    result = picture.float().clone()
    result[chosen] = changed
    return result


def _column(numbers: Sequence[float], like: Tensor) -> Tensor:
    """One float32 a picture, to be multiplied with (B, C, H, W)."""
    column = torch.tensor(numbers, dtype=torch.float32)
    return column.to(like.device, non_blocking=True).view(-1, 1, 1, 1)


def _whole(values: Tensor) -> Tensor:
    return values.round_().clamp_(0, 255)
