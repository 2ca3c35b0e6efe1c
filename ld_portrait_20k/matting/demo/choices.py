"""What the page lets people choose: models and segmenters that can run here."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.models.protocol import MattingModel
from ld_portrait_20k.matting.models.registry import MODELS, choose_device, default_model, load

GRABCUT: Final = "grabcut"
"""Pictures alone: GrabCut from what was painted, see :func:`~.strokes.mask_from_strokes`."""

FIRST_MASK: Final = "first-mask"
MASKS: Final = "masks"


def usable_models(folders: Sequence[str] = ()) -> list[str]:
    """The models that need no training first and whose packages are installed.

    Args:
        folders: Folders that ``train`` wrote, and names, which come first.

    Returns:
        What :func:`open_model` takes, the preselected one first.
    """
    ready = [
        name
        for name, entry in MODELS.items()
        if not entry.missing and (entry.kind == "classical" or entry.shipped)
    ]
    return list(dict.fromkeys((*folders, default_model()[0], *ready)))


def open_model(chosen: str | None) -> MattingModel:
    """Open a model that was chosen on the page; nothing is fetched.

    Args:
        chosen: A name of the registry, or a folder of this machine.

    Raises:
        PortraitError: Neither, or it cannot be opened.
    """
    text = (chosen or "").strip()
    if text in MODELS:
        return _named(text)
    if not text or not Path(text).expanduser().is_dir():
        raise PortraitError(
            f"no model {text!r} here; try: one of {', '.join(usable_models())}, or the folder of "
            "a trained model"
        )
    folder = str(Path(text).expanduser())
    return load(folder, device=choose_device(folder))


@functools.lru_cache(maxsize=2)
def _named(name: str) -> MattingModel:
    return load(name, device=choose_device(name))


def picture_segmenters() -> dict[str, str]:
    """What finds the person of a picture here: name to what the page says of it."""
    return {**_unprompted(), GRABCUT: "GrabCut, from what you painted"}


def clip_segmenters() -> dict[str, str]:
    """What finds the person of a clip here: name to what the page says of it."""
    return {
        **_unprompted(),
        FIRST_MASK: "first-mask: paint or upload the person of the first frame",
        MASKS: "masks: upload a clip of masks",
    }


def _unprompted() -> dict[str, str]:
    """The registry's segmenters that run here without being told where the person is."""
    from ld_portrait_20k.matting.video.segmenters import mediapipe
    from ld_portrait_20k.matting.video.segmenters.registry import AUTO, Guides, choose

    names = []
    with contextlib.suppress(PortraitError):  # none is installed
        names.append(choose(AUTO, Guides())[0])
    if mediapipe.is_ready():
        names.append("mediapipe")
    return {name: name for name in names}
