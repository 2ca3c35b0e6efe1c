"""From one planned row to one finished sample: generate, refine, judge, encode.

:class:`SampleHandler` is the task function that runs in every worker of every engine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from builder import quality
from builder.generation.protocol import Generated, Generator, Rejection, Request
from builder.generation.registry import open_generator, runs_in_workers
from builder.plan import PlanRow, SourceFile, derive_seed
from builder.workers import frames
from ld_portrait_20k import codec
from ld_portrait_20k.format import schema
from refinement import VERSION as REFINEMENT_VERSION
from refinement import refine
from refinement.planes.grid import to_8_bit

Accepted = dict[str, tuple[bytes, bytes, bytes]]
"""Subset to a sample's encoded foreground, alpha and JSON."""


def request_for(row: PlanRow, attempt: int) -> Request:
    """The request for one attempt at a row, its seed the next of the row's own sequence."""
    return Request(row, attempt, derive_seed(row.seed, "attempt", attempt) if attempt else row.seed)


class Stopwatch:
    """Adds up seconds by stage, for the report of a build."""

    clock: Callable[[], float] = staticmethod(time.perf_counter)

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = self.clock()

    def lap(self, stage: str) -> None:
        """Count the time since the last lap to a stage."""
        now = self.clock()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now


class SampleHandler:
    """Makes samples: the whole way for CPU generators, from the raw picture on for others.

    Args:
        plan: What of the plan decides a sample: ``generator``, ``foreground_format``,
            ``subsets``, ``attempts``, ``reject``, ``quality``.
        options: What does not decide bytes (the ``source`` folder).
    """

    stopwatch: type[Stopwatch] = Stopwatch

    def __init__(self, plan: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        self._format: str = plan["foreground_format"]
        self._subsets: list[str] = list(plan["subsets"])
        self._attempts: int = plan["attempts"]
        self._reject: bool = plan["reject"]
        self._quality = quality.QualityControl.from_plan(plan["quality"])
        self._generator: Generator | None = None
        if runs_in_workers(plan["generator"]):
            self._generator = open_generator(plan["generator"], options)

    def __call__(
        self, message: frames.Message, blobs: list[bytes]
    ) -> tuple[frames.Message, frames.Blobs]:
        """Do one task (see :func:`row_task` and :func:`picture_task`)."""
        watch = self.stopwatch()
        row = _row_from(message["row"])
        if "attempt" in message:
            generated = _picture_from(message, blobs, row)
            outcome = self._finish(generated, watch)
            rejections = [outcome] if isinstance(outcome, Rejection) else []
        else:
            outcome, rejections = self._make(row, watch)
        answer: frames.Message = {
            "rejections": [log_line(rejection) for rejection in rejections],
            "seconds": watch.seconds,
        }
        if isinstance(outcome, Rejection):
            return answer, ()
        metadata, members = outcome
        answer["metadata"] = metadata
        return answer, [part for parts in members.values() for part in parts]

    def _make(
        self, row: PlanRow, watch: Stopwatch
    ) -> tuple[tuple[dict[str, Any], Accepted] | Rejection, list[Rejection]]:
        assert self._generator is not None
        rejections: list[Rejection] = []
        for attempt in range(self._attempts if self._generator.repeatable else 1):
            (made,) = self._generator.generate([request_for(row, attempt)])
            watch.lap("generate")
            outcome = made if isinstance(made, Rejection) else self._finish(made, watch)
            if not isinstance(outcome, Rejection):
                return outcome, rejections
            rejections.append(outcome)
        return rejections[-1], rejections

    def _finish(
        self, made: Generated, watch: Stopwatch
    ) -> tuple[dict[str, Any], Accepted] | Rejection:
        refined = refine(_merged(made.foreground, made.alpha))
        foreground = refined.foreground.astype(np.uint8, copy=False)  # 8 bit, as the input is
        alpha = to_8_bit(refined.alpha)
        watch.lap("refine")
        report = refined.report
        figures = quality.measure(foreground, alpha, report.bodies)
        verdict = self._quality.judge(figures, report, made.request.row.attributes)
        watch.lap("judge")
        if verdict.reason is not None and self._reject:
            known = {**_refinement_section(report.to_dict()), **figures.to_dict()}
            return Rejection(made.request, verdict.reason, verdict.detail, known)
        before = _metadata_before_refinement(made)
        metadata = schema.complete(
            {
                **before,
                "refinement": _refinement_section(report.to_dict()),
                "quality": figures.to_dict(),
                "truth": _fidelity(made, alpha),
            }
        )
        layers = {"default": (foreground, alpha), "raw": (made.foreground, made.alpha)}
        if made.truth is not None:
            layers["truth"] = made.truth
        members: Accepted = {}
        encoder = _Encoder(self._format)
        for subset in self._subsets:
            pictures = made.encoded.get(subset) or encoder.encode(*layers[subset])
            text = schema.encode_metadata(metadata if subset == "default" else before)
            members[subset] = (*pictures, text)
        watch.lap("encode")
        return metadata, members


class _Encoder:
    """Encodes the layers of one sample, equal pictures once: an undamaged alpha stays as it was.

    Args:
        foreground_format: As for :func:`ld_portrait_20k.codec.encode_foreground`.
    """

    def __init__(self, foreground_format: str) -> None:
        self._format = foreground_format
        self._done: list[tuple[NDArray[np.uint8], bytes]] = []

    def encode(
        self, foreground: NDArray[np.uint8], alpha: NDArray[np.uint8]
    ) -> tuple[bytes, bytes]:
        """Foreground and alpha as they are stored."""
        return (
            self._once(foreground, lambda: codec.encode_foreground(foreground, self._format)),
            self._once(alpha, lambda: codec.encode_alpha(alpha)),
        )

    def _once(self, picture: NDArray[np.uint8], encode: Callable[[], bytes]) -> bytes:
        middle = len(picture) // 2
        for known, data in self._done:
            # Pictures that differ mostly do so in the middle row, which is compared in no time.
            if np.array_equal(known[middle], picture[middle]) and np.array_equal(known, picture):
                return data
        data = encode()
        self._done.append((picture, data))
        return data


def row_task(row: PlanRow) -> frames.Message:
    """The task of making a row from nothing."""
    return {"row": asdict(row)}


def picture_task(made: Generated) -> tuple[frames.Message, frames.Blobs]:
    """The task of finishing a picture that a device generator made."""
    layers = [made.foreground, made.alpha, *(made.truth or ())]
    return {
        "row": asdict(made.request.row),
        "attempt": made.request.attempt,
        "record": made.record,
        "shape": list(made.alpha.shape),
    }, [np.ascontiguousarray(layer) for layer in layers]


def _picture_from(message: frames.Message, blobs: list[bytes], row: PlanRow) -> Generated:
    height, width = message["shape"]
    layers = [
        np.frombuffer(blob, np.uint8).reshape((height, width, 3) if even else (height, width))
        for blob, even in zip(blobs, (True, False, True, False), strict=False)
    ]
    truth = (layers[2], layers[3]) if len(layers) == 4 else None
    request = request_for(row, message["attempt"])
    return Generated(request, layers[0], layers[1], message["record"], truth)


def _row_from(item: dict[str, Any]) -> PlanRow:
    source = item["source"]
    return PlanRow(**{**item, "source": SourceFile(**source) if source else None})


def _metadata_before_refinement(made: Generated) -> dict[str, Any]:
    """What is known of a sample before it is refined: the metadata of ``raw`` and ``truth``."""
    row = made.request.row
    height, width = made.alpha.shape
    return schema.complete(
        {
            "id": row.id,
            "prompt": row.prompt or None,
            "negative_prompt": row.negative_prompt,
            "attributes": row.attributes,
            "seed": made.request.seed,
            "attempt": made.request.attempt,
            "width": width,
            "height": height,
            "generator": made.record,
            "source": asdict(row.source) if row.source else None,
        }
    )


def _refinement_section(report: Mapping[str, Any]) -> dict[str, Any]:
    declared = schema.METADATA["refinement"]
    section = {key: report[key] for key in declared if key != "version"}
    return {"version": REFINEMENT_VERSION, **section}


def _merged(foreground: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Foreground and alpha as (H, W, 4), in a fifth of the time of ``np.dstack``."""
    rgba = np.empty((*alpha.shape, 4), np.uint8)
    planes = [np.ascontiguousarray(foreground), np.ascontiguousarray(alpha)]
    cv2.mixChannels(planes, [rgba], [0, 0, 1, 1, 2, 2, 3, 3])
    return rgba


def _fidelity(made: Generated, refined: NDArray[np.uint8]) -> dict[str, float] | None:
    """How far the raw and the refined alpha are from the exact one, where that is known."""
    if made.truth is None:
        return None
    exact = made.truth[1]
    figures = {}
    for name, alpha in (("raw", made.alpha), ("refined", refined)):
        # Both norms are sums of whole numbers, so every machine finds the same.
        figures[f"{name}_sad"] = cv2.norm(alpha, exact, cv2.NORM_L1) / 255.0 / 1000.0
        squares = cv2.norm(alpha, exact, cv2.NORM_L2SQR)
        figures[f"{name}_mse"] = squares / 255.0**2 / alpha.size * 1000.0
    return figures


def log_line(rejection: Rejection) -> dict[str, Any]:
    """A rejection as a line of ``rejected.jsonl``."""
    request = rejection.request
    return {
        "id": request.row.id,
        "attempt": request.attempt,
        "seed": request.seed,
        "reason": rejection.reason,
        "detail": rejection.detail,
        "source": request.row.source.file if request.row.source else None,
        "prompt": request.row.prompt or None,
        "figures": rejection.figures,
    }
