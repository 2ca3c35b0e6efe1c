"""``hint-unet``: a small network that sees what classical matting gives cheaply."""

from __future__ import annotations

from ....errors import PortraitError
from ..registry import MODELS
from ..torch_model import NetworkMatting, open_pretrained
from .network import HintUNet

__all__ = ["HintUNet", "create", "open_model"]


def open_model(name: str, *, device: str = "cpu") -> NetworkMatting:
    """The model with the weights that ship.

    Raises:
        PortraitError: The weights are missing or damaged, or there is no such device.
    """
    folder = MODELS[name].shipped
    if folder is None:
        raise PortraitError(f"{name}: its weights are not in this package; try: reinstall it")
    opened = open_pretrained(folder, device=device)
    return NetworkMatting(opened.module, name=name, licence=opened.licence, device=device)


def create(name: str) -> HintUNet:
    """A fresh network, to be trained."""
    return HintUNet()
