"""The models by name, and :func:`load`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from ld_portrait_20k.errors import PortraitError, missing_extra
from ld_portrait_20k.matting.models.protocol import MattingModel

_HERE: Final = __name__.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """What is known of a model without importing it.

    Attributes:
        name: What ``--model`` takes.
        kind: ``"network"`` or ``"classical"``.
        licence: Of its weights, or of its method's implementation where it has none.
        parameters: How many it has; 0 for a classical method.
        needs_trimap: Whether it cannot do without a trimap.
        summary: One line, for a person.
        open: ``"module:function"``, called as ``function(name, device=...)``, gives the
            :class:`~.protocol.MattingModel`; empty where it has to be trained first.
        create: ``"module:function"``, called as ``function(name)``, gives a fresh network to
            train, a :class:`~.protocol.TrainableModel`; None where nothing is trained.
        requires: Modules that must be importable.
        extra: The extra of ``ld-portrait-20k`` that brings them; empty where none is needed.
        published: Repositories on the Hub with weights for it, and their licence; empty if none.
        weights: Shipped weights, relative to ``ld_portrait_20k/matting``; empty if none.
    """

    name: str
    kind: str
    licence: str
    parameters: int
    needs_trimap: bool
    summary: str
    open: str
    create: str | None = None
    requires: tuple[str, ...] = ()
    extra: str = ""
    published: str = ""
    weights: str = ""

    @property
    def missing(self) -> tuple[str, ...]:
        """What it needs and is not installed; nothing is imported to find out."""
        return tuple(name for name in self.requires if find_spec(name) is None)

    @property
    def shipped(self) -> Path | None:
        """The folder of its weights in this package; None if there is none."""
        folder = Path(__file__).parents[1] / self.weights
        return folder if self.weights and (folder / "model.safetensors").is_file() else None


_TORCH: Final = ("torch", "safetensors")
_ADOBE: Final = (
    "hustvl/vitmatte-{size}-composition-1k (MIT code; trained on Adobe's Composition-1k, "
    "whose terms allow no commercial use)"
)

MODELS: Final = {
    entry.name: entry
    for entry in (
        ModelEntry(
            "hint-unet", "network", "Apache-2.0", 863_916, True,
            "small U-Net that sees the trimap and classical colour hints; weights ship",
            open=f"{_HERE}.hint_unet:open_model", create=f"{_HERE}.hint_unet:create",
            requires=_TORCH, extra="matting", weights="weights/hint-unet",
        ),
        ModelEntry(
            "vitmatte-small", "network", "no weights ship", 25_800_000, True,
            "ViTMatte-S through transformers, to be trained, or a folder or repository of it",
            open="", create=f"{_HERE}.vitmatte:create",
            requires=(*_TORCH, "transformers"), extra="matting",
            published=_ADOBE.format(size="small"),
        ),
        ModelEntry(
            "vitmatte-base", "network", "no weights ship", 96_700_000, True,
            "ViTMatte-B through transformers, to be trained, or a folder or repository of it",
            open="", create=f"{_HERE}.vitmatte:create",
            requires=(*_TORCH, "transformers"), extra="matting",
            published=_ADOBE.format(size="base"),
        ),
        ModelEntry(
            "portrait-unet", "network", "no weights ship", 2_948_292, False,
            "trimap-free portrait network, to be trained",
            open="", create=f"{_HERE}.portrait:create",
            requires=_TORCH, extra="matting",
        ),
        ModelEntry(
            "closed-form", "classical", "MIT (pymatting)", 0, True,
            "Levin et al. 2008, through pymatting",
            open=f"{_HERE}.classical:open_closed_form",
            requires=("pymatting", "scipy"), extra="matting",
        ),
        ModelEntry(
            "guided-filter", "classical", "Apache-2.0", 0, True,
            "He et al. 2013, colour guide, box filters; fast, no extra needed",
            open=f"{_HERE}.classical:open_guided_filter",
        ),
    )
}  # fmt: skip
"""Every model that has a name."""


def load(name_or_folder: str | Path, *, device: str = "cpu") -> MattingModel:
    """Open a model.

    Args:
        name_or_folder: A name of :data:`MODELS`; a folder that ``train`` or
            ``save_pretrained`` wrote, or a checkpoint in it; or a repository ``owner/name`` on
            the Hub.
        device: Where networks compute: ``"cpu"``, ``"cuda"``, ``"cuda:1"``.

    Raises:
        PortraitError: No such model, it has to be trained first, what it needs is not
            installed, or the folder holds none.
    """
    text = str(name_or_folder)
    if text in MODELS:
        entry = MODELS[text]
        if not entry.open:
            raise PortraitError(
                f"{text} has no weights yet; try: python -m ld_portrait_20k.matting train --model "
                f"{text}, then the folder of that run"
            )
        require(entry)
        model: MattingModel = resolve(entry.open)(entry.name, device=device)
        return model
    if not Path(text).expanduser().is_dir() and text.count("/") != 1:
        raise PortraitError(
            f"no model {text!r}: neither a folder nor one of {', '.join(MODELS)}; "
            "try: python -m ld_portrait_20k.matting models"
        )
    for module in _TORCH:
        if find_spec(module) is None:
            raise missing_extra(module, "matting")
    opened: MattingModel = resolve(f"{_HERE}.torch_model:open_pretrained")(text, device=device)
    return opened


def default_model() -> tuple[str, str]:
    """The model for those who name none.

    Returns:
        Its name, and a sentence that says which it is and why.
    """
    ours = MODELS["hint-unet"]
    if ours.shipped and not ours.missing:
        return ours.name, f"model: {ours.name}, whose weights ship with this package"
    why = "its weights are not there" if not ours.shipped else f"{ours.missing[0]} is not installed"
    other = "guided-filter" if MODELS["closed-form"].missing else "closed-form"
    return other, f"model: {other}, for want of {ours.name} ({why})"


def choose_device(name_or_folder: str | Path, device: str = "auto") -> str:
    """``auto`` as a device: a GPU for a network where there is one, else ``cpu``."""
    if device != "auto":
        return device
    entry = MODELS.get(str(name_or_folder))
    if (entry and (entry.kind == "classical" or entry.missing)) or find_spec("torch") is None:
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def require(entry: ModelEntry) -> None:
    """Check that a model can be imported.

    Raises:
        PortraitError: Something it needs is not installed; the message says what to install.
    """
    if entry.missing:
        raise missing_extra(", ".join(entry.missing), entry.extra)


def resolve(reference: str) -> Callable[..., Any]:
    """The function that ``"module:function"`` names; its module is imported."""
    module, _, function = reference.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found
