"""README.md of a dataset repository: YAML for the machines, prose for people."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from dataset_card.columns import metadata_rows
from dataset_card.escape import fenced_json, inline
from dataset_card.licence import data_licence, licence_identifier
from dataset_card.statistics import Statistics
from ld_portrait_20k import schema
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.manifest import Manifest

if TYPE_CHECKING:
    from jinja2 import Template

_TITLES: Final = {
    "procedural": "LD-Portrait, procedural stand-in",
    "folder": "LD-Portrait, from a folder of pictures",
    "layer-diffusion": "LD-Portrait",
}
_FIGURES: Final = (
    ("coverage", "mean alpha", 100),
    ("opaque_area", "opaque area", 100),
    ("soft_area", "partly transparent area", 100),
    ("band_area", "kept soft border", 100),
    ("filled_area", "raised to opaque by refinement", 100),
    ("cleared_area", "cleared by refinement", 100),
    ("raw_haze", "haze over the background before refinement", 100),
    ("doubtful_area", "filled from below 0.9, or half transparent beyond the band", 100),
    ("confidence", "refinement's confidence, 0 to 1", 1),
    ("pieces_removed", "detached pieces removed", 1),
    ("openings_kept", "enclosed openings kept open", 1),
    ("prompt_words", "words in the prompt", 1),
)
"""Histogram, what to call it, and 100 where it is shown in percent."""

MOST_VALUES = 30
"""Longer counts are cut in the card's tables."""


