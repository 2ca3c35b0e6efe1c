"""Opening sources by a line of text, ours and other people's."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.manifest import FILE_NAME
from ld_portrait_20k.matting.data.folders import open_folder
from ld_portrait_20k.matting.data.layouts import PARTS
from ld_portrait_20k.matting.data.sample import MattingSample, MattingSource
from ld_portrait_20k.streaming.stream import PortraitStream

SUBSETS: Final = {"refined": "default", **{name: name for name in schema.SUBSETS}}
"""What is written behind ``#`` to the subset's name in the dataset."""

_NAME: Final = re.compile(r"([A-Za-z0-9_.-]+)=(.+)\Z", re.DOTALL)
_WEIGHT: Final = re.compile(r"(.+):(\d+(?:\.\d*)?|\.\d+)\Z", re.DOTALL)
_PORT: Final = re.compile(r"https?://[^/]*\Z")


@dataclass(frozen=True, slots=True)
class SourceText:
    """``[NAME=]WHERE[#PART][:WEIGHT]``, taken apart.

    Attributes:
        name: For logs; the folder's name where none was given.
        where: Folder, URL, Hub repository or the bare name of our dataset.
        part: What stands behind ``#``; empty for the default.
        weight: How often samples are drawn from it, relative to the other sources.
    """

    name: str
    where: str
    part: str
    weight: float

    @classmethod
    def parse(cls, text: str) -> SourceText:
        """Take a source's text apart.

        Raises:
            PortraitError: Nothing is named, or the weight is 0.
        """
        named = _NAME.match(text)
        name, where = (named[1], named[2]) if named and not Path(text).exists() else ("", text)
        weighted = _WEIGHT.match(where)
        weight = 1.0
        if weighted and not Path(where).exists() and not _PORT.match(where):
            where, weight = weighted[1], float(weighted[2])
        part = ""
        if "#" in where and not Path(where).exists():
            where, _, part = where.rpartition("#")
        if not where.strip():
            raise PortraitError(f"{text!r} names no data; try: NAME=DIR or NAME=DIR:WEIGHT")
        if not weight > 0:
            raise PortraitError(f"{text!r}: a weight of 0; try: leave the source out")
        return cls(name or Path(where).name or where, where, part, weight)


class PortraitSource:
    """Our dataset, from a folder or the Hub; a :class:`~.sample.MattingSource`.

    Args:
        name: For logs and model cards.
        stream: Its samples, read by number.
    """

    def __init__(self, name: str, stream: PortraitStream) -> None:
        self.name = name
        self.layout = "LD-Portrait-20K"
        self._stream = stream

    def __len__(self) -> int:
        return self._stream.total

    @property
    def ids(self) -> list[str]:
        """The samples' ids in order; nothing is decoded."""
        return [schema.sample_id(int(number)) for number in self._stream.table.number]

    def __getitem__(self, index: int) -> MattingSample:
        """The sample of a number; see :class:`~.sample.MattingSource`."""
        sample = self._stream.sample(index)
        return MattingSample(sample["id"], sample["alpha"], foreground=sample["foreground"])


def open_source(text: str) -> MattingSource:
    """Open a source.

    Args:
        text: ``[NAME=]WHERE[#PART][:WEIGHT]``. WHERE is a folder of our dataset, its
            address, Hub repository (``owner/name``) or bare name, or a folder in one of
            :data:`~.layouts.LAYOUTS`. PART is a subset of ours (``refined``, ``raw``,
            ``truth``), a split (``train``, ``validation``, ``test``) or both
            (``raw/test``); for other folders a split. The weight is :func:`weight_of`'s.

    Raises:
        PortraitError: Nothing there, no known layout, or no such part; one clear line.
    """
    given = SourceText.parse(text)
    root = Path(given.where).expanduser()
    if root.is_dir() and not (root / FILE_NAME).is_file():
        inner = root / given.part
        if given.part and given.part not in PARTS:
            if not inner.is_dir():
                raise PortraitError(
                    f"{root}: no part {given.part!r}; try: one of {', '.join(PARTS)}"
                )
            return open_source(f"{given.name}={inner}")
        shards = sorted(root.glob("*.tar"))
        if not shards:
            return open_folder(given.name, root, given.part)
        return _shards_source(given, root, shards)
    return _dataset_source(given)


def weight_of(text: str) -> float:
    """The weight of a source's text; 1 where none is given.

    Raises:
        PortraitError: As for :func:`open_source`, where the text alone is wrong.
    """
    return SourceText.parse(text).weight


def refuse_inside(output: Path, texts: Iterable[str]) -> None:
    """Refuse results that would lie in a folder of data: they would count as data next time.

    Args:
        output: Where results go.
        texts: Sources, or folders of backgrounds; what is no local folder is passed over.

    Raises:
        PortraitError: It is one of the folders, or lies below one.
    """
    real = Path(os.path.realpath(output))  # Path.resolve raises where a link leads to itself
    for text in texts:
        folder = Path(SourceText.parse(text).where).expanduser()
        if folder.is_dir() and real.is_relative_to(os.path.realpath(folder)):
            raise PortraitError(
                f"{output}: in {folder} the results would be taken for data; "
                "try: an --output elsewhere"
            )


def _dataset_source(given: SourceText) -> PortraitSource:
    """Our dataset, with its manifest."""
    subset, split = "default", "train"
    for word in given.part.split("/") if given.part else ():
        if word in SUBSETS:
            subset = SUBSETS[word]
        elif word in PARTS:
            split = word
        else:
            known = ", ".join([name for name in SUBSETS if name != "default"] + list(PARTS))
            raise PortraitError(f"{given.where}: no part {word!r}; try: one of {known}")
    stream = _open_stream(given, given.where, subset=subset, split=split)
    return PortraitSource(given.name, stream)


def _shards_source(given: SourceText, root: Path, shards: list[Path]) -> PortraitSource:
    """A folder of shards, for instance one subset of our dataset."""
    chosen = [path for path in shards if path.name.startswith(f"{given.part or 'train'}-")]
    return PortraitSource(given.name, _open_stream(given, chosen or shards, split=None))


def _open_stream(
    given: SourceText,
    where: str | list[Path],
    *,
    subset: str = "default",
    split: str | None = None,
) -> PortraitStream:
    try:
        # Every process reads any sample: the ranks share out the draws, not the samples.
        stream = PortraitStream(where, subset=subset, split=split, rank=0, world_size=1)
    except FileNotFoundError as problem:
        raise PortraitError(f"{problem}; a folder of other data would do too") from problem
    if not stream.total:
        raise PortraitError(f"{given.where}: no samples in the part {given.part or 'train'!r}")
    return stream
