"""What a transform is: a sample goes in, a new one comes out, random numbers from its seed.

Foreground, alpha, trimap, background and image of a sample stay aligned. Every random
number comes from the sample's ``transform_seed`` (which follows from its id, the epoch and the
stream's seed) and from the transform's place in its :class:`Compose`: the same sample comes
out the same, whatever worker or rank treats it and in whatever order.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ld_portrait_20k.arguments import function
from ld_portrait_20k.deferred import MARK, decoded

Sample = dict[str, Any]
Range = tuple[float, float]


class Transform:
    """Base of transforms; random numbers come from the sample's seed."""

    def __call__(self, sample: Sample, place: int = 0) -> Sample:
        """The transformed sample.

        Args:
            sample: With ``transform_seed`` (0 if absent) and the pictures that the transform needs.
            place: Number of this transform in its chain, so that each draws other numbers.
        """
        seed = int(sample.get("transform_seed", 0))
        key = np.array([seed, place], np.uint64)
        return self.apply(sample, np.random.Generator(np.random.Philox(key=key)))

    @property
    def takes_deferred(self) -> bool:
        """Whether a stream may leave the foreground to be decoded by this transform."""
        return type(self).__call__ is Transform.__call__ and getattr(self.apply, MARK, False)

    def apply(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The transformed sample, random numbers from ``rng``."""
        raise NotImplementedError

    def __repr__(self) -> str:
        short = reprlib.Repr()
        short.maxother = short.maxstring = 60
        options = (
            f"{key}={value!r}" if isinstance(value, Transform) else f"{key}={short.repr(value)}"
            for key, value in vars(self).items()
            if not key.startswith("_")
        )
        return f"{type(self).__name__}({', '.join(options)})"


class Compose(Transform):
    """One transform after another.

    Args:
        transforms: Transforms, or plain functions of a sample.
    """

    def __init__(self, transforms: Sequence[Transform | Callable[[Sample], Any]]) -> None:
        self.transforms = list(transforms)
        for step in self.transforms:
            function("each of the transforms", step, "a sample")

    @property
    def takes_deferred(self) -> bool:
        """Always: it decodes the foreground for the first step that does not take it deferred."""
        return type(self).__call__ is Compose.__call__

    def __call__(self, sample: Sample, place: int = 0) -> Any:
        """The sample after all of them."""
        for number, transform in enumerate(self.transforms):
            if not getattr(transform, MARK, False):
                sample = decoded(sample)
            if isinstance(transform, Transform):
                sample = transform(sample, place * 1000 + number + 1)
            else:
                sample = transform(sample)
        return sample

    def __repr__(self) -> str:
        names = (getattr(step, "__name__", type(step).__name__) for step in self.transforms)
        return f"Compose({', '.join(names)})"
