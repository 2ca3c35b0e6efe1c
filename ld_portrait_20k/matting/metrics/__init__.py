"""Errors of predicted mattes: of pictures and of clips, of arrays and of whole folders."""

from ld_portrait_20k.matting.metrics.errors import METRICS, conn, grad, mad, mse, sad, score
from ld_portrait_20k.matting.metrics.gradient import CONVENTIONS, NORMALISED, PLAIN
from ld_portrait_20k.matting.metrics.video import dtssd, messddt

__all__ = [
    "CONVENTIONS",
    "METRICS",
    "NORMALISED",
    "PLAIN",
    "conn",
    "dtssd",
    "grad",
    "mad",
    "messddt",
    "mse",
    "sad",
    "score",
]
