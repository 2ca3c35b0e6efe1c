"""The network of the transparent decoder, under the published tensor names.

The UNet of Zhang and Agrawala, "Transparent Image Layer Diffusion using Latent
Transparency" (arXiv 2402.17113, section 3.1): it sees SDXL's decoded RGB picture and, from
its fourth level on, the latent. It uses torch only, so that the weights load strictly even if
diffusers renames its modules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS: Final = (32, 32, 64, 128, 256, 512, 512)
ATTENTION_FROM: Final = 4
LATENT_AT: Final = 3
GROUPS: Final = 4
HEAD_DIM: Final = 8
EPS: Final = 1e-5


class ResnetBlock(nn.Module):
    """Two normalised 3x3 convolutions and a shortcut, as in diffusion UNets without time."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, channels_in, EPS)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.norm2 = nn.GroupNorm(GROUPS, channels_out, EPS)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        if channels_in != channels_out:
            self.conv_shortcut = nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Features (N, C, H, W) to (N, C', H, W)."""
        h = self.conv1(F.silu(self.norm1(x), inplace=True))
        h = self.conv2(F.silu(self.norm2(h), inplace=True))
        return h + (self.conv_shortcut(x) if hasattr(self, "conv_shortcut") else x)


class Attention(nn.Module):
    """Self-attention over the positions of a feature map, with a residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.group_norm = nn.GroupNorm(GROUPS, channels, EPS)
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])
        self.heads = channels // HEAD_DIM

    def forward(self, x: Tensor) -> Tensor:
        """Features (N, C, H, W) to the same shape."""
        tokens = self.group_norm(x).flatten(2).transpose(1, 2)
        q, k, v = (
            project(tokens).unflatten(2, (self.heads, HEAD_DIM)).transpose(1, 2)
            for project in (self.to_q, self.to_k, self.to_v)
        )
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return x + self.to_out[0](attended).transpose(1, 2).unflatten(2, x.shape[2:])


class Resample(nn.Module):
    """A 3x3 convolution that halves the sides, or that follows their doubling."""

    def __init__(self, channels: int, up: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=1 if up else 2, padding=1)
        self.up = up

    def forward(self, x: Tensor) -> Tensor:
        """Features to half or twice the sides."""
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest") if self.up else x)


class DownBlock(nn.Module):
    """Two residual blocks, with attention if ``attend``, and halving unless ``last``."""

    def __init__(self, channels_in: int, channels_out: int, attend: bool, last: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            [ResnetBlock(channels_in, channels_out), ResnetBlock(channels_out, channels_out)]
        )
        if attend:
            self.attentions = nn.ModuleList([Attention(channels_out) for _ in range(2)])
        self.downsamplers = nn.ModuleList([] if last else [Resample(channels_out, up=False)])

    def forward(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        """Features to the next level; the output of every step is pushed onto ``skips``."""
        for index, resnet in enumerate(self.resnets):
            x = resnet(x)
            if hasattr(self, "attentions"):
                x = self.attentions[index](x)
            skips.append(x)
        for downsampler in self.downsamplers:
            x = downsampler(x)
            skips.append(x)
        return x


class UpBlock(nn.Module):
    """Three residual blocks over the skips, with attention if asked; doubles unless ``last``."""

    def __init__(self, inputs: Sequence[int], channels_out: int, attend: bool, last: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList([ResnetBlock(count, channels_out) for count in inputs])
        if attend:
            self.attentions = nn.ModuleList([Attention(channels_out) for _ in inputs])
        self.upsamplers = nn.ModuleList([] if last else [Resample(channels_out, up=True)])

    def forward(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        """Features to the level above; takes its skips off ``skips``."""
        for index, resnet in enumerate(self.resnets):
            x = resnet(torch.cat([x, skips.pop()], dim=1))
            if hasattr(self, "attentions"):
                x = self.attentions[index](x)
        for upsampler in self.upsamplers:
            x = upsampler(x)
        return x


class MidBlock(nn.Module):
    """Residual block, attention, residual block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attentions = nn.ModuleList([Attention(channels)])
        self.resnets = nn.ModuleList([ResnetBlock(channels, channels) for _ in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        """Features (N, C, H, W) to the same shape."""
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class TransparencyUNet(nn.Module):
    """The network itself: one pass, channel order A, R, G, B, values not clipped."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(3, CHANNELS[0], 3, padding=1)
        self.latent_conv_in = nn.Conv2d(4, CHANNELS[LATENT_AT - 1], 1)
        bottom = len(CHANNELS) - 1
        self.down_blocks = nn.ModuleList()
        skips = [CHANNELS[0]]
        for level, channels in enumerate(CHANNELS):
            before = CHANNELS[max(level - 1, 0)]
            self.down_blocks.append(
                DownBlock(before, channels, level >= ATTENTION_FROM, level == bottom)
            )
            skips += [channels] * (2 if level == bottom else 3)
        self.mid_block = MidBlock(CHANNELS[-1])
        self.up_blocks = nn.ModuleList()
        below = CHANNELS[-1]
        for level, channels in reversed(list(enumerate(CHANNELS))):
            inputs = [here + skips.pop() for here in (below, channels, channels)]
            self.up_blocks.append(UpBlock(inputs, channels, level >= ATTENTION_FROM, level == 0))
            below = channels
        self.conv_norm_out = nn.GroupNorm(GROUPS, CHANNELS[0], EPS)
        self.conv_out = nn.Conv2d(CHANNELS[0], 4, 3, padding=1)

    def forward(self, pixels: Tensor, latents: Tensor) -> Tensor:
        """Pixels (N, 3, H, W) and latents (N, 4, H/8, W/8) to (N, 4, H, W)."""
        x = self.conv_in(pixels)
        skips = [x]
        for level, block in enumerate(self.down_blocks):
            if level == LATENT_AT:
                x = x + self.latent_conv_in(latents)
            x = block(x, skips)
        x = self.mid_block(x)
        for block in self.up_blocks:
            x = block(x, skips)
        return self.conv_out(F.silu(self.conv_norm_out(x)))
