"""The pictures that a card shows, by where they stand in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class CardPictures:
    """Paths of pictures in the repository; each may be absent.

    Attributes:
        gallery: Ids of samples and their thumbnails, as :func:`~dataset_card.gallery.thumbnail`
            draws them.
        hair: Crops before and after refinement, of :func:`~dataset_card.hair.hair_strip`.
        histograms: Plot of the figures.
        attributes: Plot of the attributes.
    """

    gallery: Sequence[tuple[str, str]] = ()
    hair: str | None = None
    histograms: str | None = None
    attributes: str | None = None
