"""README.md of a dataset repository: YAML for the machines, prose for people."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from dataset_card.columns import metadata_rows
from dataset_card.escape import fenced_json, inline
from dataset_card.front_matter import (
    PORTRAITS,
    front_matter,
    generator_names,
    origin_of_prompts,
    title,
)
from dataset_card.licence import data_licence, licence_identifier
from dataset_card.pictures import CardPictures
from dataset_card.repository import NOT_PUBLISHED, check_name, name_repository
from dataset_card.statistics import Statistics
from dataset_card.viewer_link import NO_VIEWER, link_viewer
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.manifest import Manifest

if TYPE_CHECKING:
    from jinja2 import Template

_FIGURES: Final = (
    ("coverage", "mean alpha", 100),
    ("opaque_area", "opaque area", 100),
    ("soft_area", "partly transparent area", 100),
    ("band_area", "kept soft border", 100),
    ("filled_area", "raised to opaque by refinement", 100),
    ("cleared_area", "cleared by refinement", 100),
    ("raw_haze", "haze over the background before refinement", 100),
    ("doubtful_area", "moved by 0.08 or more, or kept half transparent beyond the band", 100),
    ("confidence", "refinement's confidence, from the error it expects to be left", 1),
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
    pictures: CardPictures | None = None,
    repo_id: str = schema.NAME,
    origin: str | None = None,
    licence: str | None = None,
    contact: str | None = None,
    viewer: str | None = None,
) -> str:
    """The text of README.md; the same arguments give the same text.

    Args:
        manifest: What the dataset consists of. Its ``about`` gives the counts of rejected
            and retried samples by reason, the number planned and what the dataset was made
            from, where it has them.
        statistics: Of the subset ``default``.
        pictures: Where the card's pictures are in the repository.
        repo_id: What a user gives to ``load_dataset``.
        origin: For the ``folder`` generator: where the pictures come from, in plain text.
        licence: The Hub's identifier of the data's licence, where the publisher knows it;
            otherwise it follows from the generator.
        contact: Whom to ask about the dataset, in plain text.
        viewer: Address of a static copy of the viewer that the gallery links to.

    Raises:
        PortraitError: The samples' own records name another generator than the manifest,
            or manifest and statistics count different numbers of samples; ``repo_id`` is no
            name of a repository, ``licence`` no identifier, or ``viewer`` no address.
    """
    _check(manifest, statistics)
    check_name(repo_id)
    if licence is not None:
        licence = licence_identifier(licence)
    names = generator_names(manifest)
    subsets = _subsets(manifest)
    text = _template().render(
        front_matter=front_matter(manifest, subsets, licence),
        title=title(manifest),
        names=names,
        generator=names[0] if len(names) == 1 else None,
        several=len(names) > 1,
        portraits=PORTRAITS.issuperset(names),
        drawn=not PORTRAITS.isdisjoint(names),
        others=[name for name in names if name not in PORTRAITS],
        count=statistics.samples,
        subsets=subsets,
        foreground=schema.FOREGROUND_MEMBERS[manifest.foreground_format],
        foreground_format=manifest.foreground_format,
        pictures=pictures or CardPictures(),
        not_published=NOT_PUBLISHED,
        no_viewer=NO_VIEWER,
        repo_id=f'"{schema.NAME}"',
        first_split=next((name for name in schema.SPLITS if name in manifest.splits), "train"),
        origin=origin,
        contact=contact,
        licence=data_licence(manifest.generator),
        licence_given=licence,
        recipes=_recipes(statistics.generators),
        models=[(json.loads(model), n) for model, n in sorted(statistics.models.items())],
        refinements=_ranked(statistics.refinements),
        **_provenance(manifest),
        metadata=metadata_rows(),
        example=fenced_json(statistics.example),
        figures=_figures(statistics),
        sizes=_ranked(statistics.sizes),
        attributes=_attributes(statistics),
        leanings=_leanings(statistics),
        without_prompt=statistics.without_prompt,
        truth=_truth(statistics),
    )
    return link_viewer(name_repository(text.rstrip("\n") + "\n", repo_id), viewer)


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
    environment.filters["path"] = quote
    environment.filters["number"] = _number
    environment.filters["samples"] = lambda n: f"{n:,} sample{'' if n == 1 else 's'}"
    environment.filters["plain"] = lambda value: f"{value:g}" if isinstance(value, float) else value
    return environment.get_template("template.md.j2")


def _check(manifest: Manifest, statistics: Statistics) -> None:
    strangers = statistics.generator_names() - set(generator_names(manifest))
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


def _provenance(manifest: Manifest) -> dict[str, Any]:
    """What the manifest's free part says of how the dataset came to be."""
    about = manifest.about
    plan = about.get("plan") or {}
    derived = plan.get("derived") or {}
    version = about.get("package_version") or ""
    return {
        "planned": _whole(about.get("planned")),
        "rejected": _reasons(about.get("rejected")),
        "retried": _reasons(about.get("retried")),
        "added_rules": (plan.get("quality") or {}).get("added_rules", []),
        "plan_hash": manifest.plan_hash,
        # For code blocks, where nothing can be escaped.
        "plan_id": _if_plain(r"[0-9a-f]{8,64}", manifest.plan_hash),
        "version": _if_plain(r"[\w.+-]{1,40}", version),
        "stages": [samples for samples, _ in plan.get("stages", [])],
        "history": plan.get("history", []),
        "change": derived.get("change"),
        "sources": derived.get("sources", []),
        "prompts": origin_of_prompts(manifest),
        "rejecting": plan.get("reject") is not False,
    }


def _if_plain(pattern: str, text: str) -> str | None:
    return text if re.fullmatch(pattern, text, re.ASCII) else None


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
    for name, caption, scale in _FIGURES:
        histogram = statistics.histograms[name]
        if histogram.mean is None or histogram.lowest is None or histogram.highest is None:
            continue
        values = (histogram.mean, histogram.lowest / 1e6, histogram.highest / 1e6)
        unit = " %" if scale == 100 else ""
        mean, low, high = (f"{_number(value * scale)}{unit}" for value in values)
        rows.append((caption, mean, low, high))
    return rows


def _attributes(statistics: Statistics) -> list[tuple[str, list[tuple[str, int]], int]]:
    """Attribute, its values with counts, and how many samples have none."""
    rows = []
    for name, counts in statistics.attributes.items():
        known = {value: count for value, count in counts.items() if value is not None}
        if known:
            rows.append((name.replace("_", " "), _ranked(known), counts[None]))
    return rows


def _leanings(statistics: Statistics) -> list[tuple[str, str, float, int]]:
    """Attribute, its commonest value, that one's share of those known in percent, how many."""
    rows = []
    for name, values, _ in _attributes(statistics):
        known = sum(statistics.attributes[name.replace(" ", "_")].values())
        known -= statistics.attributes[name.replace(" ", "_")][None]
        value, most = values[0]
        rows.append((name, value, 100 * most / known, known))
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
