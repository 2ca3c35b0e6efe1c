"""Many pictures: what is to be done, what is done already, and doing it in processes."""

from __future__ import annotations

import glob
import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2

from refinement import pictures
from refinement.options import Options, RefinementError
from refinement.pipeline import VERSION, refine
from refinement.preview import sheet


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
    """
    jobs: list[Job] = []
    taken: dict[Path, Path] = {}
    seen: set[Path] = set()
    for source, relative in _found(inputs, output):
        resolved = source.resolve()
        if resolved in seen:
            continue
        seen.add(resolved)
        target = output / relative.with_suffix(".png")
        if target.resolve() == resolved:
            raise RefinementError(f"{source}: would be overwritten; choose another --output")
        problem = ""
        if target in taken:
            problem = f"its output {target} is already taken by {taken[target]}; rename one"
        taken.setdefault(target, source)
        shown = output / "previews" / relative.with_suffix(".png") if preview else None
        jobs.append(Job(source, target, shown, problem))
    if not jobs:
        raise RefinementError(f"no pictures in {', '.join(inputs)}")
    return jobs


def _found(inputs: Sequence[str], output: Path) -> Iterator[tuple[Path, Path]]:
    inside = output.resolve()
    for text in inputs:
        path = Path(text)
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.suffix.lower() not in pictures.SUFFIXES or not file.is_file():
                    continue
                if inside != path.resolve() and file.resolve().is_relative_to(inside):
                    continue  # an output folder inside the input folder
                yield file, file.relative_to(path)
        elif path.exists():
            yield path, Path(path.name)
        else:
            matches = sorted(glob.glob(text, recursive=True))  # noqa: PTH207
            if not matches:
                raise RefinementError(f"{text}: no such file, folder or match")
            for match in matches:
                if Path(match).is_file():
                    yield Path(match), Path(Path(match).name)


def run(
    jobs: Sequence[Job], options: Options, *, workers: int = 1, overwrite: bool = False
) -> Iterator[dict[str, Any]]:
    """Do the jobs.

    Args:
        jobs: From :func:`plan`.
        options: See :class:`Options`.
        workers: Processes; 1 works in this one.
        overwrite: Whether finished outputs are made again.

    Yields:
        One dict a job, in order: ``input``, ``output``, ``status`` (``refined``,
        ``skipped``, ``failed``), ``problem``, ``width``, ``height``, ``version`` and
        ``report``.
    """
    if workers == 1:
        for job in jobs:
            yield do(job, options, overwrite)
        return
    # Spawned, because OpenCV's threads do not survive a fork.
    with ProcessPoolExecutor(workers, get_context("spawn"), cv2.setNumThreads, (1,)) as pool:
        futures = [pool.submit(do, job, options, overwrite) for job in jobs]
        try:
            for job, future in zip(jobs, futures, strict=True):
                try:
                    yield future.result()
                except BrokenProcessPool:
                    yield _outcome(job, "failed", "its worker died (out of memory?)")
        except BaseException:
            for future in futures:
                future.cancel()
            raise


def do(job: Job, options: Options, overwrite: bool) -> dict[str, Any]:
    """Do one job; see :func:`run` for what is returned."""
    if job.problem:
        return _outcome(job, "failed", job.problem)
    try:
        data = job.source.read_bytes()
        key = {"input": hashlib.sha256(data).hexdigest(), "options": asdict(options)}
        if not overwrite and (job.preview is None or job.preview.exists()):
            done = _finished(job.target, key)
            if done is not None:
                return _outcome(job, "skipped", **done)
        picture = pictures.read(data)
        result = refine(picture.rgba, options=options)
        height, width = result.alpha.shape
        figures = {"width": width, "height": height, "report": result.report.to_dict()}
        record = json.dumps({**key, **figures, "version": VERSION}, sort_keys=True)
        limit = 65535 if picture.rgba.dtype == "uint16" else 255
        final = picture.rgba.copy()
        final[..., :3] = result.foreground
        final[..., 3] = (result.alpha * limit + 0.5).astype(final.dtype)
        if job.preview is not None:
            shown = cv2.cvtColor(
                sheet(picture.rgba, result.foreground, result.alpha), cv2.COLOR_RGB2BGR
            )
            pictures.write_whole(job.preview, cv2.imencode(".png", shown)[1].tobytes())
        pictures.write_whole(job.target, pictures.encode(final, record, picture.icc_profile))
    except (RefinementError, OSError) as error:
        return _outcome(job, "failed", str(error))
    except MemoryError:
        return _outcome(job, "failed", "not enough memory")
    return _outcome(job, "refined", **figures)


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
