"""The transparent decoder: makes straight RGBA of SDXL's decoded picture and its latent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from builder.generation.layer_diffusion.files import load_strictly
from builder.generation.layer_diffusion.memory import Room, default_budget, even, most_by_index
from builder.generation.layer_diffusion.network import TransparencyUNet

MULTIPLE: Final = 64
"""Sides of a picture are multiples of 64, because the network halves them six times."""

VIEWS: Final = tuple((flip, turns) for flip in (False, True) for turns in range(4))
"""The eight views of test-time augmentation: mirrored or not, quarter turns."""

WIDEST: Final = 64
"""Channels of the largest tensor, at full size: features and skip of the last up block."""

MOST_PASSES: Final = 32
"""Most passes at a time: more keep no device busier, and old CUDA kernels fail from 64 on."""

VALUES_PER_PIXEL: Final = 384
"""Activation values alive at once for each pixel and pass, at the last up block, with margin."""


class TransparentVAEDecoder(nn.Module):
    """Decodes alpha and straight colour from what SDXL's VAE decoded.

    Test-time augmentation needs a pass for every picture and view; as many run together as
    the memory budget holds. If memory still runs out, the batch is halved for good, with one
    warning.

    Attributes:
        model: The network, in evaluation mode.
        room: How many passes run at a time; see :class:`memory.Room`.
    """

    def __init__(self, model: TransparencyUNet, *, budget: int | None = None) -> None:
        super().__init__()
        self.model = model.eval().requires_grad_(False)
        self.room = Room("transparent decoder", budget)

    @classmethod
    def from_safetensors(
        cls,
        path: str | Path,
        *,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
        budget: int | None = None,
    ) -> TransparentVAEDecoder:
        """Load the published weights, strictly.

        Args:
            path: ``ld_diffusers_sdxl_vae_transparent_decoder.safetensors`` or
                ``vae_transparent_decoder.safetensors``.
            dtype: The dtype that the network computes in.
            device: The device that it computes on.
            budget: Bytes for the activations of passes that run together; by default a share
                of the device's memory, see :func:`memory.default_budget`.

        Raises:
            PortraitError: The file is absent, a pickle, truncated, or holds other tensors.
        """
        with torch.device("meta"):
            model = TransparencyUNet()
        load_strictly(model, path, "a transparent decoder", dtype, device)
        # Channels last is what tensor cores and oneDNN convolve fastest.
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return cls(model, budget=budget)

    @torch.no_grad()
    def forward(self, pixels: Tensor, latents: Tensor, augment: bool = True) -> Tensor:
        """Decode a batch.

        Args:
            pixels: (N, 3, H, W), the picture that the SDXL VAE decoded, sRGB in 0..1 (it is
                clipped to that); H and W multiples of 64.
            latents: (N, 4, H/8, W/8), already divided by the VAE's scaling factor.
            augment: Take the median of the eight rotations and flips; False runs one pass.

        Returns:
            (N, 4, H, W) straight RGBA, channel order R, G, B, A, in 0..1, in the network's
            dtype and on its device.

        Raises:
            ValueError: Shapes that do not fit.
            PortraitError: Not even one pass fits the memory.
        """
        check_shapes(pixels, latents)
        weight = self.model.conv_in.weight
        pixels = pixels.to(weight).clamp(0, 1)
        latents = latents.to(weight)
        height, width = pixels.shape[2:]
        per_pass = height * width * VALUES_PER_PIXEL * weight.element_size()
        most = min(MOST_PASSES, most_by_index(height * width * WIDEST))
        views = VIEWS if augment else VIEWS[:1]
        results: list[Tensor] = []
        while len(results) < len(pixels):
            start, left = len(results), len(pixels) - len(results)
            wanted = min(most, left * len(views))
            with self.room.attempt(per_pass, default_budget(weight.device), wanted) as passes:
                stop = start + even(left, max(1, passes // len(views)))
                decoded = self._views(pixels[start:stop], latents[start:stop], views, passes)
                results += lower_median(decoded).roll(-1, dims=1).unbind(0)
        return torch.stack(results) if results else pixels.new_empty(0, 4, height, width)

    def _views(
        self,
        pixels: Tensor,
        latents: Tensor,
        views: Sequence[tuple[bool, int]],
        passes: int,
    ) -> list[Tensor]:
        """For each view the pictures (N, 4, H, W), A, R, G, B, clipped and turned back upright."""
        upright: dict[tuple[bool, int], Tensor] = {}
        # A quarter turn exchanges the sides of a picture, so these views form their own batch.
        shapes: dict[bool, list[tuple[bool, int]]] = {}
        for view in views:
            sideways = view[1] % 2 == 1 and pixels.shape[2] != pixels.shape[3]
            shapes.setdefault(sideways, []).append(view)
        for group in shapes.values():
            feed = [torch.cat([turn(x, *view) for view in group]) for x in (pixels, latents)]
            parts = [
                self.model(*(_channels_last(x) for x in part)).clamp(0, 1)
                for part in zip(*(x.split(passes) for x in feed), strict=True)
            ]
            for view, out in zip(group, torch.cat(parts).chunk(len(group)), strict=True):
                upright[view] = turn_back(out, *view)
        return [upright[view] for view in views]


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def turn(x: Tensor, flip: bool, turns: int) -> Tensor:
    """Mirror (N, C, H, W) left to right if asked, then turn it by quarter turns."""
    return torch.rot90(x.flip(3) if flip else x, turns, (2, 3))


def turn_back(x: Tensor, flip: bool, turns: int) -> Tensor:
    """Undo :func:`turn`."""
    x = torch.rot90(x, -turns, (2, 3))
    return x.flip(3) if flip else x


def lower_median(values: Sequence[Tensor]) -> Tensor:
    """Elementwise median of 8 tensors: the lower of the two middle values, as torch.median.

    Minima and maxima give the same values, and propagate NaN alike, without the sort along
    a strided dimension that makes ``torch.median`` slow.

    Args:
        values: Eight tensors of one shape, or one tensor, which is returned.
    """
    if len(values) == 1:
        return values[0]
    if len(values) != 8:
        raise ValueError(f"the median is of 8 views, got {len(values)}")
    low, high = _sorted4(values[:4]), _sorted4(values[4:])
    # Of two sorted fours, the four smallest are min(low[i], high[3 - i]); the lower median
    # is the largest of them.
    smallest = [torch.minimum(a, b) for a, b in zip(low, reversed(high), strict=True)]
    return torch.maximum(
        torch.maximum(smallest[0], smallest[1]), torch.maximum(smallest[2], smallest[3])
    )


def _sorted4(values: Sequence[Tensor]) -> list[Tensor]:
    a, b, c, d = values
    a, b = torch.minimum(a, b), torch.maximum(a, b)
    c, d = torch.minimum(c, d), torch.maximum(c, d)
    a, c = torch.minimum(a, c), torch.maximum(a, c)
    b, d = torch.minimum(b, d), torch.maximum(b, d)
    return [a, torch.minimum(b, c), torch.maximum(b, c), d]


def check_shapes(pixels: Tensor, latents: Tensor) -> None:
    """Check the shapes of pictures and latents.

    Raises:
        ValueError: They do not fit each other, or the sides are not multiples of 64.
    """
    if pixels.ndim != 4 or pixels.shape[1] != 3:
        raise ValueError(f"pixels must be (N, 3, H, W), got {tuple(pixels.shape)}")
    count, _, height, width = pixels.shape
    if height % MULTIPLE or width % MULTIPLE or not height or not width:
        raise ValueError(f"sides must be multiples of {MULTIPLE}, got {width}x{height}")
    if tuple(latents.shape) != (count, 4, height // 8, width // 8):
        raise ValueError(
            f"latents must be ({count}, 4, {height // 8}, {width // 8}) for these pixels, "
            f"got {tuple(latents.shape)}"
        )
