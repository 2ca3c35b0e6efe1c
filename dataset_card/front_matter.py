"""The YAML at the head of a card, for the Hub and for ``datasets``."""

from __future__ import annotations

from typing import Any, Final

from dataset_card.licence import data_licence
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.manifest import Manifest

_TITLES: Final = {
    "procedural": "LD-Portrait, procedural stand-in",
    "folder": "Foregrounds and mattes from a folder of pictures",
    "layer-diffusion": "LD-Portrait",
}
_TAGS: Final = {
    "procedural": ("synthetic", "procedural"),
    "layer-diffusion": ("synthetic", "layer-diffusion", "stable-diffusion-xl"),
}
PORTRAITS: Final = frozenset({"procedural", "layer-diffusion"})
"""Generators that make portraits, of people who do not exist, for the dataset itself."""

Subsets = dict[str, dict[str, dict[str, int]]]
"""Subset to split to its number of samples, shards and bytes."""


def generator_names(manifest: Manifest) -> list[str]:
    """The generators of a dataset: several, joined by ``+``, where it was merged."""
    return manifest.generator.split("+")


def origin_of_prompts(manifest: Manifest) -> str | None:
    """Whether prompts were ``drawn`` from a vocabulary or ``given``; None where it is not known."""
    plan = manifest.about.get("plan") or {}
    generator = plan.get("generator")
    if "vocabulary" not in plan or (isinstance(generator, dict) and "via" in generator):
        return None
    return "given" if plan["vocabulary"] is None else "drawn"


def _in_english(manifest: Manifest) -> bool:
    """Whether prompts are in English: given ones may be in any language."""
    names = generator_names(manifest)
    if names == ["procedural"]:  # it understands its own words only
        return True
    return "folder" not in names and origin_of_prompts(manifest) != "given"


def title(manifest: Manifest) -> str:
    """The name of the dataset for people."""
    names = generator_names(manifest)
    if len(names) > 1:
        return "Foregrounds and mattes from several generators"
    return _TITLES.get(names[0], "LD-Portrait, from another generator")


def front_matter(manifest: Manifest, subsets: Subsets, licence: str | None) -> str:
    """The YAML.

    Args:
        manifest: The dataset's.
        subsets: What is in it.
        licence: The Hub's identifier, where the publisher knows it.
    """
    import yaml

    text: str = yaml.safe_dump(
        {**_description(manifest, licence), **_contents(manifest, subsets)},
        sort_keys=False,
        allow_unicode=False,
        width=96,
        default_flow_style=None,  # what has no parts of its own takes one line
    )
    return text


def _description(manifest: Manifest, licence: str | None) -> dict[str, Any]:
    names = generator_names(manifest)
    portraits = PORTRAITS.issuperset(names)
    terms = data_licence(manifest.generator)
    head: dict[str, Any] = {"license": licence or terms.identifier}
    if licence is None and terms.name is not None:
        head |= {"license_name": terms.name, "license_link": "LICENSE"}
    if _in_english(manifest):
        head["language"] = ["en"]
    head |= {
        "pretty_name": title(manifest),
        "annotations_creators": ["machine-generated"],
        "task_categories": ["image-segmentation", "mask-generation"],
        "size_categories": [_size_category(sum(manifest.splits.values()))],
    }
    if portraits:  # of others nobody knows here whether they come from another dataset
        head["source_datasets"] = ["original"]
    tags = ["image-matting", *["portrait-matting"] * portraits, "alpha-matte", "webdataset"]
    if len(names) == 1 or portraits:
        tags += dict.fromkeys(tag for name in names for tag in _TAGS.get(name, ()))
    return {**head, "tags": tags}


def _contents(manifest: Manifest, subsets: Subsets) -> dict[str, Any]:
    # One object, so that YAML writes it once and refers to it. It cannot be left out: a reader
    # infers columns from five samples, and a key that is null in these has no type.
    features = schema.feature_yaml(manifest.foreground_format)
    configs, infos = [], []
    for subset, splits in subsets.items():
        folder = schema.SUBSETS[subset]
        data_files = [{"split": split, "path": f"{folder}/{split}-*.tar"} for split in splits]
        configs.append({"config_name": subset, "data_files": data_files})
        size = sum(found["bytes"] for found in splits.values())
        infos.append(
            {
                "config_name": subset,
                "features": features,
                "splits": [
                    {"name": split, "num_bytes": found["bytes"], "num_examples": found["samples"]}
                    for split, found in splits.items()
                ],
                "download_size": size,
                "dataset_size": size,
            }
        )
    return {"configs": configs, "dataset_info": infos}


def _size_category(count: int) -> str:
    for limit, name in ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K")):
        if count < limit:
            return name
    return "100K<n<1M" if count < 1_000_000 else "1M<n<10M"
