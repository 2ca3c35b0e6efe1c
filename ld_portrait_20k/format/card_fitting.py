"""The YAML of a card, and the dataset card of a part of a dataset.

A card may come from anywhere: its YAML is read up to a size, without merge keys and dates, and
a card that cannot be read stays as it is.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import unquote

from ld_portrait_20k.format import schema
from ld_portrait_20k.format.manifest import Manifest

MAX_HEAD: Final = 2**17
"""Characters of YAML that are read. Our cards have about 12,000; PyYAML reads 120,000 a second."""

MAX_PICTURES: Final = 200
"""Pictures of a card that are fetched. Our cards show about 11."""

_PICTURE = re.compile(r"""!\[[^\]\n]{0,400}\]\(([^()\s]{1,300})\)|<img src="([^"\s]{1,300})\"""")
_PATH = re.compile(
    r"(?:[A-Za-z0-9_][\w. -]{0,100}/){0,5}[A-Za-z0-9_][\w. -]{0,100}\.(?:png|jpe?g|webp|gif|svg)",
    re.ASCII | re.IGNORECASE,
)
_MAX_DEPTH = 40  # our cards have 12 levels
_FENCE = "---\n"
_FAILURES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What PyYAML and foreign structure raise, besides YAMLError."""


def fit_card(card: bytes, manifest: Manifest) -> bytes:
    """A dataset card with only those subsets and splits that a manifest has.

    ``datasets`` raises an error for a split in the card that has no files.

    Args:
        card: ``README.md`` of the whole dataset.
        manifest: Of the part.

    Returns:
        The new card; the old one where its YAML cannot be read or is not of our form.
    """
    import yaml

    found = card_head(card.decode("utf-8", "replace"))
    if found is None:
        return card
    try:
        text = yaml.safe_dump(_fit(found[0], manifest), sort_keys=False, allow_unicode=True)
        return f"{_FENCE}{text}{_FENCE}{found[1]}".encode()
    except (yaml.YAMLError, *_FAILURES):
        return card


def shown_pictures(card: bytes) -> list[str]:
    """Paths of the pictures in its own repository that a card shows.

    Args:
        card: ``README.md``; it may come from anywhere.

    Returns:
        Relative paths of at most :data:`MAX_PICTURES` pictures, none of which leads out of the
        repository, is hidden or lies among the shards.
    """
    found: dict[str, None] = {}
    for match in _PICTURE.finditer(card.decode("utf-8", "replace")):
        path = unquote(match.group(1) or match.group(2)).removeprefix("./")
        folder = path.partition("/")[0]
        if _PATH.fullmatch(path) and folder not in schema.SUBSETS.values():
            found[path] = None
    return list(found)[:MAX_PICTURES]


def card_head(card: str) -> tuple[Any, str] | None:
    """The YAML at the beginning of a card, and the text after it.

    Args:
        card: ``README.md`` of a dataset or a model.

    Returns:
        None where there is none, it is too large, or it cannot be read.
    """
    import yaml

    parts = card.split(_FENCE, 2)
    if len(parts) != 3 or parts[0] or len(parts[1]) > MAX_HEAD:
        return None
    try:
        return _load(parts[1]), parts[2]
    except (yaml.YAMLError, *_FAILURES):
        return None


def _fit(head: Any, manifest: Manifest) -> Any:
    there = {(shard.subset, shard.split) for shard in manifest.shards}
    configs = []
    for config in head.get("configs", []):
        files = [
            item for item in config["data_files"] if (config["config_name"], item["split"]) in there
        ]
        if files:
            configs.append({**config, "data_files": files})
    named = {config["config_name"] for config in configs}
    infos = head.get("dataset_info", [])
    infos = infos if isinstance(infos, list) else [infos]
    head["configs"] = configs
    head["dataset_info"] = [
        {key: value for key, value in info.items() if key in ("config_name", "features")}
        for info in infos
        if info.get("config_name", "default") in named
    ]
    return head


def _load(text: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """Without dates, which need not exist, and merge keys, which can grow exponentially."""

        yaml_implicit_resolvers = {  # noqa: RUF012
            first: [(tag, form) for tag, form in resolvers if not tag.endswith(":timestamp")]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

        depth = 0

        def flatten_mapping(self, node: Any) -> None:
            """Leave ``<<`` alone."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            """Compose a node that does not lie too deep."""
            if self.depth > _MAX_DEPTH:
                raise yaml.composer.ComposerError(problem="nested too deeply")
            self.depth += 1
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

    return yaml.load(text, Loader)  # noqa: S506 - a SafeLoader
