"""What a transform is: a sample goes in, a new one comes out, random numbers from its seed.

Foreground, alpha, trimap, background and image of a sample stay aligned. Every random
number comes from the sample's ``transform_seed`` (which follows from its id, the epoch and the
stream's seed) and from the transform's place in its :class:`Compose`: the same sample comes
out the same, whatever worker or rank treats it and in whatever order.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray

from ld_portrait_20k.common.arguments import function
from ld_portrait_20k.deferred import MARK, decoded

Sample = dict[str, Any]
Batch = dict[str, Any]
Drawn = dict[str, Any]
Range = tuple[float, float]


class Halves(NamedTuple):
    """A transform in two halves, so that little crosses from a loader's workers.

    Attributes:
        sample: Of one sample, in the worker.
        batch: Of a collated batch of what ``sample`` returned, in the process that trains; also
            takes the device where the tensors are to be, or None for the transform's own.
        collate: Makes the batch of a list of what ``sample`` returned.
        whole: ``collate`` and ``batch`` in one, on the CPU, for samples that were made in the
            process that trains; None where that gains nothing.
    """

    sample: Callable[[Sample], Any]
    batch: Callable[[Batch, Any], Batch]
    collate: Callable[[list[Any]], Batch]
    whole: Callable[[list[Any]], Batch] | None = None


class _Key(ISeedSequence):
    """Two numbers as the key of a Philox generator.

    Given ``key=``, Philox asks the system for random numbers that it does not use, and takes three
    times as long; a chain of transforms makes seven generators a sample.
    """

    def __init__(self, *key: int) -> None:
        self._key = key

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> NDArray[Any]:
        """The key; Philox asks for two words of 64 bits."""
        return np.array(self._key, dtype)


class Transform:
    """Base of transforms; random numbers come from the sample's seed.

    Attributes:
        only_adds: It reads nothing but ids and the size of ``alpha``, so it may be done before
            any :class:`BatchTransform` that stands before it.
    """

    only_adds = False

    def __call__(self, sample: Sample, place: int = 0) -> Sample:
        """The transformed sample.

        Args:
            sample: With ``transform_seed`` (0 if absent) and the pictures that the transform needs.
            place: Number of this transform in its chain, so that each draws other numbers.
        """
        return self.apply(sample, self.generator(sample, place))

    @property
    def takes_deferred(self) -> bool:
        """Whether a stream may leave the foreground to be decoded by this transform."""
        return type(self).__call__ is Transform.__call__ and getattr(self.apply, MARK, False)

    def apply(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The transformed sample, random numbers from ``rng``."""
        raise NotImplementedError

    def generator(self, sample: Sample, place: int) -> np.random.Generator:
        """Where this transform's random numbers for a sample come from."""
        seed = int(sample.get("transform_seed", 0))
        return np.random.Generator(np.random.Philox(_Key(seed, place)))  # type: ignore[arg-type]

    def halves(self) -> Halves | None:
        """This transform in two halves, None where it cannot be cut."""
        return None

    def __repr__(self) -> str:
        short = reprlib.Repr()
        short.maxother = short.maxstring = 60
        options = (
            f"{key}={value!r}" if isinstance(value, Transform) else f"{key}={short.repr(value)}"
            for key, value in vars(self).items()
            if not key.startswith("_")
        )
        return f"{type(self).__name__}({', '.join(options)})"


class BatchTransform(Transform):
    """A transform whose random numbers can be drawn apart from the work on the pictures.

    One sample is treated with numpy and OpenCV, a whole batch with torch, on any device.
    """

    def apply(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The transformed sample, random numbers from ``rng``."""
        return self.perform(sample, self.draw(rng))

    def draw(self, rng: np.random.Generator) -> Drawn:
        """Everything random about one sample: numbers and small arrays."""
        raise NotImplementedError

    def perform(self, sample: Sample, drawn: Drawn) -> Sample:
        """The transformed sample, with what was drawn for it."""
        raise NotImplementedError

    def perform_batch(self, batch: Batch, drawn: list[Drawn]) -> Batch:
        """A batch transformed.

        Args:
            batch: Pictures as torch tensors (B, C, H, W) of whole numbers 0..255, uint8 or float32,
                all on one device.
            drawn: What was drawn for each sample.
        """
        raise NotImplementedError


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

    def halves(self) -> Halves | None:
        """All but the last step's second half, and that; None where the last step cannot be cut."""
        last = self.transforms[-1] if self.transforms else None
        cut = last.halves() if isinstance(last, Transform) else None
        # A class of your own with another __call__ is left whole.
        if cut is None or type(self).__call__ is not Compose.__call__:
            return None
        return cut._replace(sample=Compose([*self.transforms[:-1], cut.sample]))

    def __repr__(self) -> str:
        names = (getattr(step, "__name__", type(step).__name__) for step in self.transforms)
        return f"Compose({', '.join(names)})"
