"""Checks of a manifest's values, which may come from anywhere.

Whoever holds a :class:`~ld_portrait_20k.format.manifest.Manifest` relies on them: sizes and
checksums fit their columns, and what is read out of ``about`` has its type. Every function raises
ValueError; the manifest names the file.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from typing import Any, Final

from ld_portrait_20k.common.printable import printable
from ld_portrait_20k.format import json_text
from ld_portrait_20k.format.ustar import MAX_MEMBER_BYTES

MAX_BYTES: Final = 32 * 2**20
"""A larger manifest is refused unread. One has about 45 bytes a sample and subset; 20,000 samples
of three subsets take 2.7 MB. Parsing takes about eight times the size in memory."""

MAX_SAMPLES: Final = 10_000_000
"""Sample numbers have seven digits."""

_BYTES_A_BRACKET = 8
"""An index row has at least 12 bytes. Text of more brackets would take 20 times its size when
it is parsed."""

_MAX_FILE = 2**53
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")

_ABOUT: Final[dict[str, Any]] = {
    "plan": {
        "generator": dict,
        "quality": {"thresholds": dict, "added_rules": [{"path": str}]},
        "stages": list,
        "history": [{"plan_hash": str, "refinement_version": str, "samples": int, "change": str}],
        "derived": {
            "change": str,
            "sources": [{"plan_hash": str, "generator": str, "samples": int, "sha256": str}],
        },
        "refinement_version": str,
        "licence": str,
        "origin": str,
        "contact": str,
        "reject": (bool, int),
    },
    "environment": dict,
    "package_version": str,
    "planned": int,
    "rejected": {"*": int},
    "retried": {"*": int},
    "fidelity": {"*": (int, float)},
}
"""Types of what the code reads out of ``about``; other keys are free, each may be absent or null
where it is not a container."""


def parse(text: str) -> dict[str, Any]:
    """The text of a manifest as a JSON object, in bounded memory."""
    if len(text) > MAX_BYTES:
        raise ValueError(f"of more than {MAX_BYTES} bytes")
    if text.count("[") + text.count("{") > 1000 + len(text) // _BYTES_A_BRACKET:
        raise ValueError("more brackets than any manifest has")
    return _object(json_text.parse(text), "the manifest")


def whole(value: Any, most: int, what: str) -> int:
    """A whole number from 0 to ``most``."""
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"{what} is {printable(repr(value), 60)}")
    return value


def file_bytes(value: Any, path: str) -> int:
    """The size of a file in bytes."""
    return whole(value, _MAX_FILE, f"the size of {printable(path, 160)}")


def sha256(value: Any, path: str) -> str:
    """A sha256 in hex."""
    if not isinstance(value, str) or not _SHA256.match(value):
        raise ValueError(f"malformed sha256 of {printable(path, 160)}")
    return value


def text(value: Any, what: str) -> str:
    """A string."""
    if not isinstance(value, str):
        raise ValueError(f"{what} is not text")
    return value


def one_of(value: Any, allowed: Iterable[str]) -> str:
    """One of some strings."""
    known = tuple(allowed)
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{printable(repr(value), 60)} is none of {', '.join(known)}")
    return value


def shard_items(body: Any, subsets: Iterable[str]) -> dict[str, list[Any]]:
    """The shards' records by subset; subsets that this version does not know are left out."""
    listed = _object(body, "shards")
    return {name: _list(listed.get(name, []), f"shards: {name}") for name in subsets}


def counts(body: Any, splits: Iterable[str]) -> dict[str, int]:
    """Counts by split, in the order of ``splits``: the file has its keys sorted."""
    known = tuple(splits)
    given = {one_of(name, known): count for name, count in _object(body, "splits").items()}
    return {
        name: whole(given[name], MAX_SAMPLES, f"the count of {name}")
        for name in known
        if name in given
    }


def index(rows: Any, path: str) -> tuple[tuple[int, int, int, int], ...]:
    """The rows of a shard: sample numbers that rise, and three member sizes each."""
    found = tuple(map(tuple, rows))
    if not set(map(len, found)) <= {4} or not _all_whole(itertools.chain.from_iterable(found)):
        raise ValueError(f"an index row of {path} is not four whole numbers")
    previous = -1
    most = MAX_MEMBER_BYTES
    for number, first, second, third in found:  # written out: a million rows pass here
        if not previous < number < MAX_SAMPLES:
            raise ValueError(f"sample numbers in the index of {path} do not rise")
        if not (0 <= first <= most and 0 <= second <= most and 0 <= third <= most):
            raise ValueError(f"impossible member size in the index of {path}")
        previous = number
    return found


def crc32(values: Any, count: int, path: str) -> tuple[int, ...]:
    """The checksums of a shard's samples, none where they were not recorded."""
    found = tuple(values)
    if found and len(found) != count:
        raise ValueError(f"{len(found)} checksums for the {count} samples of {path}")
    if not _all_whole(found) or (found and not 0 <= min(found) <= max(found) < 2**32):
        raise ValueError(f"a checksum of {path} is not a number of 32 bits")
    return found


def files(body: Any) -> dict[str, dict[str, Any]]:
    """Other files: path to size and sha256. Paths may be unsafe; ``verify`` reports these."""
    found = {}
    for name, item in _object(body, "files").items():
        if "\0" in name:
            raise ValueError(f"a file {printable(name, 160)}")
        entry = _object(item, f"the entry of {printable(name, 160)}")
        found[name] = {
            "bytes": file_bytes(entry.get("bytes"), name),
            "sha256": sha256(entry.get("sha256"), name),
        }
    return found


def about(body: Any) -> dict[str, Any]:
    """Origin and counts, with the types that :data:`_ABOUT` declares."""
    _check(body, _ABOUT, "about")
    return dict(body)


def _check(value: Any, kind: Any, what: str) -> None:
    if isinstance(kind, dict):
        for key, item in _object(value, what).items():
            wanted = kind.get(key, kind.get("*"))
            container = isinstance(wanted, (dict, list)) or wanted in (dict, list)
            if wanted is not None and (item is not None or container):
                _check(item, wanted, f"{what}: {printable(key, 60)}")
    elif isinstance(kind, list):
        for item in _list(value, what):
            _check(item, kind[0], what)
    elif not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"{what} is of another type")


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is not a JSON object")
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{what} is not a list")
    return value


def _all_whole(values: Iterable[Any]) -> bool:
    return set(map(type, values)) <= {int}
