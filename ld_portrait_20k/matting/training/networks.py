"""The network a run starts from: fresh, or of a model folder."""

from __future__ import annotations

from typing import Any

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.models.registry import MODELS, require, resolve
from ld_portrait_20k.matting.models.saving import load_pretrained
from ld_portrait_20k.matting.training.config import TrainingConfig


def starting_network(config: TrainingConfig) -> tuple[Any, str]:
    """The network of a configuration, on the CPU, and where its weights come from.

    Raises:
        PortraitError: No such model, one that is not trained, or ``init`` is of another kind.
    """
    entry = MODELS.get(config.model)
    trained = [name for name, one in MODELS.items() if one.create]
    if entry is None or entry.create is None:
        what = "is not trained" if entry else "is no model"
        raise PortraitError(f"{config.model!r} {what}; try: --model {' or '.join(trained)}")
    require(entry)
    fresh = resolve(entry.create)(config.model)
    if config.init is None:
        if not fresh.needs_trimap:  # it shall be given pictures of the size of its crops
            fresh.config["size"] = config.crop
        return fresh, "fresh weights"
    given = load_pretrained(config.init)
    if given.config["model_type"] != fresh.config["model_type"]:
        raise PortraitError(
            f"{config.init} holds a {given.config['model_type']}, not a {config.model}; "
            "try: another --init or --model"
        )
    return given, f"weights of {config.init}"
