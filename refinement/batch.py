"""Many pictures: what is to be done, what is done already, and doing it in processes."""

from __future__ import annotations

import glob
import hashlib
import json
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from refinement import pictures
from refinement.listing import picture_files
from refinement.options import Options, RefinementError
from refinement.pipeline import VERSION, refine
from refinement.preview import sheet
from refinement.workers import in_processes


@dataclass(frozen=True, slots=True)
class Job:
    """One picture to refine.

    Attributes:
        source: The input file.
        target: The PNG to write.
        preview: The preview to write, if any.
        problem: Why it cannot be done, known before it is read; empty if it can.
    """

    source: Path
    target: Path
    preview: Path | None = None
    problem: str = ""


def plan(inputs: Sequence[str], output: Path, *, preview: bool = False) -> list[Job]:
    """Find the pictures and name their outputs.

    Args:
        inputs: Files, folders (searched through) and globs.
        output: The folder for the results.
        preview: Whether previews are wanted.

    Returns:
        One job a picture, in the order of the inputs, names sorted within each.

    Raises:
        RefinementError: An input that is nowhere, or no picture at all, or an output that
            would overwrite an input.

    Pictures whose outputs would have the same name are jobs with a ``problem``, all but the
    first.
    """
    found: dict[Path, tuple[Path, Path]] = {}
    for source, relative in _found(inputs, output):
        found.setdefault(source.resolve(), (source, relative))
    if not found:
        raise RefinementError(f"no pictures in {', '.join(inputs)}")
    final = output.resolve()
    jobs: list[Job] = []
    taken: dict[Path, Path] = {}
    for source, relative in found.values():
        name = relative.with_suffix(".png")
        target = output / name
        shown = output / "previews" / name if preview else None
        problem = "" if source.is_file() else "not a file"
        for path in (name, Path("previews", name)) if preview else (name,):
            if final / path in found:
                raise RefinementError(
                    f"{found[final / path][0]}: would be overwritten; choose another --output"
                )
            if path in taken:
                problem = (
                    f"its output {output / path} is that of {taken[path]}; "
                    "rename one or give it another --output"
                )
                break
        if not problem:
            taken[name] = source
            if preview:
                taken[Path("previews", name)] = source
        jobs.append(Job(source, target, shown, problem))
    return jobs


def _found(inputs: Sequence[str], output: Path) -> Iterator[tuple[Path, Path]]:
    """The pictures, and their names relative to the folder or the fixed part of the glob."""
    for text in inputs:
        path = Path(text)
        if path.is_dir():
            if path.resolve() == output.resolve():
                raise RefinementError(f"{text}: is the output too; choose another --output")
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
                raise RefinementError(f"{text}: no such file, folder or match")
            for match in matches:
                for file in _inside(match, fixed, output):
                    yield file, file.relative_to(fixed)


def _inside(path: Path, top: Path, output: Path) -> Iterator[Path]:
    """The file, or the pictures in the folder, less hidden ones and an output below ``top``."""
    own = output.resolve()
    nested = own != top.resolve() and own.is_relative_to(top.resolve())
    inside = picture_files(path, pictures.SUFFIXES) if path.is_dir() else [path]
    for file in sorted(inside):
        if not (nested and file.resolve().is_relative_to(own)):
            yield file


def run(
    jobs: Sequence[Job], options: Options, *, workers: int = 1, overwrite: bool = False
) -> Generator[dict[str, Any], None, None]:
    """Do the jobs.

    Args:
        jobs: From :func:`plan`.
        options: See :class:`Options`.
        workers: Processes of one thread each; 1 works in this one.
        overwrite: Whether finished outputs are made again.

    Yields:
        One dict a job, in order: ``input``, ``output``, ``status`` (``refined``,
        ``skipped``, ``failed``), ``problem``, ``width``, ``height``, ``version`` and
        ``report``.
    """
    work = partial(do, options=options, overwrite=overwrite)
    if workers == 1:
        threads = cv2.getNumThreads()
        if len(jobs) > 1:
            cv2.setNumThreads(1)  # as in processes: the time of one processor
        try:
            yield from map(work, jobs)
        finally:
            cv2.setNumThreads(threads)
    else:
        yield from in_processes(work, jobs, workers, _died)


def _died(job: Job) -> dict[str, Any]:
    return _outcome(job, "failed", "its process was killed (out of memory?)")


def do(job: Job, options: Options, overwrite: bool) -> dict[str, Any]:
    """Do one job; see :func:`run` for what is returned."""
    if job.problem:
        return _outcome(job, "failed", job.problem)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        return _done(job, options, overwrite)
    except RefinementError as error:
        return _outcome(job, "failed", str(error))
    except OSError as error:
        return _outcome(job, "failed", error.strerror or str(error))
    except MemoryError:
        return _outcome(job, "failed", "not enough memory")
    except cv2.error as error:
        memory = error.code == cv2.Error.STS_NO_MEM
        return _outcome(job, "failed", "not enough memory" if memory else _unforeseen(error))
    except Exception as error:  # one picture must not end the run for all the others
        return _outcome(job, "failed", _unforeseen(error))


def _unforeseen(error: Exception) -> str:
    text = " ".join(str(error).split())[:200]
    return f"unforeseen {type(error).__name__}, please report it with the picture: {text}"


def _done(job: Job, options: Options, overwrite: bool) -> dict[str, Any]:
    if job.source.stat().st_size > pictures.MAX_BYTES:
        raise RefinementError(f"more than {pictures.MAX_BYTES >> 30} GB")
    data = job.source.read_bytes()
    key = {"input": hashlib.sha256(data).hexdigest(), "options": asdict(options)}
    if not overwrite:
        done = _finished(job.target, key)
        if done is not None and (job.preview is None or _finished(job.preview, key) is not None):
            return _outcome(job, "skipped", **done)
    picture = pictures.read(data)
    space = picture.colour_space()
    del data
    result = refine(picture.rgba, options=options)
    height, width = result.alpha.shape
    figures = {"width": width, "height": height, "report": result.report.to_dict()}
    record = json.dumps({**key, **figures, "version": VERSION}, sort_keys=True)
    if job.preview is not None:
        shown = sheet(picture.rgba, result.foreground, result.alpha)
        _write(job.preview, pictures.encode(shown, record, space))
    limit = 65535 if picture.rgba.dtype == "uint16" else 255
    final = picture.rgba.copy()
    final[..., :3] = result.foreground
    final[..., 3] = (result.alpha * limit + 0.5).astype(final.dtype)
    _write(job.target, pictures.encode(final, record, space))
    return _outcome(job, "refined", **figures)


def _write(path: Path, data: bytes) -> None:
    try:
        pictures.write_whole(path, data)
    except OSError as error:
        raise RefinementError(f"{path} cannot be written: {error.strerror or error}") from None


def _finished(target: Path, key: dict[str, Any]) -> dict[str, Any] | None:
    text = pictures.read_record(target) if target.exists() else None
    try:
        record = json.loads(text) if text else {}
    except ValueError:
        return None
    same = all(record.get(name) == value for name, value in key.items())
    if not same or record.get("version") != VERSION:
        return None
    return {name: record.get(name) for name in ("width", "height", "report")}


def _outcome(
    job: Job,
    status: str,
    problem: str = "",
    *,
    width: int | None = None,
    height: int | None = None,
    report: dict[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "input": str(job.source),
        "output": str(job.target) if status != "failed" else None,
        "status": status,
        "problem": problem,
        "width": width,
        "height": height,
        "version": VERSION,
        "report": report,
    }
