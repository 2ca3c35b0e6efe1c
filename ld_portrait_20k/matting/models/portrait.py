"""A matting network for portraits without a trimap: a U-Net that sees the whole person.

What is foreground is a question of the whole picture, so the picture is shrunk to the size
that the network was trained at, the encoder goes down to a thirty-second of it, and there
every place is told what the whole looks like. The blocks are the hint network's.
"""

from __future__ import annotations

from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ld_portrait_20k.matting.models.hint_unet.network import Block

MODEL_TYPE: Final = "portrait-unet"

WIDTHS: Final = (24, 40, 80, 128, 192)
"""Channels at a half, quarter, ... thirty-second of the size; 2.9 M parameters."""

DEPTHS: Final = (1, 1, 2, 2, 2)
SIZE: Final = 512
"""Longest side that it sees, pixels; training puts the crop's side here."""


class PortraitUNet(nn.Module):
    """Predicts alpha from the picture alone; a :class:`~.protocol.TrainableModel`.

    Args:
        config: ``widths`` and ``depths`` (residual blocks on the way down) by level, and
            ``size``; what is missing is as above.
    """

    needs_trimap = False
    multiple = 32

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        super().__init__()
        given = config or {}
        widths = [int(width) for width in given.get("widths", WIDTHS)]
        depths = [int(depth) for depth in given.get("depths", DEPTHS)]
        self.config: dict[str, Any] = {
            "model_type": MODEL_TYPE, "widths": widths, "depths": depths,
            "size": int(given.get("size", SIZE)),
        }  # fmt: skip
        steps = range(len(widths) - 1)
        self.multiple = 2 ** len(widths)
        self.stem = nn.Conv2d(12, widths[0], 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(4 * widths[i], widths[i + 1], 1) for i in steps)
        self.encode = nn.ModuleList(
            nn.Sequential(*(Block(width) for _ in range(depth)))
            for width, depth in zip(widths, depths, strict=True)
        )
        self.context = Context(widths[-1])
        self.up = nn.ModuleList(nn.Conv2d(widths[i + 1], widths[i], 1) for i in steps)
        self.decode = nn.ModuleList(Block(widths[i]) for i in steps)
        self.head = nn.Conv2d(widths[0], 4, 3, padding=1)
        nn.init.normal_(self.head.weight, std=0.01)

    @property
    def tile(self) -> int:
        """Longest side that it is given."""
        return int(self.config["size"])

    def prepare(self, image: Tensor, trimap: Tensor) -> Tensor:
        """The picture about zero, (B, 3, H, W); the trimap is not looked at."""
        return image - 0.5

    def forward(self, inputs: Tensor) -> Tensor:
        """Alpha (B, 1, H, W), 0..1; H and W are multiples of ``multiple``."""
        x = F.relu(self.stem(F.pixel_unshuffle(inputs, 2)))
        kept = []
        for down, encode in zip(self.down, self.encode, strict=False):
            kept.append(encode(x))
            x = F.relu(down(F.pixel_unshuffle(kept[-1], 2)))
        x = self.context(self.encode[-1](x))
        for level in reversed(range(len(kept))):
            x = F.interpolate(self.up[level](x), scale_factor=2.0, mode="bilinear")
            x = self.decode[level](F.relu(x + kept[level]))
        return torch.sigmoid(F.pixel_shuffle(self.head(x), 2).float())


class Context(nn.Module):
    """Tells every place what the whole looks like.

    The mean of all places, through two layers, scales the channels (squeeze and excitation,
    Hu et al., CVPR 2018) and shifts them.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, 2 * width)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape, (B, C, H, W)."""
        told = self.second(F.relu(self.first(x.mean((2, 3)))))
        scale, shift = told[..., None, None].chunk(2, dim=1)
        return x * (2 * torch.sigmoid(scale)) + shift


def create(name: str) -> PortraitUNet:
    """Fresh weights."""
    return PortraitUNet()
