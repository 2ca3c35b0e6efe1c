"""Tables of an evaluation: for a terminal, a spreadsheet, a README.

Every table names the region and the convention of Grad; MSE and MAD are printed times
1000 where a person reads them, as papers do, and plain in CSV and JSON.
"""

from __future__ import annotations

import csv
import io
from typing import Final

from ld_portrait_20k.matting.metrics.errors import METRICS
from ld_portrait_20k.matting.metrics.evaluation import INSIDE, WHOLE, Evaluation

_SCALES: Final = {"sad": 1.0, "mse": 1000.0, "mad": 1000.0, "grad": 1.0, "conn": 1.0}
_TITLES: Final = ("SAD", "MSE e-3", "MAD e-3", "Grad", "Conn")
_REGIONS: Final = {WHOLE: "whole picture", INSIDE: "unknown region of the trimap"}
_VIDEO: Final = {"dtssd": ("dtSSD e-2", 100.0), "messddt": ("MESSDdt e-3", 1000.0)}


def text(evaluation: Evaluation) -> str:
    """A table for a terminal: each picture and the mean, a block a region."""
    width = max(4, *(len(triple.name) for triple in evaluation.triples))
    lines: list[str] = []
    for region in evaluation.regions:
        lines.append(_caption(evaluation, region))
        lines.append("  ".join([f"{'name':{width}}", *(f"{title:>10}" for title in _TITLES)]))
        for name, cells in _rows(evaluation, region):
            lines.append("  ".join([f"{name:{width}}", *(f"{cell:>10}" for cell in cells)]))
        lines.append("")
    lines.extend(_video_lines(evaluation))
    return "\n".join(lines).rstrip("\n")


def markdown(evaluation: Evaluation) -> str:
    """The same as Markdown."""
    lines: list[str] = []
    for region in evaluation.regions:
        lines.append(_caption(evaluation, region))
        lines.append("")
        lines.append("| " + " | ".join(("name", *_TITLES)) + " |")
        lines.append("|---|" + "---:|" * len(_TITLES))
        for name, cells in _rows(evaluation, region):
            label = name.replace("|", "\\|")
            lines.append("| " + " | ".join((label, *cells)) + " |")
        lines.append("")
    lines.extend(_video_lines(evaluation))
    return "\n".join(lines).rstrip("\n")


def comma_separated(evaluation: Evaluation) -> str:
    """CSV: a row a picture and region, the means last; plain values, nothing scaled."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["name", "region", "grad_convention", *METRICS])
    for region in evaluation.regions:
        named = [t.name for t in evaluation.triples]
        rows = [picture[region] for picture in evaluation.pictures]
        for name, figures in zip([*named, "(mean)"], [*rows, evaluation.mean(region)], strict=True):
            label = "whole" if region == WHOLE else region
            values = [repr(figures[metric]) for metric in METRICS]
            writer.writerow([name, label, evaluation.convention, *values])
    return stream.getvalue().rstrip("\n")


def _caption(evaluation: Evaluation, region: str) -> str:
    count = len(evaluation.pictures)
    return (
        f"{_REGIONS[region]}, {count} picture{'s' * (count != 1)}; Grad {evaluation.convention}; "
        "SAD, Grad and Conn in thousands"
    )


def _rows(evaluation: Evaluation, region: str) -> list[tuple[str, list[str]]]:
    rows = [
        (triple.name, picture[region])
        for triple, picture in zip(evaluation.triples, evaluation.pictures, strict=True)
    ]
    rows.append(("mean", evaluation.mean(region)))
    return [
        (name, [f"{figures[metric] * _SCALES[metric]:.3f}" for metric in METRICS])
        for name, figures in rows
    ]


def _video_lines(evaluation: Evaluation) -> list[str]:
    if evaluation.video is None:
        return []
    figures = [
        f"{title} {evaluation.video[name] * scale:.3f}" for name, (title, scale) in _VIDEO.items()
    ]
    return [
        f"whole picture, neighbouring frames: {', '.join(figures)} "
        "(MESSDdt along Farneback's flow of the true mattes)"
    ]
