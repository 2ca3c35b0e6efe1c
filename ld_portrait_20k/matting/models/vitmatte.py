"""ViTMatte through transformers.

Yao et al., "ViTMatte: Boosting Image Matting with Pretrained Plain Vision Transformers",
Information Fusion 2024.
A folder that is saved from here is one that ``transformers.VitMatteForImageMatting`` loads,
and the other way round. The weights that its authors publish were trained on Adobe's
Composition-1k, whose terms allow no commercial use; fresh ones carry no such bond.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from transformers import VitMatteConfig, VitMatteForImageMatting

MEAN: Final = 0.5
DEVIATION: Final = 0.5
"""Of every channel, as the published weights' ``preprocessor_config.json`` has them."""

MULTIPLE: Final = 32
"""Sides must be multiples of a patch, 16; the published processor pads to 32."""

TILE: Final = 1024
"""Side of a tile, pixels: global attention over 64 x 64 patches takes under 3 GB for ViT-B."""

_SIZES: Final[dict[str, dict[str, Any]]] = {
    "vitmatte-small": {"hidden_size": 384, "num_attention_heads": 6},
    "vitmatte-base": {"hidden_size": 768, "num_attention_heads": 12},
}


class VitMatte(nn.Module):
    """ViTMatte as a :class:`~.protocol.TrainableModel`; weights are named as transformers has them.

    Args:
        config: Of ``transformers.VitMatteConfig``, as its ``to_dict`` gives it.
    """

    needs_trimap = True
    multiple = MULTIPLE
    tile = TILE

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        built = VitMatteForImageMatting(VitMatteConfig(**_constructible(config)))
        kept: dict[str, Any] = json.loads(built.config.to_json_string())
        self.config = {**kept, "architectures": ["VitMatteForImageMatting"]}
        self.backbone = built.backbone
        self.decoder = built.decoder

    def prepare(self, image: Tensor, trimap: Tensor) -> Tensor:
        """Normalised picture and plain trimap: (B, 4, H, W)."""
        return torch.cat(((image - MEAN) / DEVIATION, trimap), dim=1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Alpha (B, 1, H, W), 0..1; H and W are multiples of 32."""
        features = self.backbone(inputs).feature_maps[-1]
        alpha: Tensor = self.decoder(features, inputs)
        return alpha

    def save_extras(self, folder: Path) -> None:
        """Write what transformers needs beside weights and config: the processor's settings."""
        from transformers.models.vitmatte.image_processing_pil_vitmatte import (
            VitMatteImageProcessorPil,
        )

        VitMatteImageProcessorPil(size_divisor=MULTIPLE).save_pretrained(folder)


def create(name: str) -> VitMatte:
    """``vitmatte-small`` (25.8 M) or ``vitmatte-base``, the paper's sizes, with fresh weights."""
    backbone = {
        **_SIZES[name], "model_type": "vitdet", "num_channels": 4, "num_hidden_layers": 12,
        "patch_size": 16, "image_size": 512, "pretrain_image_size": 224, "window_size": 14,
        "window_block_indices": [0, 1, 3, 4, 6, 7, 9, 10],
        "residual_block_indices": [2, 5, 8, 11],
        "use_absolute_position_embeddings": True, "use_relative_position_embeddings": True,
        "out_features": ["stage12"],
    }  # fmt: skip
    return VitMatte({"backbone_config": backbone, "hidden_size": _SIZES[name]["hidden_size"]})


def _constructible(config: dict[str, Any]) -> dict[str, Any]:
    """Without what describes a saved file; lists where transformers 5 refuses its own tuples."""
    plain = {k: v for k, v in config.items() if k not in ("model_type", "architectures")}
    for key, default in (
        ("fusion_hidden_sizes", [256, 128, 64, 32]),
        ("convstream_hidden_sizes", [48, 96, 192]),
    ):
        plain[key] = list(plain.get(key, default))
    return plain