def render(
    manifest: Manifest,
    statistics: Statistics,
    *,
    pictures: Sequence[str] = (),
    repo_id: str = schema.NAME,
    origin: str | None = None,
    licence: str | None = None,
) -> str:
    """The text of README.md; the same arguments give the same text.

    Args:
        manifest: What the dataset consists of. Its ``about`` gives the counts of rejected
            and retried samples by reason and the number planned, where it has them.
        statistics: Of the subset ``default``.
        pictures: Paths of pictures in the repository; the first opens the card, the others
            go with the statistics.
        repo_id: What a user gives to ``load_dataset``.
        origin: For the ``folder`` generator: where the pictures come from, in plain text.
        licence: The Hub's identifier of the data's licence, where the publisher knows it;
            otherwise it follows from the generator.

    Raises:
        PortraitError: The samples' own records name another generator than the manifest,
            or manifest and statistics count different numbers of samples; ``repo_id`` is no
            name of a repository, or ``licence`` no identifier.
    """
    _check(manifest, statistics)
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", repo_id, re.ASCII):
        raise PortraitError(f"dataset card: {repo_id!r} is not a repository's name")
    if licence is not None:
        licence = licence_identifier(licence)
    about = manifest.about
    derived = (about.get("plan") or {}).get("derived") or {}
    text = _template().render(
        front_matter=_front_matter(manifest, licence),
        title=_title(manifest.generator),
        generator=manifest.generator,
        count=statistics.samples,
        subsets=_subsets(manifest),
        foreground=schema.FOREGROUND_MEMBERS[manifest.foreground_format],
        foreground_format=manifest.foreground_format,
        pictures=[quote(path) for path in pictures],
        repo_id=f'"{repo_id}"',
        first_split=next((name for name in schema.SPLITS if name in manifest.splits), "train"),
        origin=origin,
        licence=data_licence(manifest.generator),
        licence_given=licence,
        recipes=_recipes(statistics.generators),
        models=[(json.loads(model), n) for model, n in sorted(statistics.models.items())],
        refinements=_ranked(statistics.refinements),
        planned=_whole(about.get("planned")),
        rejected=_reasons(about.get("rejected")),
        retried=_reasons(about.get("retried")),
        added_rules=about.get("plan", {}).get("quality", {}).get("added_rules", []),
        plan_hash=manifest.plan_hash,
        stages=[samples for samples, _ in about.get("plan", {}).get("stages", [])],
        history=about.get("plan", {}).get("history", []),
        change=derived.get("change"),
        sources=derived.get("sources", []),
        metadata=metadata_rows(),
        example=fenced_json(statistics.example),
        figures=_figures(statistics),
        sizes=_ranked(statistics.sizes),
        attributes=_attributes(statistics),
        without_prompt=statistics.without_prompt,
        truth=_truth(statistics),
    )
    return text.rstrip("\n") + "\n"


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # Nothing is escaped by Jinja: values are made harmless one by one, for Markdown.
    environment = Environment(  # noqa: S701
        loader=PackageLoader(__name__.rpartition(".")[0], "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["inline"] = inline
    environment.filters["number"] = _number
    environment.filters["samples"] = lambda n: f"{n:,} sample{'' if n == 1 else 's'}"
    environment.filters["plain"] = lambda value: f"{value:g}" if isinstance(value, float) else value
    return environment.get_template("template.md.j2")


def _check(manifest: Manifest, statistics: Statistics) -> None:
    strangers = statistics.generator_names() - set(manifest.generator.split("+"))
    if strangers:
        listed = ", ".join(sorted(str(name) for name in strangers))
        raise PortraitError(
            f"dataset card: the manifest says {manifest.generator!r} made the samples, their "
            f"own records say {listed}; try: build the dataset again"
        )
    total = sum(manifest.splits.values())
    if total != statistics.samples:
        raise PortraitError(
            f"dataset card: the manifest counts {total} samples, the statistics "
            f"{statistics.samples}; try: build the dataset again"
        )


def _title(generator: str) -> str:
    return _TITLES.get(generator, "LD-Portrait, from another generator")


def _front_matter(manifest: Manifest, licence: str | None) -> str:
    import yaml

    terms = data_licence(manifest.generator)
    head: dict[str, Any] = {"license": licence or terms.identifier}
    if licence is None and terms.name is not None:
        head |= {"license_name": terms.name, "license_link": "LICENSE"}
    if manifest.generator != "folder":  # whose prompts may be in any language
        head["language"] = ["en"]
    head |= {
        "pretty_name": _title(manifest.generator),
        "annotations_creators": ["machine-generated"],
        "task_categories": ["image-segmentation", "mask-generation"],
        "size_categories": [_size_category(sum(manifest.splits.values()))],
        "tags": [
            "image-matting",
            "portrait-matting",
            "alpha-matte",
            "webdataset",
            *_tags(manifest.generator),
        ],
        "configs": [],
        "dataset_info": [],
    }
    for subset, splits in _subsets(manifest).items():
        folder = schema.SUBSETS[subset]
        data_files = [{"split": split, "path": f"{folder}/{split}-*.tar"} for split in splits]
        head["configs"].append({"config_name": subset, "data_files": data_files})
        size = sum(found["bytes"] for found in splits.values())
        head["dataset_info"].append(
            {
                "config_name": subset,
                "features": schema.feature_yaml(manifest.foreground_format),
                "splits": [
                    {"name": split, "num_bytes": found["bytes"], "num_examples": found["samples"]}
                    for split, found in splits.items()
                ],
                "download_size": size,
                "dataset_size": size,
            }
        )
    text: str = yaml.safe_dump(head, sort_keys=False, allow_unicode=False, width=96)
    return text


def _tags(generator: str) -> list[str]:
    if generator == "layer-diffusion":
        return ["synthetic", "layer-diffusion", "stable-diffusion-xl"]
    return ["synthetic", "procedural"] if generator == "procedural" else []


def _size_category(count: int) -> str:
    for limit, name in ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K")):
        if count < limit:
            return name
    return "100K<n<1M" if count < 1_000_000 else "1M<n<10M"


def _subsets(manifest: Manifest) -> dict[str, dict[str, dict[str, int]]]:
    """Subset to split to its samples, shards and bytes; only what is there."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for subset in manifest.subsets():
        for split in schema.SPLITS:
            shards = manifest.select(subset, split)
            if shards:
                found.setdefault(subset, {})[split] = {
                    "samples": sum(shard.samples for shard in shards),
                    "shards": len(shards),
                    "bytes": sum(shard.bytes for shard in shards),
                }
    return found


def _recipes(generators: Mapping[str, int]) -> list[tuple[list[tuple[str, Any]], int]]:
    """Each distinct generator record as its keys that are not null, and its samples."""
    recipes = []
    for text, count in sorted(generators.items()):
        record = json.loads(text)
        known = [(key, record[key]) for key in schema.METADATA["generator"] if key in record]
        recipes.append(([(key, value) for key, value in known if value is not None], count))
    return recipes


def _ranked(counts: Mapping[Any, int]) -> list[tuple[Any, int]]:
    """Most frequent first, then by name; cut to :data:`MOST_VALUES`."""
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))
    return ranked[:MOST_VALUES]


def _reasons(counts: Any) -> list[tuple[str, int]] | None:
    """Counts from a manifest's free part; None where it has none of that form."""
    if not isinstance(counts, dict):
        return None
    known = {str(reason): _whole(count) for reason, count in counts.items()}
    return _ranked({reason: count for reason, count in known.items() if count is not None})


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _figures(statistics: Statistics) -> list[tuple[str, str, str, str]]:
    rows = []
    for name, title, scale in _FIGURES:
        histogram = statistics.histograms[name]
        if histogram.mean is None or histogram.lowest is None or histogram.highest is None:
            continue
        values = (histogram.mean, histogram.lowest / 1e6, histogram.highest / 1e6)
        unit = " %" if scale == 100 else ""
        mean, low, high = (f"{_number(value * scale)}{unit}" for value in values)
        rows.append((title, mean, low, high))
    return rows


def _attributes(statistics: Statistics) -> list[tuple[str, list[tuple[str, int]], int]]:
    """Attribute, its values with counts, and how many samples have none."""
    rows = []
    for name, counts in statistics.attributes.items():
        known = {value: count for value, count in counts.items() if value is not None}
        if known:
            rows.append((name.replace("_", " "), _ranked(known), counts[None]))
    return rows


def _truth(statistics: Statistics) -> dict[str, Any] | None:
    means = {
        name: statistics.histograms[name]
        for name in ("raw_sad", "refined_sad", "raw_mse", "refined_mse")
    }
    count = means["refined_sad"].count
    if not count:
        return None
    return {name: histogram.mean for name, histogram in means.items()} | {
        "count": count,
        "improved": statistics.improved,
    }


def _number(value: float | None) -> str:
    """Three significant digits, thousands apart, no exponent."""
    if value is None:
        return "not known"
    if value == 0 or abs(value) >= 100 or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"
