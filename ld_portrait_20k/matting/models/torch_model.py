"""A network as a :class:`~.protocol.MattingModel`: numpy in, numpy out, known pixels fixed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from ld_portrait_20k.common.printable import printable
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format.card_fitting import card_head
from ld_portrait_20k.matting.models.denormals import flush_denormals
from ld_portrait_20k.matting.models.inputs import checked_input


class NetworkMatting:
    """A network behind the models' one interface.

    A network that takes a trimap sees the picture at its own scale, in tiles where a side
    exceeds the network's ``tile``. One without needs the whole picture for context, so it
    sees it shrunk until the longer side is ``tile``, and alpha is enlarged again.

    Args:
        module: A :class:`~.protocol.TrainableModel`; ``multiple`` says what its sides must be
            multiples of, ``tile`` the longest side that it is given.
        name: For messages.
        licence: Of the weights.
        device: Where it computes.
        weights: File that the weights come from; None for none.

    Attributes:
        local: Whether small tiles lose nothing.
        concurrent: Whether several threads may call it at once and gain by it.

    Raises:
        PortraitError: There is no such device.
    """

    def __init__(
        self,
        module: Any,
        *,
        name: str,
        licence: str,
        device: str = "cpu",
        weights: Path | None = None,
    ) -> None:
        try:
            self.device = torch.device(device)
            if self.device.type == "meta":
                raise RuntimeError("nothing is computed there")
            self.module = module.eval().to(self.device)
        except (RuntimeError, AssertionError) as problem:
            reason = str(problem).split("\n", 1)[0]
            raise PortraitError(f"device {device!r}: {reason}; try: cpu") from problem
        self.name = name
        self.licence = licence
        self.weights = weights
        self.needs_trimap = bool(module.needs_trimap)
        self.local = bool(getattr(module, "local", False))
        self.concurrent = self.device.type == "cpu"
        self._multiple = int(getattr(module, "multiple", 32))
        self._tile = int(getattr(module, "tile", 1024))

    def __call__(
        self, image: NDArray[np.float32], trimap: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """The alpha matte of a picture; see :class:`~.protocol.MattingModel`."""
        image, trimap = checked_input(self.name, image, trimap, needs_trimap=self.needs_trimap)
        with flush_denormals():
            if not self.needs_trimap or trimap is None:
                alpha = self._shrunk(image)
            else:
                alpha = self._tiled(image, trimap)
        if not np.isfinite(alpha).all():
            raise PortraitError(
                f"{self.name} gives values that are no numbers; try: other weights, or --device cpu"
            )
        if trimap is None:
            return alpha
        known = (trimap == 0) | (trimap == 1)
        return np.where(known, trimap, alpha).astype(np.float32)

    def _tiled(
        self, image: NDArray[np.float32], trimap: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        if max(trimap.shape) <= self._tile:
            return self._once(image, trimap)
        from ld_portrait_20k.matting.prediction.tiles import tiled

        return tiled(self._once, image, trimap, tile=self._tile)

    def _shrunk(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        import cv2

        height, width = image.shape[:2]
        scale = self._tile / max(height, width)
        if scale >= 1:
            return self._once(image, None)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        alpha = self._once(np.asarray(small, np.float32), None)
        grown = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(grown, np.float32)

    @torch.inference_mode()
    def _once(
        self, image: NDArray[np.float32], trimap: NDArray[np.float32] | None
    ) -> NDArray[np.float32]:
        height, width = image.shape[:2]
        picture = self._tensor(image.transpose(2, 0, 1))
        known = torch.full_like(picture[:, :1], 0.5)
        if trimap is not None:
            known = self._tensor(trimap[None])
        alpha = self.module(self.module.prepare(picture, known))
        result: NDArray[np.float32] = alpha[0, 0, :height, :width].float().cpu().numpy()
        return result.clip(0, 1)

    def _tensor(self, planes: NDArray[np.float32]) -> torch.Tensor:
        """(1, C, H', W') on the device, the border repeated up to the network's multiple."""
        tensor = torch.from_numpy(np.ascontiguousarray(planes, np.float32))[None].to(self.device)
        down, right = (-side % self._multiple for side in planes.shape[1:])
        return F.pad(tensor, (0, right, 0, down), mode="replicate")


def open_pretrained(source: str | Path, *, device: str = "cpu") -> NetworkMatting:
    """The model of a folder or of a repository on the Hub.

    Raises:
        PortraitError: Nothing there, not a matting model, damaged, or no such device.
    """
    from ld_portrait_20k.matting.models.saving import load_pretrained, model_files, model_folder

    folder = model_folder(source)
    config, weights = model_files(folder)
    return NetworkMatting(
        load_pretrained(folder), name=str(source), licence=_licence(config.parent), device=device,
        weights=weights,
    )  # fmt: skip


def _licence(folder: Path) -> str:
    """What the card states."""
    card = folder / "README.md"
    if not card.is_file():
        return "unknown"
    front, _ = card_head(card.read_text(errors="replace")) or ({}, "")
    stated = front.get("license_name") or front.get("license") if isinstance(front, dict) else None
    return printable(stated or "unknown", 100)
