"""The card of a trained model: which data, which licence, which figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import yaml

from ld_portrait_20k.version import __version__

_FIGURES: Final = (
    ("mad", "MAD x 1e-3", 1e3), ("mse", "MSE x 1e-3", 1e3), ("sad", "SAD / 1000", 1.0),
    ("grad", "Grad / 1000", 1.0),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card states; nothing that was not measured or given.

    Attributes:
        title: The model's name.
        kind: ``model_type``.
        parameters: How many.
        needs_trimap: Whether it is given a trimap.
        data: A line a source: how many samples of what.
        backgrounds: What foregrounds were composited over, a sentence.
        start: Where the weights came from before training.
        step: Steps done.
        steps: Steps planned.
        licence: SPDX identifier of the weights' licence; empty if nobody stated one.
        figures: Means over the validation crops, as :func:`..training.validation.validate`
            gives them; empty before the first validation.
        crops: How many validation crops.
        crop: Side of a crop, pixels.
        command: The command line that trains it; empty when called from Python.
    """

    title: str
    kind: str
    parameters: int
    needs_trimap: bool
    data: Sequence[str]
    backgrounds: str
    start: str
    step: int
    steps: int
    licence: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    crops: int = 0
    crop: int = 0
    command: str = ""


def model_card(facts: CardFacts) -> str:
    """The text of ``README.md``: YAML for the Hub, then Markdown."""
    front = {
        "license": facts.licence.lower() or "other",
        **({} if facts.licence else {"license_name": "not-stated"}),
        "library_name": "transformers" if facts.kind == "vitmatte" else "ld-portrait-20k",
        "pipeline_tag": "image-segmentation",
        "tags": ["image-matting", "portrait-matting", facts.kind],
    }
    given = "a picture and a trimap" if facts.needs_trimap else "a picture alone"
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n",
        f"# {facts.title}\n\nPredicts the alpha matte of {given}. {facts.kind}, "
        f"{facts.parameters / 1e6:.2f} M parameters, trained with ld-portrait-20k {__version__}.\n",
        _usage(facts),
        "## Data\n\n" + "".join(f"- {line}\n" for line in facts.data)
        + f"\n{facts.backgrounds[:1].upper()}{facts.backgrounds[1:]}.\n",
        _training(facts),
        _licence(facts),
        _table(facts),
    ]  # fmt: skip
    return "\n".join(parts)


def _usage(facts: CardFacts) -> str:
    call = "model(image, trimap)" if facts.needs_trimap else "model(image)"
    return (
        "```python\n"
        "from ld_portrait_20k.matting import load\n\n"
        'model = load("FOLDER-OR-OWNER/NAME")\n'
        f"alpha = {call}  # float32 in 0..1; image (H, W, 3)"
        f"{', trimap (H, W) of 0, 0.5, 1' if facts.needs_trimap else ''}\n"
        "```\n"
    )


def _training(facts: CardFacts) -> str:
    done = f"{facts.step} steps" if facts.step == facts.steps else (
        f"{facts.step} of {facts.steps} steps: training was under way"
    )  # fmt: skip
    text = (
        f"## Training\n\n{done}. Start: {facts.start}. All settings are in `training.yaml`. "
        "The weights are the moving average of training's.\n"
    )
    return text + (f"\n```bash\n{facts.command}\n```\n" if facts.command else "")


def _licence(facts: CardFacts) -> str:
    if facts.licence:
        return f"## Licence\n\n{facts.licence}, as stated by whoever trained it.\n"
    return (
        "## Licence\n\nNone was stated. The terms of the data above decide what the weights "
        "may be used for.\n"
    )


def _table(facts: CardFacts) -> str:
    if not facts.figures:
        return "## Figures\n\nNone yet: it was not validated.\n"
    rows = "".join(
        f"| {label} | {facts.figures[f'unknown_{name}'] * scale:.3f} | "
        f"{facts.figures[name] * scale:.3f} |\n"
        for name, label, scale in _FIGURES
    )
    return (
        f"## Figures\n\nMeans over {facts.crops} validation crops of {facts.crop} px, composited "
        "from samples that were not trained on. Crops around the unknown region are harder "
        "than whole pictures: compare with figures of the same crops only.\n\n"
        f"| error | unknown region | whole crop |\n| --- | --- | --- |\n{rows}"
    )
