"""The metadata of all samples as columns: read once from the shards, then kept in a cache."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.files import write_bytes
from ld_portrait_20k.viewer.fields import FIELDS, Field

FORMAT: Final = 1
"""Part of a cache's name; raise it when columns change their meaning."""

_TEXTS: Final = tuple(field for field in FIELDS if field.kind == "text")
_NUMBERS: Final = tuple(field for field in FIELDS if field.kind == "number")


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
    codes: list[list[int]] = [[] for _ in _TEXTS]
    numbers: list[list[float]] = [[] for _ in _NUMBERS]
    texts = [(field, places[at], codes[at].append) for at, field in enumerate(_TEXTS)]
    figures = [(field, numbers[at].append) for at, field in enumerate(_NUMBERS)]
    for metadata in samples:
        for field, known, add in texts:
            value = _text(_value(metadata, field))
            add(known.setdefault(value, len(known)))
        for field, append in figures:
            value = _value(metadata, field)
            append(float(value) if type(value) in (int, float) else float("nan"))
    return Columns(
        {
            field.name: TextColumn(np.array(row, np.int32), list(known))
            for field, row, known in zip(_TEXTS, codes, places, strict=True)
        },
        {
            field.name: np.array(row, np.float64)
            for field, row in zip(_NUMBERS, numbers, strict=True)
        },
    )


def _value(metadata: Mapping[str, Any], field: Field) -> Any:
    found: Any = metadata
    for key in field.path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else None
