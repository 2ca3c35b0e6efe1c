"""Doing many jobs: what is done already is passed over, each failure is one line."""

from __future__ import annotations

import errno
import hashlib
import json
import sys
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

import cv2

from refinement.cli.jobs import Job
from refinement.cli.preview import sheet
from refinement.cli.products import Product
from refinement.cli.workers import in_processes
from refinement.io import pictures
from refinement.io.files import write_whole
from refinement.options import Options, RefinementError
from refinement.pipeline import VERSION, refine

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


def run(
    jobs: Sequence[Job],
    options: Options,
    product: Product,
    *,
    workers: int = 1,
    overwrite: bool = False,
) -> Generator[dict[str, Any], None, None]:
    """Do the jobs; stop at the first that finds the disk full, which all others would find too.

    Args:
        jobs: From :func:`refinement.cli.jobs.plan`.
        options: See :class:`Options`.
        product: What is written of each result.
        workers: Processes of one thread each; 1 works in this one.
        overwrite: Whether finished outputs are made again.

    Yields:
        One dict a job, in order: ``input``, ``output``, ``status`` (``refined``,
        ``skipped``, ``failed``), ``problem``, ``width``, ``height``, ``version`` and
        ``report``.
    """
    work = partial(do, options=options, product=product, overwrite=overwrite)
    threads = cv2.getNumThreads()
    if workers == 1 and len(jobs) > 1:
        cv2.setNumThreads(1)  # as in processes: the time of one processor
    try:
        here = (work(job) for job in jobs)
        with closing(here if workers == 1 else in_processes(work, jobs, workers, _died)) as each:
            for outcome in each:
                full = outcome.pop("disk_full", False)
                yield outcome
                if full:
                    return
    finally:
        cv2.setNumThreads(threads)


def _died(job: Job) -> dict[str, Any]:
    return _failed(job, "its process was killed (out of memory?); try: --workers 1")


def do(job: Job, options: Options, product: Product, overwrite: bool) -> dict[str, Any]:
    """Do one job; see :func:`run` for what is returned, with ``disk_full`` where that is so."""
    if job.problem:
        return _failed(job, job.problem)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        return _done(job, options, product, overwrite)
    except BrokenPipeError:  # the reader of standard output left
        raise
    except RefinementError as error:
        return _failed(job, str(error))
    except OSError as error:
        full = error.errno in _FULL
        mend = "free space, then run the same command again" if full else "another --output"
        where = f"{error.filename or job.output} cannot be written"
        text = f"{where}: {error.strerror or error}; try: {mend}"
        return {**_failed(job, text), "disk_full": full}
    except MemoryError:
        return _failed(job, _MEMORY)
    except cv2.error as error:
        memory = error.code == cv2.Error.STS_NO_MEM
        return _failed(job, _MEMORY if memory else _unforeseen(error))
    except Exception as error:  # one picture must not end the run for all the others
        return _failed(job, _unforeseen(error))


_MEMORY: Final = "not enough memory; try: fewer --workers, or scale it down"


def _unforeseen(error: Exception) -> str:
    text = " ".join(str(error).split())[:200]
    return f"unforeseen {type(error).__name__}: {text}; try: report it with the picture"


def _done(job: Job, options: Options, product: Product, overwrite: bool) -> dict[str, Any]:
    data = pictures.load(job.source) if job.data is None else job.data
    key = {
        "input": hashlib.sha256(data).hexdigest(),
        "options": asdict(options),
        "written": product.key,
    }
    if not overwrite and job.target is not None:
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
        write_whole(job.preview, pictures.encode(sheet(picture.rgba, result), record, space))
    del picture
    png = pictures.encode(product.pixels(result), record, space)
    if job.target is None:
        _write_to_standard_output(png)
    else:
        write_whole(job.target, png)
    return _outcome(job, "refined", **figures)


def _write_to_standard_output(data: bytes) -> None:
    # Not through sys.stdout: what it could not write it would try again at the end.
    with open(sys.stdout.fileno(), "wb", closefd=False) as stream:
        stream.write(data)


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


def _failed(job: Job, problem: str) -> dict[str, Any]:
    return _outcome(job, "failed", problem)


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
        "input": job.input,
        "output": job.output if status != "failed" else None,
        "status": status,
        "problem": problem,
        "width": width,
        "height": height,
        "version": VERSION,
        "report": report,
    }
