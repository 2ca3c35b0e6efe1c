"""Errors of predicted mattes: of pictures and of clips, of arrays and of whole folders."""

from .errors import METRICS, conn, grad, mad, mse, sad, score
from .gradient import CONVENTIONS, NORMALISED, PLAIN
from .video import dtssd, messddt

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
