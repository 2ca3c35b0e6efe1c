"""Batch normalisation with the statistics of all processes' batches together.

Several processes then normalise as one process with the whole batch would. torch's
``SyncBatchNorm`` does this on GPUs but refuses CPU tensors; on a CPU a small module with the
same parameters takes its place.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed.nn.functional as collective
from torch import Tensor, nn


class CpuSyncBatchNorm(nn.BatchNorm2d):
    """``BatchNorm2d`` whose statistics are those of every process's batch together.

    All processes must give batches of one size, as the training loop does.
    """

    def forward(self, values: Tensor) -> Tensor:
        """Normalised (B, C, H, W)."""
        if not self.training:
            return super().forward(values)
        single = values.float()
        # One exchange forward, one backward: mean and mean square in one tensor.
        own = torch.stack((single.mean((0, 2, 3)), single.square().mean((0, 2, 3))))
        processes = torch.distributed.get_world_size()
        mean, square = collective.all_reduce(own) / processes
        variance = (square - mean.square()).clamp(min=0)
        self._note(mean.detach(), variance.detach(), values.numel() // len(mean) * processes)
        scale = self.weight * (variance + self.eps).rsqrt()
        shift = self.bias - mean * scale
        return (single * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)).to(values.dtype)

    def _note(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Running statistics, as ``BatchNorm2d`` keeps them: the unbiased variance."""
        running: Any = self
        running.num_batches_tracked.add_(1)
        running.running_mean.lerp_(mean, self.momentum)
        running.running_var.lerp_(variance * (count / max(1, count - 1)), self.momentum)


def synchronised(module: nn.Module, device: torch.device) -> nn.Module:
    """The module, its batch norms sharing statistics over processes; weights keep their names."""
    if device.type != "cpu":
        return nn.SyncBatchNorm.convert_sync_batchnorm(module)
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.BatchNorm2d:
                common = CpuSyncBatchNorm(child.num_features, child.eps, child.momentum or 0.1)
                common.load_state_dict(child.state_dict())
                setattr(parent, name, common)
    return module
