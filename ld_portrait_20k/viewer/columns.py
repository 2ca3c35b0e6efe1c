"""The metadata of all samples as columns: read once from the shards, then kept in a cache."""

from __future__ import annotations

import io
import itertools
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.common.files import write_bytes
from ld_portrait_20k.viewer.fields import FIELDS, Field

FORMAT: Final = 1
"""Part of a cache's name; raise it when columns change their meaning."""

_CHUNK: Final = 128  # samples; as fast as any more, and their metadata stays in the CPU cache
_NOTHING: Final[Mapping[str, Any]] = {}
_TEXTS: Final = tuple(field for field in FIELDS if field.kind == "text")
_NUMBERS: Final = tuple(field for field in FIELDS if field.kind == "number")
_SECTIONS: Final[dict[tuple[str, ...], list[Field]]] = {}
"""Fields by the part of the metadata that they are in."""
for _field in FIELDS:
    _SECTIONS.setdefault(_field.path[:-1], []).append(_field)


@dataclass(frozen=True, slots=True)
class TextColumn:
    """Text of N samples, each different text kept once.

    Attributes:
        codes: (N,) int32, index into ``values``.
        values: Texts, or None for null.
    """

    codes: NDArray[np.int32]
    values: Sequence[str | None]

    def joined(self, more: TextColumn) -> TextColumn:
        """These samples, then those of another column."""
        places = {value: place for place, value in enumerate(self.values)}
        codes = np.array(
            [places.setdefault(value, len(places)) for value in more.values] or [0], np.int32
        )
        return TextColumn(np.concatenate([self.codes, codes[more.codes]]), list(places))


@dataclass(frozen=True, slots=True)
class Columns:
    """Metadata of N samples.

    Attributes:
        texts: Name of a field to its column.
        numbers: Name of a field to (N,) float64, NaN for null. A seed beyond 2**53 is rounded.
    """

    texts: dict[str, TextColumn]
    numbers: dict[str, NDArray[np.float64]]

    @classmethod
    def empty(cls, count: int) -> Columns:
        """Nothing but nulls."""
        return collect([{}] * count)

    def joined(self, more: Columns) -> Columns:
        """These samples, then others."""
        return Columns(
            {name: column.joined(more.texts[name]) for name, column in self.texts.items()},
            {
                name: np.concatenate([column, more.numbers[name]])
                for name, column in self.numbers.items()
            },
        )

    def save(self, path: Path) -> None:
        """Write a cache file.

        Raises:
            OSError: It cannot be written.
        """
        out = io.BytesIO()
        values = json.dumps([self.texts[field.name].values for field in _TEXTS])
        np.savez(
            out,
            codes=np.stack([self.texts[field.name].codes for field in _TEXTS]),
            numbers=np.stack([self.numbers[field.name] for field in _NUMBERS]),
            values=np.frombuffer(values.encode(), np.uint8),
        )
        write_bytes(path, out.getvalue(), sync=False)

    @classmethod
    def load(cls, path: Path, count: int) -> Columns | None:
        """Read a cache file; None where there is none of so many samples, or a damaged one."""
        try:
            with np.load(path, allow_pickle=False) as file:
                codes, numbers = file["codes"], file["numbers"]
                values = json.loads(file["values"].tobytes())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        whole = (
            codes.shape == (len(_TEXTS), count)
            and numbers.shape == (len(_NUMBERS), count)
            and len(values) == len(_TEXTS)
            and all(
                not count or row.max() < len(known)
                for row, known in zip(codes, values, strict=True)
            )
        )
        if not whole:
            return None
        return cls(
            {
                field.name: TextColumn(row, known)
                for field, row, known in zip(_TEXTS, codes, values, strict=True)
            },
            {field.name: row for field, row in zip(_NUMBERS, numbers, strict=True)},
        )


def collect(samples: Iterable[Mapping[str, Any]]) -> Columns:
    """Columns of samples' metadata, which need not be whole: what is missing or odd is null."""
    places: list[dict[str | None, int]] = [{} for _ in _TEXTS]
    codes: list[list[NDArray[np.int32]]] = [[np.empty(0, np.int32)] for _ in _TEXTS]
    numbers: list[list[NDArray[np.float64]]] = [[np.empty(0)] for _ in _NUMBERS]
    waiting = iter(samples)
    # Column by column over many samples, which takes little more than half the time.
    while chunk := list(itertools.islice(waiting, _CHUNK)):
        columns = _columns(chunk)
        for field, known, parts in zip(_TEXTS, places, codes, strict=True):
            parts.append(_codes(columns[field.name], known))
        for field, figures in zip(_NUMBERS, numbers, strict=True):
            figures.append(_numbers(columns[field.name]))
    return Columns(
        {
            field.name: TextColumn(np.concatenate(parts), list(known))
            for field, parts, known in zip(_TEXTS, codes, places, strict=True)
        },
        {
            field.name: np.concatenate(figures)
            for field, figures in zip(_NUMBERS, numbers, strict=True)
        },
    )


def _columns(samples: list[Mapping[str, Any]]) -> dict[str, Sequence[Any]]:
    """Every field's values, by its name."""
    sections: dict[tuple[str, ...], list[Mapping[str, Any]]] = {(): samples}
    found: dict[str, Sequence[Any]] = {}
    for path, fields in _SECTIONS.items():
        keys = [field.path[-1] for field in fields]
        section = _section(sections, path)
        try:
            rows = [*map(itemgetter(*keys, keys[0]), section)]  # two keys or more give tuples
        except KeyError:
            rows = [(*map(item.get, keys), None) for item in section]
        names = (field.name for field in fields)
        found.update(zip(names, zip(*rows, strict=True), strict=False))
    return found


def _section(
    sections: dict[tuple[str, ...], list[Mapping[str, Any]]], path: tuple[str, ...]
) -> list[Mapping[str, Any]]:
    """A part of every sample's metadata, empty where it is missing or odd."""
    if path not in sections:
        found = [section.get(path[-1]) for section in _section(sections, path[:-1])]
        sections[path] = [value if type(value) is dict else _NOTHING for value in found]
    return sections[path]


def _codes(values: Sequence[Any], known: dict[str | None, int]) -> NDArray[np.int32]:
    if not {*map(type, values)} <= {str, type(None)}:
        values = [_text(value) for value in values]
    for value in dict.fromkeys(values):
        known.setdefault(value, len(known))
    return np.fromiter(map(known.__getitem__, values), np.int32, len(values))


def _numbers(values: Sequence[Any]) -> NDArray[np.float64]:
    if not {*map(type, values)} <= {int, float, type(None)}:
        values = [value if type(value) in (int, float) else None for value in values]
    return np.array(values, np.float64)  # None becomes NaN


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else None
