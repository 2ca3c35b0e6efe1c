"""The generator ``procedural``: draws planned rows, and damages the mattes on request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np

from builder.generation.procedural.damage import damage as damage_matte
from builder.generation.procedural.portrait import draw
from builder.generation.protocol import Generated, Rejection, Request

VERSION = "1.0"
"""Raise it whenever the same seed gives other pixels."""


class ProceduralGenerator:
    """Draws portraits with exact alpha, without model weights.

    Attributes:
        name: ``procedural``.
        batch_size: 1.
        repeatable: True, because another attempt has another seed.
        damage: Strength of the damage to the matte, 0 (none) to 4; see
            :func:`builder.generation.procedural.damage.damage`.
    """

    name = "procedural"
    batch_size = 1
    repeatable = True

    def __init__(self, damage: float = 0.0) -> None:
        if not 0.0 <= damage <= 4.0:
            raise ValueError(f"damage {damage}: must be 0 to 4")
        self.damage = float(damage)

    def generate(self, requests: Sequence[Request]) -> Iterator[Generated | Rejection]:
        """Draw each request from its seed, the row's attributes and size.

        A row that cannot be drawn, for its size or an unknown value, comes back as a
        rejection with the reason ``bad-request``.
        """
        for request in requests:
            row = request.row
            try:
                portrait = draw(request.seed, row.attributes, row.width, row.height)
            except ValueError as error:
                yield Rejection(request, "bad-request", f"{row.id}: {error}")
                continue
            foreground, alpha = portrait.foreground, portrait.alpha
            truth = None
            if self.damage > 0.0:
                truth = (foreground, alpha)
                foreground, alpha = damage_matte(foreground, alpha, request.seed, self.damage)
            yield Generated(request, foreground, alpha, self.record(), truth)

    def record(self) -> dict[str, Any]:
        """The ``generator`` section of a sample's metadata."""
        return {
            "name": self.name,
            "version": VERSION,
            "batch_size": self.batch_size,
            "damage": self.damage,
            "software": f"numpy {np.__version__}, opencv {cv2.__version__}",
        }
