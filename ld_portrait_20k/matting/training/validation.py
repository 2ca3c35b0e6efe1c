"""Validation: errors over fixed crops, and a sheet of pictures to look at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from ld_portrait_20k.matting.metrics.errors import grad, mad, mse, sad
from ld_portrait_20k.matting.training.losses import fix_known, unknown_region

ROWS: Final = 8
"""Crops on the sheet."""

GREEN: Final = np.array([0, 177, 64], np.uint8)
"""Chroma green (0, 177, 64): what a matte lets through of the true background shows."""


@torch.no_grad()
def validate(
    module: Any, batches: Iterable[dict[str, Any]], device: torch.device
) -> tuple[dict[str, float], NDArray[np.uint8]]:
    """Errors of a network over crops.

    Args:
        module: A :class:`~..models.protocol.TrainableModel` with the weights to judge; its
            mode is put back.
        batches: As :func:`.loading.batches` gives them.
        device: Where the module is.

    Returns:
        Means over the crops: ``sad``, ``mse``, ``mad``, ``grad`` over the whole crop and, as
        ``unknown_...``, over the unknown region; and a sheet, (H, W, 3) uint8: picture,
        trimap, predicted alpha, true alpha, and the foreground over green through the
        predicted alpha.
    """
    before = module.training
    module.eval()
    rows: list[dict[str, float]] = []
    pictures: list[NDArray[np.uint8]] = []
    try:
        for batch in batches:
            image, trimap = batch["image"].to(device), batch["trimap"].to(device)
            alpha = module(module.prepare(image, trimap)).float()
            if module.needs_trimap:
                alpha = fix_known(alpha, trimap)
            for number, predicted in enumerate(alpha.clamp(0, 1).cpu().numpy()[:, 0]):
                rows.append(_errors(predicted, batch, number))
                if len(pictures) < ROWS:
                    pictures.append(_row(predicted, batch, number))
    finally:
        module.train(before)
    means = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    return means, np.concatenate(pictures)


def _errors(predicted: NDArray[np.float32], batch: dict[str, Any], number: int) -> dict[str, float]:
    true = batch["alpha"][number, 0].float().numpy()
    unknown = unknown_region(batch["trimap"][number, 0]).numpy()
    whole, part = {}, {}
    for name, measure in {"sad": sad, "mse": mse, "mad": mad, "grad": grad}.items():
        part[f"unknown_{name}"] = measure(predicted, true, unknown)
        whole[name] = measure(predicted, true)
    return {**part, **whole}


def _row(predicted: NDArray[np.float32], batch: dict[str, Any], number: int) -> NDArray[np.uint8]:
    image = _bytes(batch["image"][number].permute(1, 2, 0).numpy())
    weight = predicted[..., None]
    foreground = batch["foreground"][number].permute(1, 2, 0).numpy()
    over = weight * foreground + (1 - weight) * (GREEN / np.float32(255))
    grey = [batch["trimap"][number, 0].numpy(), predicted, batch["alpha"][number, 0].numpy()]
    columns = [np.repeat(_bytes(plane)[..., None], 3, axis=2) for plane in grey]
    return np.concatenate([image, *columns, _bytes(over)], axis=1)


def _bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
