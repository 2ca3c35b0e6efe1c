"""Errors of predicted mattes."""

from .errors import conn, grad, mad, mse, sad

__all__ = ["conn", "grad", "mad", "mse", "sad"]
