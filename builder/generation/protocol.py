"""What every generator speaks: planned rows in, straight RGBA and its record out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from builder.plan import PlanRow


@dataclass(frozen=True, slots=True)
class Request:
    """One picture to make.

    Attributes:
        row: The planned sample.
        attempt: 0 for the first try; a sample that quality control rejects is asked for
            again with the next attempt where the generator can give another picture.
        seed: The seed of this attempt, derived from the row's seed and the attempt.
    """

    row: PlanRow
    attempt: int
    seed: int


@dataclass(slots=True)
class Generated:
    """A picture as its generator made it, before refinement.

    Attributes:
        request: What was asked for.
        foreground: (H, W, 3) uint8, straight sRGB.
        alpha: (H, W) uint8, the raw alpha.
        record: The ``generator`` section of the sample's metadata (see
            :data:`ld_portrait_20k.schema.METADATA`): name, version and whatever applies.
        truth: The exact (foreground, alpha), same shapes and dtypes, where it is known.
        encoded: Subset to its encoded foreground and alpha, where the picture comes from a
            shard: they are kept as they are, for JPEG must not be encoded twice.
    """

    request: Request
    foreground: np.ndarray
    alpha: np.ndarray
    record: dict[str, Any]
    truth: tuple[np.ndarray, np.ndarray] | None = None
    encoded: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rejection:
    """A picture that could not be had or was judged unfit.

    Attributes:
        request: What was asked for.
        reason: A short name, one word with hyphens (``no-alpha``, ``haze``).
        detail: One line for a person, naming the file or the figures.
        figures: The figures that led to it.
    """

    request: Request
    reason: str
    detail: str
    figures: dict[str, Any] = field(default_factory=dict)


class Generator(Protocol):
    """A source of portraits.

    Attributes:
        name: ``folder``, ``procedural`` or ``layer-diffusion``.
        batch_size: How many requests :meth:`generate` likes at a time.
        repeatable: Whether another attempt gives another picture; if not, a rejected
            sample is not tried again.
    """

    name: str
    batch_size: int
    repeatable: bool

    def generate(self, requests: Sequence[Request]) -> Iterator[Generated | Rejection]:
        """Make the pictures, in order, one result a request.

        A picture depends on its request alone, never on its neighbours (beyond
        floating-point noise where a device batches).
        """
        ...
