"""The vocabulary of the built-in prompts, read from a data file that users can replace.

One file for everybody: the grammar words its values, the procedural generator draws them,
the dataset card counts them. An attribute that does not apply to a sample is ``None`` (such as
``arms`` in a close-up); one that applies and is absent says ``"none"``.
"""

from __future__ import annotations

import hashlib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from builder.prompts.checking import VocabularyError, check_keys, table
from builder.prompts.decks import Rule, targets
from builder.prompts.rules import read_attributes
from builder.prompts.wording import Wording, read_wording
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format.schema import ATTRIBUTES

DEFAULT_FILE: Final = Path(__file__).with_name("vocabulary.toml")
"""The vocabulary that ``--vocabulary`` replaces."""

MAX_FILE_BYTES: Final = 4 * 2**20
ALWAYS: Final = (
    *("age", "gender", "skin_tone", "clothing", "expression", "head_pose"),
    *("framing", "light", "camera"),
)
"""Attributes that every prompt words, so that they must apply to every sample."""


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """A vocabulary, checked.

    Attributes:
        name: The file's name without folder.
        sha256: Of its content, blank lines, comments and layout left out; it goes into the
            plan.
        values: Attribute to its values, in the order of the schema.
        rules: How the values are drawn, parents before children.
        wording: How they are worded.
        negative_prompt: What a portrait's generator is told to avoid.
    """

    name: str
    sha256: str
    values: dict[str, tuple[str, ...]]
    rules: tuple[Rule, ...]
    wording: Wording
    negative_prompt: str

    @property
    def capacity(self) -> int:
        """How many prompts of one seed are distinct by construction."""
        return math.prod(self.wording.radices)


def load_vocabulary(path: Path) -> Vocabulary:
    """Read and check a vocabulary file.

    Args:
        path: A TOML file; ``vocabulary.toml`` beside this module is one, with every key
            explained.

    Raises:
        PortraitError: What is wrong with it and where, on one line.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise PortraitError(f"{path}: over 4 MiB; that is no vocabulary")
        body = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PortraitError(
            f"{path}: no such file; try: a copy of {DEFAULT_FILE}, changed"
        ) from None
    except (OSError, ValueError) as problem:
        raise PortraitError(f"{path}: not a TOML file ({problem})") from None
    try:
        return _vocabulary(path.name, body)
    except VocabularyError as problem:
        raise PortraitError(
            f"{path}: {problem}; {DEFAULT_FILE.name} in {DEFAULT_FILE.parent} explains every key"
        ) from None


def _vocabulary(name: str, body: Mapping[str, Any]) -> Vocabulary:
    check_keys(body, "", ("negative_prompt", "attributes", "wording", "tokens"))
    attributes = read_attributes(table(body.get("attributes"), "attributes"))
    stored = {item.name: item for item in attributes if not item.helper}
    for wanted in ATTRIBUTES:
        if wanted not in stored:
            raise VocabularyError("attributes", f"{wanted!r} is missing")
    for given in stored:
        if given not in ATTRIBUTES:
            raise VocabularyError(
                f"attributes.{given}", "is stored nowhere; is it `helper = true`?"
            )
    negative = body.get("negative_prompt")
    if not isinstance(negative, str) or not negative.strip():
        raise VocabularyError("negative_prompt", "is a text")
    rules = tuple(item.rule() for item in attributes)
    wording = read_wording(table(body.get("wording"), "wording"), body.get("tokens", {}))
    values = {name: stored[name].values for name in ATTRIBUTES}
    _check_phrases(wording, values)
    _check_drawn(rules, values)
    # The order of keys decides the sequence of prompts, so they are not sorted here.
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    return Vocabulary(name, sha256, values, rules, wording, negative)


def _check_phrases(wording: Wording, values: Mapping[str, tuple[str, ...]]) -> None:
    for table_name in ("phrases", "terse_phrases"):
        for name, phrases in getattr(wording, table_name).items():
            for value in phrases:
                if value not in values[name]:
                    raise VocabularyError(f"wording.{table_name}.{name}", f"no value {value!r}")


def _check_drawn(rules: tuple[Rule, ...], values: Mapping[str, tuple[str, ...]]) -> None:
    """Every value is drawn somewhere, and what every prompt words always applies."""
    drawn = targets(rules)
    for name, known in values.items():
        for value in known:
            if value not in drawn[name]:
                raise VocabularyError(
                    f"attributes.{name}", f"{value!r} is never drawn by its decks"
                )
    for name in ALWAYS:
        if None in drawn[name]:
            raise VocabularyError(
                f"attributes.{name}", "must apply to every sample: prompts word it"
            )


@cache
def default_vocabulary() -> Vocabulary:
    """The vocabulary of this package."""
    return load_vocabulary(DEFAULT_FILE)


VOCABULARY: Final[Mapping[str, tuple[str, ...]]] = default_vocabulary().values
"""Attribute name to its values in the package's own vocabulary: what the procedural generator
can draw."""
