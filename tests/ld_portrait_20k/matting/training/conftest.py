"""Small data in files and a tiny ViTMatte, for the tests of training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")
pytest.importorskip("accelerate")

from ld_portrait_20k.matting.models.vitmatte import VitMatte


def portrait(number: int, size: int = 72) -> tuple[NDArray[Any], NDArray[Any]]:
    """A soft disc with a pattern of its own: colour (H, W, 3) and alpha (H, W), uint8."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[:size, :size]
    away = np.hypot(y - size * rng.uniform(0.4, 0.6), x - size / 2)
    alpha = np.clip((size * 0.33 - away) * 25 + 128, 0, 255).astype(np.uint8)
    colour = cv2.resize(rng.integers(0, 256, (9, 9, 3), np.uint8), (size, size))
    return colour, alpha


def write(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    flipped = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    assert cv2.imwrite(str(path), flipped)


def write_pairs(root: Path, colours: str, alphas: str, count: int = 4, trimaps: str = "") -> Path:
    """``count`` pictures in two or three folders below ``root``."""
    for number in range(count):
        colour, alpha = portrait(number)
        write(root / colours / f"{number:03d}.png", colour)
        write(root / alphas / f"{number:03d}.png", alpha)
        if trimaps:
            trimap = np.where((alpha > 0) & (alpha < 255), 128, alpha).astype(np.uint8)
            write(root / trimaps / f"{number:03d}.png", trimap)
    return root


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return write_pairs(tmp_path / "pairs", "foreground", "alpha")


def tiny_config(**more: Any) -> dict[str, Any]:
    backbone = {
        "model_type": "vitdet", "hidden_size": 32, "num_attention_heads": 2, "num_channels": 4,
        "num_hidden_layers": 2, "patch_size": 16, "image_size": 64, "pretrain_image_size": 64,
        "window_size": 2, "window_block_indices": [0], "residual_block_indices": [],
        "use_relative_position_embeddings": True, "out_features": ["stage2"],
    }  # fmt: skip
    return {
        "backbone_config": backbone, "hidden_size": 32, "convstream_hidden_sizes": [8, 12, 16],
        "fusion_hidden_sizes": [24, 16, 12, 8], **more,
    }  # fmt: skip


@pytest.fixture
def tiny() -> VitMatte:
    import torch

    torch.manual_seed(0)
    return VitMatte(tiny_config())


@pytest.fixture(autouse=True)
def denormals() -> Iterator[None]:
    """Denormal numbers as zero, as in training: small random weights make them."""
    from ld_portrait_20k.matting.models.denormals import flush_denormals

    with flush_denormals():
        yield
