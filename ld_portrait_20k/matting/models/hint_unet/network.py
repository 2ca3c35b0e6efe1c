"""The network: a small U-Net over picture, trimap and hints that corrects a cheap alpha."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import torch
import torch.nn.functional as nn_f
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ld_portrait_20k.matting.models.hint_unet.hints import CHANNELS, PROJECTED, SOLVED, hints

MODEL_TYPE: Final = "hint-unet"
WIDTHS: Final = (32, 64, 96, 96)
DEPTHS: Final = (1, 2, 1, 1)
UP_DEPTHS: Final = (1, 1, 1)
_LEAK: Final = 0.01
_SLOPE: Final = 0.1  # below 0; with none, all features died within the first hundred steps


class Block(nn.Module):
    """Two 3 x 3 convolutions beside the identity.

    The second starts small, so that the skip keeps the scale (Zhang et al., "Fixup", ICLR
    2019).
    """

    def __init__(self, width: int, norm: bool = False) -> None:
        super().__init__()
        self.first = _convolution(width, width, 3, norm)
        self.second = _convolution(width, width, 3, norm)

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, C, H, W) to as many."""
        return _activate(x + self.second(_activate(self.first(x))))


class HintUNet(nn.Module):
    """Predicts how two cheap alphas are mixed, steepened and shifted.

    It works at a half of the size and below; the last convolution gives four phases, which
    are woven into the full size.

    Args:
        config: ``widths``, channels at a half, a quarter, an eighth and a sixteenth of the
            size; ``depths``, residual blocks at each on the way down; ``up_depths``, blocks
            on the way up; ``norm``, whether batch normalisation follows each convolution, as
            in training (:meth:`folded` takes it out again), False by default, as in the
            weights that ship; ``solved``, whether it is given the solved alpha, True by
            default. A network that starts without it has more to learn from its labels.

    Attributes:
        config: All of it, with ``model_type``.
        needs_trimap: True.
        multiple: Height and width of the input must be multiples of it.
        tile: Longest side to be computed at once.
        local: True: it learned from crops of 160 pixels, so small tiles lose nothing.
    """

    needs_trimap = True
    multiple = 16
    tile = 1024
    local = True

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        given = dict(config or {})
        width: Sequence[int] = [int(v) for v in given.get("widths", WIDTHS)]
        depths: Sequence[int] = [int(v) for v in given.get("depths", DEPTHS)]
        rising: Sequence[int] = [int(v) for v in given.get("up_depths", UP_DEPTHS)]
        if (len(width), len(depths), len(rising)) != (4, 4, 3):
            raise ValueError("widths and depths have four entries, up_depths three")
        self.config: dict[str, Any] = {
            "model_type": MODEL_TYPE, "widths": list(width), "depths": list(depths),
            "up_depths": list(rising), "norm": bool(given.get("norm", False)),
            "solved": bool(given.get("solved", True)),
        }  # fmt: skip
        norm = self.config["norm"]
        self.stem = _convolution(4 * CHANNELS, width[0], 3, norm)
        self.down = nn.ModuleList(
            _convolution(4 * width[i], width[i + 1], 1, norm) for i in range(3)
        )
        self.encode = nn.ModuleList(_blocks(width[i], depths[i], norm) for i in range(4))
        self.up = nn.ModuleList(_convolution(width[3 - i], width[2 - i], 1, norm) for i in range(3))
        self.decode = nn.ModuleList(_blocks(width[2 - i], rising[i], norm) for i in range(3))
        self.head = nn.Conv2d(width[0], 12, 3, padding=1)
        self._initialise()
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.no_grad()
    def prepare(self, image: Tensor, trimap: Tensor) -> Tensor:
        """Picture (B, 3, H, W) and trimap (B, 1, H, W) with their hints, (B, C, H, W)."""
        return hints(image, trimap, solved=self.config["solved"])

    def forward(self, inputs: Tensor) -> Tensor:
        """Alpha (B, 1, H, W) of what :meth:`prepare` gave; the trimap's where that is known.

        In evaluation it lies in 0..1, in training up to a hundredth of its excess beyond.
        """
        packed = nn_f.pixel_unshuffle(inputs - 0.5, 2)
        with _half_precision(packed, wanted=not self.training):
            features = self._features(packed)
        change, trust, gain = nn_f.pixel_shuffle(features, 2).float().chunk(3, 1)
        alphas = inputs[:, PROJECTED : PROJECTED + 1], inputs[:, SOLVED : SOLVED + 1]
        mixed = torch.lerp(*alphas, torch.sigmoid(trust))
        alpha = 0.5 + gain.exp() * (mixed - 0.5) + change
        cut = alpha.clamp(0.0, 1.0)
        if self.training:
            # What lies beyond costs little but keeps a gradient, so it can come back.
            cut = torch.lerp(cut, alpha, _LEAK)
        inside, outside = inputs[:, 3:4], inputs[:, 4:5]
        return cut * (1 - inside - outside) + inside

    @torch.no_grad()
    def folded(self) -> HintUNet:
        """The same network without batch normalisation, which its convolutions take in.

        It gives what this one gives in evaluation, faster.
        """
        plain = HintUNet({**self.config, "norm": False})
        if not self.config["norm"]:
            plain.load_state_dict(self.state_dict())
            return plain
        for name, module in self.named_modules():
            if isinstance(module, nn.Sequential) and isinstance(module[-1], nn.BatchNorm2d):
                # nn.Sequential's items have no type of their own.
                own: Any = copy.deepcopy(module).eval()
                convolution: Any = fuse_conv_bn_eval(own[0], own[1])
                plain.get_submodule(name).load_state_dict(convolution.state_dict())
        plain.head.load_state_dict(self.head.state_dict())
        return plain

    def _features(self, packed: Tensor) -> Tensor:
        """What the head gives, twelve channels at a half of the size."""
        x = _activate(self.stem(packed.contiguous(memory_format=torch.channels_last)))
        kept: list[Tensor] = []
        for i, blocks in enumerate(self.encode):
            x = blocks(x)
            if i < len(self.down):
                kept.append(x)
                x = _activate(self.down[i](nn_f.pixel_unshuffle(x, 2)))
        for i, blocks in enumerate(self.decode):
            # The 1 x 1 convolution comes first: it is cheaper before the enlargement.
            x = nn_f.interpolate(self.up[i](x), scale_factor=2.0, mode="nearest")
            x = blocks(_activate(x + kept[-1 - i]))
        result: Tensor = self.head(x)
        return result

    @torch.no_grad()
    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="leaky_relu", a=_SLOPE)
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        for module in self.modules():
            if isinstance(module, Block):
                last: Any = module.second[1] if self.config["norm"] else module.second
                last.weight.mul_(0.3)
        if not self.config["norm"]:
            # The stem's inputs lie within 0.5 of 0: twice the weight gives the usual variance.
            self.stem.weight.mul_(2.0)
        self.head.weight.mul_(0.01)
        assert self.head.bias is not None
        # To begin with: the solved alpha, which is the better one, a little steeper, since
        # early stopped it does not quite come to 0 and 1 (by a trial on nine pictures).
        self.head.bias[4:8], self.head.bias[8:] = 4.0, 0.15


def _activate(x: Tensor) -> Tensor:
    return nn_f.leaky_relu(x, _SLOPE, inplace=True)


def _convolution(inputs: int, outputs: int, size: int, norm: bool) -> Any:
    convolution = nn.Conv2d(inputs, outputs, size, padding=size // 2)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs)) if norm else convolution


def _blocks(width: int, count: int, norm: bool) -> nn.Sequential:
    return nn.Sequential(*(Block(width, norm) for _ in range(count)))


@functools.cache
def _multiplies_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 (trials: a third of the time, alpha off by 1e-3)."""
    can: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(can.get("amx_bf16") or can.get("avx512_bf16"))


def _half_precision(like: Tensor, *, wanted: bool) -> AbstractContextManager[Any]:
    if wanted and like.device.type == "cpu" and _multiplies_bf16():
        return torch.autocast("cpu", torch.bfloat16)
    return nullcontext()
