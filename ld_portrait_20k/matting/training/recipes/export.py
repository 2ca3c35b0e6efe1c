"""A trained model as it ships: folded, in 16 bits, with the card that stands there already.

python -m ld_portrait_20k.matting.training.recipes.export RUN OUTPUT
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.models.hint_unet.network import HintUNet
from ld_portrait_20k.matting.models.saving import CARD, load_pretrained, save_pretrained
from ld_portrait_20k.printable import say


def export(run: Path, output: Path) -> int:
    """Write a model folder with weights in 16-bit floats.

    Args:
        run: A model folder that ``train`` wrote.
        output: Gets ``config.json`` and ``model.safetensors``, and the run's card where it
            has none of its own.

    Returns:
        Bytes of the weights.

    Raises:
        PortraitError: The run holds no model, or a weight does not fit 16 bits.
    """
    module = load_pretrained(run)
    if isinstance(module, HintUNet):
        module = module.folded()
    weights = {name: value.half() for name, value in module.state_dict().items()}
    for name, value in weights.items():
        if not value.isfinite().all():
            raise PortraitError(f"{run}: {name} is too large for 16 bits")
    card = output / CARD if (output / CARD).is_file() else run / CARD
    save_pretrained(module, output, card=card.read_text(), weights=weights)
    return (output / "model.safetensors").stat().st_size


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("run", type=Path, help="a folder that train wrote")
    parser.add_argument("output", type=Path, help="the folder that ships")
    options = parser.parse_args()
    try:
        size = export(options.run, options.output)
    except PortraitError as problem:
        say(f"error: {problem}", error=True)
        return 1
    say(f"{size / 1e6:.2f} MB: {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
