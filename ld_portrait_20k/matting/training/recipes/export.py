"""A trained model as it ships: folded, in 16 bits, with the card that stands there already.

python -m ld_portrait_20k.matting.training.recipes.export RUN OUTPUT [--first RUN --share 0.75]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ld_portrait_20k.common.printable import say
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.models.hint_unet.network import HintUNet
from ld_portrait_20k.matting.models.saving import CARD, load_pretrained, save_pretrained


def export(run: Path, output: Path, *, first: Path | None = None, share: float = 1.0) -> int:
    """Write a model folder with weights in 16-bit floats.

    Args:
        run: A model folder that ``train`` wrote.
        output: Gets ``config.json`` and ``model.safetensors``, and the run's card where it
            has none of its own.
        first: The run that ``run`` started from. The weights between the two often do better
            than either (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").
        share: How far from ``first`` to ``run``, 0..1.

    Returns:
        Bytes of the weights.

    Raises:
        PortraitError: The run holds no model, ``first`` one of another shape, the share is
            out of range, or a weight does not fit 16 bits.
    """
    module = load_pretrained(run)
    if first is not None:
        _mix(module, run, load_pretrained(first), first, share)
    if isinstance(module, HintUNet):
        module = module.folded()
    weights = {name: value.half() for name, value in module.state_dict().items()}
    for name, value in weights.items():
        if not value.isfinite().all():
            raise PortraitError(f"{run}: {name} is too large for 16 bits")
    card = output / CARD if (output / CARD).is_file() else run / CARD
    save_pretrained(module, output, card=card.read_text(), weights=weights)
    return (output / "model.safetensors").stat().st_size


def _mix(module: Any, run: Path, origin: Any, first: Path, share: float) -> None:
    """Move a network's weights and running statistics back towards those it started from."""
    if not 0 <= share <= 1:
        raise PortraitError(f"the share is {share}; it must be in 0..1")
    if module.config != origin.config:
        raise PortraitError(f"{first} and {run} hold networks of different shapes")
    start = origin.state_dict()
    mixed = {
        name: value + (1 - share) * (start[name] - value) if value.is_floating_point() else value
        for name, value in module.state_dict().items()
    }
    module.load_state_dict(mixed)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("run", type=Path, help="a folder that train wrote")
    parser.add_argument("output", type=Path, help="the folder that ships")
    parser.add_argument("--first", type=Path, help="the run that RUN started from, to mix with")
    parser.add_argument("--share", type=float, default=0.75, help="of RUN in it (default 0.75)")
    options = parser.parse_args()
    try:
        size = export(options.run, options.output, first=options.first, share=options.share)
    except PortraitError as problem:
        say(f"error: {problem}", error=True)
        return 1
    say(f"{size / 1e6:.2f} MB: {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
