"""What the command is to do: which pictures it refines and where each result goes."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from refinement.io import pictures
from refinement.io.listing import picture_files
from refinement.options import RefinementError

STREAM: Final = "-"
"""Names standard input and standard output."""


@dataclass(frozen=True, slots=True)
class Job:
    """One picture to refine.

    Attributes:
        source: The input file; ``-`` if it came through standard input.
        target: The PNG to write; None for standard output.
        preview: The preview to write, if any.
        problem: Why it cannot be done, known before it is read; empty if it can.
        data: What came through standard input; None for a file.
    """

    source: Path
    target: Path | None
    preview: Path | None = None
    problem: str = ""
    data: bytes | None = None

    @property
    def input(self) -> str:
        """The name of the input, for people and reports."""
        return str(self.source) if self.data is None else "standard input"

    @property
    def output(self) -> str:
        """The name of the output, for people and reports."""
        return str(self.target) if self.target else "standard output"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where results go: into a folder, into one file or to standard output.

    Attributes:
        folder: The folder, if it is one.
        file: The file, if it is one.
    """

    folder: Path | None = None
    file: Path | None = None

    def __str__(self) -> str:
        return str(self.folder or self.file or "standard output")


def destination(text: str) -> Destination:
    """Read ``--output``.

    Args:
        text: ``-``, a name that ends in ``.png`` and is no folder, or a folder.

    Raises:
        RefinementError: It is a file that no result can go to.
    """
    path = Path(text)
    if text == STREAM:
        if sys.stdout.isatty():
            raise RefinementError(
                "--output -: standard output is a terminal; try: ... --output - > refined.png"
            )
        return Destination()
    if text.endswith(("/", os.sep)) or path.is_dir():
        return Destination(folder=path)
    if path.suffix.lower() == ".png":
        return Destination(file=path)
    if path.suffix.lower() in pictures.SUFFIXES:
        raise RefinementError(
            f"--output {text}: results are PNG; try: --output {path.with_suffix('.png')}"
        )
    if path.is_file():
        raise RefinementError(
            f"--output {text}: is a file and no PNG; try: a folder, or a name that ends in .png"
        )
    return Destination(folder=path)


def plan(
    inputs: Sequence[str], to: Destination, *, preview: bool = False, overwrite: bool = False
) -> list[Job]:
    """Find the pictures and name their outputs.

    Args:
        inputs: Files, folders (searched through), globs, and ``-`` for standard input.
        to: From :func:`destination`.
        preview: Whether previews are wanted.
        overwrite: Whether one output file may replace a file that this command did not write.

    Returns:
        One job a picture, in the order of the inputs, names sorted within each. Pictures whose
        outputs would have the same name are jobs with a ``problem``, all but the first.

    Raises:
        RefinementError: An input that is nowhere, or no picture at all, an output that would
            overwrite an input, or several pictures for one output file.
    """
    output = to.folder or to.file
    found: dict[Path, tuple[Path, Path]] = {}
    for source, relative in _found(inputs, output):
        found.setdefault(_real(source), (source, relative))
    if not found:
        raise RefinementError(
            f"no pictures in {', '.join(inputs)}; try: a folder with PNG, WebP or TIFF"
        )
    if to.folder is not None:
        return _into_folder(found, to.folder, preview)
    return [_into_file(found, to.file, preview, overwrite)]


def _into_folder(found: dict[Path, tuple[Path, Path]], output: Path, preview: bool) -> list[Job]:
    final = _real(output)
    jobs: list[Job] = []
    taken: dict[Path, Path] = {}
    for source, relative in found.values():
        name = relative.with_suffix(".png")
        names = (name, Path("previews", name)) if preview else (name,)
        stream = str(source) == STREAM
        problem = "" if stream or source.is_file() else "not a file; try: a regular file"
        for path in names:
            if final / path in found:
                raise RefinementError(
                    f"{found[final / path][0]}: would be overwritten; try: another --output"
                )
            if path in taken:
                problem = (
                    f"its output {output / path} is that of {taken[path]}; try: rename one, or "
                    "give it another --output"
                )
                break
        if not problem:
            taken.update(dict.fromkeys(names, source))
        shown = output / "previews" / name if preview else None
        data = _standard_input() if stream else None
        jobs.append(Job(source, output / name, shown, problem, data))
    return jobs


def _into_file(
    found: dict[Path, tuple[Path, Path]], target: Path | None, preview: bool, overwrite: bool
) -> Job:
    if len(found) > 1:
        where = target or "standard output"
        raise RefinementError(f"{len(found)} pictures for {where}; try: --output FOLDER")
    if preview and target is None:
        raise RefinementError("no place for a preview beside standard output; try: --output FILE")
    shown = target.with_suffix(".preview.png") if preview and target else None
    source = next(source for source, _ in found.values())
    for path in filter(None, (target, shown)):
        if _real(path) in found:
            raise RefinementError(f"{source}: would be overwritten; try: another --output")
        if not overwrite and path.exists() and pictures.read_record(path) is None:
            raise RefinementError(
                f"{path}: is there and was not written by this command; try: another name, or "
                "--overwrite"
            )
    return Job(source, target, shown, data=_standard_input() if str(source) == STREAM else None)


def _real(path: Path) -> Path:
    """The path without links; ``Path.resolve`` raises where a link leads to itself."""
    return Path(os.path.realpath(path))


def _standard_input() -> bytes:
    if sys.stdin is None or sys.stdin.isatty():
        raise RefinementError("-: standard input is a terminal; try: - < portrait.png")
    data = sys.stdin.buffer.read(pictures.MAX_BYTES + 1)
    if len(data) > pictures.MAX_BYTES:
        raise RefinementError(
            f"standard input: more than {pictures.MAX_BYTES >> 30} GB; try: a smaller picture"
        )
    return data


def _found(inputs: Sequence[str], output: Path | None) -> Iterator[tuple[Path, Path]]:
    """The pictures, and their names relative to the folder or the fixed part of the glob."""
    for text in inputs:
        path = Path(text)
        if text == STREAM:
            yield path, Path("stdin")
        elif path.is_dir():
            if output is not None and _real(path) == _real(output):
                raise RefinementError(f"{text}: is the output too; try: another --output")
            for file in _inside(path, path, output):
                yield file, file.relative_to(path)
        elif path.exists() or path.is_symlink():
            yield path, Path(path.name)
        else:
            fixed = Path(text)
            while glob.has_magic(str(fixed)):
                fixed = fixed.parent
            matches = sorted(Path(match) for match in glob.glob(text, recursive=True))  # noqa: PTH207
            if not matches:
                raise RefinementError(
                    f"{text}: no such file, folder or match; try: another path, globs in quotes"
                )
            for match in matches:
                for file in _inside(match, fixed, output):
                    yield file, file.relative_to(fixed)


def _inside(path: Path, top: Path, output: Path | None) -> Iterator[Path]:
    """The file, or the pictures in the folder, less hidden ones and an output below ``top``."""
    own = _real(output) if output is not None else None
    nested = own is not None and own != _real(top) and own.is_relative_to(_real(top))
    inside = picture_files(path, pictures.SUFFIXES) if path.is_dir() else [path]
    for file in sorted(inside):
        if own is None or not (nested and _real(file).is_relative_to(own)):
            yield file
