"""Prepared folders: training and test data as PNG files in a published layout, fingerprinted.

A folder is made under a temporary name and renamed when it is whole; it is never changed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.common.files import link, replacing_folder, write_bytes
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.experiments.cells import DataRef

INDEX: Final = "index.json"


@dataclass(slots=True)
class Entry:
    """One sample of a prepared folder.

    Attributes:
        sample_id: File name without suffix.
        source_id: Id of the foreground it was made of.
        digest: Of its files' bytes.
        looks: Perceptual hash, 32 hex digits.
        errors: Of its alpha to the truth, by region and metric; empty where there is none.
    """

    sample_id: str
    source_id: str
    digest: str
    looks: str
    errors: dict[str, dict[str, float]] = field(default_factory=dict)


class FolderWriter:
    """Writes samples into a folder that is not there yet.

    Args:
        folder: Its temporary place.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: list[Entry] = []

    def add(
        self,
        sample_id: str,
        pictures: Mapping[str, NDArray[np.uint8] | Path],
        *,
        source_id: str = "",
        looks: str = "",
        errors: dict[str, dict[str, float]] | None = None,
    ) -> None:
        """Write a sample.

        Args:
            sample_id: File name without suffix; may hold ``/``.
            pictures: Role (``foreground``, ``image``, ``alpha``, ``trimap``) to (H, W, 3) RGB
                or (H, W), uint8; or to a file that another prepared folder holds.
            source_id: See :class:`Entry`; ``sample_id`` by default.
            looks: See :class:`Entry`.
            errors: See :class:`Entry`.
        """
        total = hashlib.sha256()
        for role, picture in sorted(pictures.items()):
            path = self.folder / role / f"{sample_id}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(picture, Path):
                link(picture, path)
                content = path.read_bytes()
            else:
                content = encode_png(picture)
                path.write_bytes(content)
            total.update(f"{role} {len(content)}\n".encode() + content)
        digest = total.hexdigest()[:32]
        self.entries.append(Entry(sample_id, source_id or sample_id, digest, looks, errors or {}))


@dataclass(frozen=True, slots=True)
class PreparedFolder:
    """A folder that is whole.

    Attributes:
        path: Where it is.
        entries: Its samples in nested order: the first n are the subset of n.
        facts: What was noted when it was made.
    """

    path: Path
    entries: tuple[Entry, ...]
    facts: Mapping[str, Any]

    def ref(self, name: str, work: Path) -> DataRef:
        """As cells name it."""
        digests = "".join(entry.digest for entry in self.entries)
        fingerprint = hashlib.sha256(digests.encode()).hexdigest()[:32]
        where = os.fspath(self.path.relative_to(work))
        return DataRef(name, where, fingerprint, len(self.entries))

    def file(self, role: str, sample_id: str) -> Path:
        """A file of a sample."""
        return self.path / role / f"{sample_id}.png"

    def first(self, count: int, target: Path) -> PreparedFolder:
        """The subset of the first samples, as second names of the same files."""
        kept = self.entries[:count]
        with writing(target) as writer:
            if writer is not None:
                roles = [role.name for role in self.path.iterdir() if role.is_dir()]
                for entry in kept:
                    files = {role: self.file(role, entry.sample_id) for role in roles}
                    writer.add(entry.sample_id, files, source_id=entry.source_id,
                               looks=entry.looks, errors=entry.errors)  # fmt: skip
        return read(target)


@contextmanager
def writing(folder: Path, facts: Mapping[str, Any] | None = None) -> Iterator[FolderWriter | None]:
    """Make a folder that takes its name when the block ends; None if it is there already."""
    if (folder / INDEX).is_file():
        yield None
        return
    with replacing_folder(folder, sync=False) as temporary:
        writer = FolderWriter(temporary)
        yield writer
        if not writer.entries:
            raise PortraitError(f"{folder.name}: no samples are left for it")
        index = {"facts": facts or {}, "entries": [asdict(entry) for entry in writer.entries]}
        write_bytes(temporary / INDEX, (json.dumps(index, indent=1) + "\n").encode())


def read(folder: Path) -> PreparedFolder:
    """Read a prepared folder.

    Raises:
        PortraitError: It is not whole.
    """
    try:
        index = json.loads((folder / INDEX).read_text())
        entries = tuple(Entry(**entry) for entry in index["entries"])
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise PortraitError(f"{folder}: not prepared ({problem}); try: remove it") from problem
    return PreparedFolder(folder, entries, index["facts"])


def nested(ids: Iterable[str]) -> list[str]:
    """Ids in an order of their own: the first n are the subset of n, however many come later."""
    return sorted(ids, key=lambda name: hashlib.sha256(name.encode()).hexdigest())


def encode_png(picture: NDArray[np.uint8]) -> bytes:
    """A grey or RGB picture as PNG, compressed fast."""
    if picture.ndim == 3:
        picture = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), np.uint8)
    done, content = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise PortraitError(f"a picture of shape {picture.shape} cannot be written as PNG")
    return content.tobytes()
