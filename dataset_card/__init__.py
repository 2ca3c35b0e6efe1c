"""The dataset's README.md: what it is, how it was made, what is in it, how to load it."""

from __future__ import annotations

from dataset_card.card import render
from dataset_card.licence import licence_identifier, licence_text
from dataset_card.pictures import CardPictures
from dataset_card.plots import figures
from dataset_card.repository import name_repository
from dataset_card.statistics import Statistics
from dataset_card.viewer_link import check_viewer, link_viewer, viewer_of

# Other packages may have this name: ld_portrait_20k/common/own_packages.py reads this line.
PROJECT = "ld-portrait-20k"

__all__ = [
    "CardPictures",
    "Statistics",
    "check_viewer",
    "figures",
    "licence_identifier",
    "licence_text",
    "link_viewer",
    "name_repository",
    "render",
    "viewer_of",
]
