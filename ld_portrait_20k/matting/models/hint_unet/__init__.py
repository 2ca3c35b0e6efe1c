"""``hint-unet``: a small network that sees what classical matting gives cheaply."""

from __future__ import annotations

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.models.hint_unet.network import HintUNet
from ld_portrait_20k.matting.models.registry import MODELS
from ld_portrait_20k.matting.models.torch_model import NetworkMatting, open_pretrained

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
    opened.name = name
    return opened


def create(name: str) -> HintUNet:
    """A fresh network, to be trained; batch normalisation is folded away when it ships."""
    return HintUNet({"norm": True})
