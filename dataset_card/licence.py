"""The licence of the data, as it follows from the generator that made it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from dataset_card.escape import inline
from ld_portrait_20k.errors import PortraitError

_IDENTIFIER: Final = re.compile(r"[a-z0-9][a-z0-9.+-]{,39}")


@dataclass(frozen=True, slots=True)
class Licence:
    """Under which terms a dataset's samples can be used.

    Attributes:
        identifier: The Hub's identifier (``license`` in the card).
        name: The Hub's ``license_name``, for the identifier ``other``.
        title: Its name for people.
        terms: What it means here, in Markdown.
    """

    identifier: str
    name: str | None
    title: str
    terms: str


_PROCEDURAL: Final = Licence(
    "cc0-1.0",
    None,
    "CC0 1.0 Universal (public domain dedication)",
    "The portraits were drawn by a program from random numbers, without any photograph, "
    "model weights or other third-party material. To the extent possible under law, whoever "
    "publishes this dataset waives all copyright and related rights in it under "
    "[CC0 1.0](https://creativecommons.org/publicdomain/zero/1.0/).",
)
_FOLDER: Final = Licence(
    "other",
    "source-pictures",
    "That of the source pictures",
    "The samples are edited copies of pictures that were in a folder. They are under the "
    "terms of those pictures, which the software that built the dataset cannot know. "
    "Whoever publishes the dataset has to find out and state them here; until then, no "
    "permission to use the samples is given or implied.",
)
_LAYER_DIFFUSION: Final = Licence(
    "other",
    "model-outputs",
    "That of the models' outputs",
    "The samples are outputs of the models listed above, and the terms of those weights "
    "decide. What has to be checked before publishing, at the revisions listed:\n\n"
    "- **Base model.** Stable Diffusion XL is under the "
    "[CreativeML Open RAIL++-M licence]"
    "(https://huggingface.co/stabilityai/stable-diffusion-xl-base-1.0/blob/main/LICENSE.md): "
    "its licensor claims no rights in outputs, and its use restrictions apply to them.\n"
    "- **Fine-tuned base** (RealVisXL and others): its model page names its licence, "
    "commonly `openrail++`, and it inherits the restrictions of SDXL.\n"
    "- **Layer Diffusion weights** (offsets or LoRA, transparent VAE decoder) and a replaced "
    "VAE: look at the licence that their repositories state; if one states none, ask its "
    "author.",
)
_UNKNOWN: Final = Licence(
    "other",
    "unknown",
    "Unknown",
    "The software that built the dataset knows no terms for this generator. Whoever publishes "
    "the dataset has to state them here.",
)
_BY_GENERATOR: Final = {
    "procedural": _PROCEDURAL,
    "folder": _FOLDER,
    "layer-diffusion": _LAYER_DIFFUSION,
}


def licence_identifier(text: str) -> str:
    """A licence's identifier as the Hub writes it: ``apache-2.0`` for ``Apache-2.0``.

    Raises:
        PortraitError: It cannot be an identifier of the Hub.
    """
    identifier = text.strip().lower()
    if not _IDENTIFIER.fullmatch(identifier):
        raise PortraitError(
            f"{text!r} is not a licence's identifier; try: one of the Hub's, such as cc-by-4.0"
        )
    return identifier


def data_licence(generator: str) -> Licence:
    """The licence that follows from a generator's name, or from several joined by ``+``."""
    names = generator.split("+")
    if len(names) == 1:
        return _BY_GENERATOR.get(generator, _UNKNOWN)
    parts = [(name, data_licence(name)) for name in names]
    terms = [f"**Samples of {inline(name)}: {part.title}.** {part.terms}" for name, part in parts]
    lead = "Each sample's metadata names its generator."
    return Licence("other", "several", "Those of its parts", "\n\n".join([lead, *terms]))


def licence_text(generator: str, stated: str | None = None) -> str:
    """The text of the dataset's ``LICENSE`` file.

    Args:
        generator: ``procedural``, ``folder`` or ``layer-diffusion``.
        stated: The Hub's identifier of the licence that the publisher states, if any.
    """
    licence = data_licence(generator)
    if stated is not None:
        body = f"Licence of the data, as its publisher states it: {stated}\n"
    else:
        dedicated = licence.identifier == "cc0-1.0"
        identifier = "CC0-1.0" if dedicated else f"LicenseRef-{licence.name}"
        body = (
            f"Licence of the data: {licence.title}\n"
            f"SPDX-License-Identifier: {identifier}\n\n{licence.terms}\n"
        )
    return (
        f"{body}\nThe software that built the dataset has a licence of its own (Apache-2.0), "
        "which says nothing about the data.\n"
    )
