"""What changes the weights: AdamW, its learning rate by step, and their moving average."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ld_portrait_20k.matting.training.config import TrainingConfig


def build_optimizer(module: nn.Module, config: TrainingConfig) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019) that decays matrices and kernels only.

    Biases, norms' scales and position tables of one dimension are left alone, as is usual.
    """
    trained = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=config.learning_rate
    )


def learning_rate(step: int, config: TrainingConfig) -> float:
    """Linear warm-up, then half a cosine down to a hundredth (Loshchilov and Hutter 2017).

    Args:
        step: 0 for the first.
        config: ``steps``, ``warmup`` and ``learning_rate`` count.
    """
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


class MovingAverage:
    """Exponential moving average of a module's weights and running statistics.

    The decay grows as (1 + n) / (10 + n) up to its limit (as TensorFlow's
    ``ExponentialMovingAverage`` does), so that a short run is not held back by its start.

    Args:
        module: Whose weights.
        decay: Limit; 0 makes the average the weights themselves.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.weights = {name: value.detach().clone() for name, value in _state(module)}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Take in the module's weights after a step."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates)) if self.decay else 0.0
        now = dict(_state(module))
        means = [name for name, value in now.items() if value.is_floating_point()]
        torch._foreach_lerp_(
            [self.weights[name] for name in means], [now[name].detach() for name in means],
            1 - decay,
        )  # fmt: skip
        for name in now.keys() - set(means):
            self.weights[name].copy_(now[name])

    @contextmanager
    def applied_to(self, module: nn.Module) -> Iterator[None]:
        """The module with the averaged weights, its own afterwards."""
        own = {name: value.detach().clone() for name, value in _state(module)}
        module.load_state_dict(self.weights)
        try:
            yield
        finally:
            module.load_state_dict(own)


def _state(module: nn.Module) -> list[tuple[str, Tensor]]:
    return list(module.state_dict().items())
