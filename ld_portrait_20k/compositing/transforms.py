"""Transforms over whole samples, from a decoded sample to a training sample."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ld_portrait_20k import deferred
from ld_portrait_20k.common.arguments import number, number_range, picture_size, whole_number
from ld_portrait_20k.compositing.appearance import DegradeImage, JitterColour
from ld_portrait_20k.compositing.backgrounds import Backgrounds
from ld_portrait_20k.compositing.composite import composite, merge_foregrounds
from ld_portrait_20k.compositing.geometry import crop, resize, resize_picture, unknown_center
from ld_portrait_20k.compositing.tensors import ToTensors
from ld_portrait_20k.compositing.transform import (
    Batch,
    BatchTransform,
    Compose,
    Drawn,
    Range,
    Sample,
    Transform,
)
from ld_portrait_20k.compositing.trimaps import random_radii, trimap

__all__ = [
    "Compose",
    "Composite",
    "DegradeImage",
    "ForegroundPool",
    "JitterColour",
    "MergeForegrounds",
    "RandomBackground",
    "RandomCrop",
    "RandomTrimap",
    "Resize",
    "Sample",
    "ToTensors",
    "Transform",
]


class ForegroundPool(Protocol):
    """Samples to merge with, by number; a ``PortraitStream`` is one."""

    @property
    def total(self) -> int:
        """How many there are."""
        ...

    def sample(self, index: int) -> Sample:
        """A decoded sample."""
        ...


class MergeForegrounds(Transform):
    """Puts the sample in front of another one, with some probability.

    Args:
        pool: Where the other sample is drawn from.
        probability: Of merging.
        limit: If more than this share of the merged sample is opaque, the sample stays as
            it was; the default is chosen by eye.
    """

    def __init__(self, pool: ForegroundPool, probability: float = 0.5, limit: float = 0.95) -> None:
        if not hasattr(pool, "sample") or not hasattr(pool, "total"):
            raise TypeError(f"pool is a source of samples, not {pool!r}; try: a PortraitStream")
        self.pool = pool
        self.probability = number("probability", probability, 0, 1)
        self.limit = number("limit", limit, 0, 1)

    @deferred.takes_deferred
    def apply(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The sample, perhaps merged."""
        if rng.random() >= self.probability:
            return sample
        sample = deferred.decoded(sample)
        other = self.pool.sample(int(rng.integers(self.pool.total)))
        size = sample["alpha"].shape
        foreground, alpha = merge_foregrounds(
            sample["foreground"],
            sample["alpha"],
            resize_picture(other["foreground"], size),
            resize_picture(other["alpha"], size),
        )
        if np.count_nonzero(alpha == 255) > self.limit * alpha.size:
            return sample
        return {**sample, "foreground": foreground, "alpha": alpha}


class RandomCrop(Transform):
    """A crop centred on the unknown region, with scale, rotation and flip in one step.

    Args:
        size: Height and width, or one number for both.
        scale: Smallest and largest factor of magnification, drawn evenly in logarithm.
        rotation: Most degrees either way.
        flip: Chance of mirroring.
        around: ``"unknown"`` (a soft pixel, or one that the trimap calls unknown),
            ``"anywhere"`` or ``"center"``.
    """

    def __init__(
        self,
        size: int | tuple[int, int] = 512,
        *,
        scale: Range = (0.8, 1.6),
        rotation: float = 0.0,
        flip: float = 0.5,
        around: str = "unknown",
    ) -> None:
        if around not in ("unknown", "anywhere", "center"):
            raise ValueError(f"around {around!r} is none of unknown, anywhere, center")
        self.size = picture_size("size", size)
        self.scale = number_range("scale", scale, 1e-6)
        self.rotation = number("rotation", rotation)
        self.flip = number("flip", flip, 0, 1)
        self.around = around

    @deferred.takes_deferred
    def apply(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The cropped sample."""
        height, width = sample["alpha"].shape
        center: tuple[float, float] = (width / 2, height / 2)
        if self.around == "unknown":
            center = unknown_center(sample["alpha"], rng, sample.get("trimap"))
        elif self.around == "anywhere":
            center = (rng.uniform(0, width), rng.uniform(0, height))
        low, high = np.log(self.scale[0]), np.log(self.scale[1])
        return crop(
            sample,
            self.size,
            center,
            scale=float(np.exp(rng.uniform(low, high))),
            angle=float(rng.uniform(-self.rotation, self.rotation)) if self.rotation else 0.0,
            flip=bool(rng.random() < self.flip),
        )


class Resize(Transform):
    """All pictures at one size.

    Args:
        size: Height and width, or one number for both.
    """

    def __init__(self, size: int | tuple[int, int]) -> None:
        self.size = picture_size("size", size)

    def apply(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The resized sample."""
        return resize(sample, self.size)


class RandomTrimap(BatchTransform):
    """Adds ``trimap``; see :func:`~ld_portrait_20k.compositing.trimaps.random_trimap`.

    Args:
        radius: Smallest and largest radius in pixels.
        low: Alpha up to this is background.
        high: Alpha from this on is foreground.
    """

    def __init__(self, radius: Range = (1.0, 30.0), low: int = 0, high: int = 255) -> None:
        self.radius = number_range("radius", radius, 0)
        self.low = whole_number("low", low, 0)
        self.high = whole_number("high", high, 0)

    @deferred.takes_deferred
    def apply(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The sample with ``trimap``, (H, W) uint8 of 0, 128, 255."""
        return super().apply(sample, rng)

    def draw(self, rng: np.random.Generator) -> Drawn:
        """Both radii."""
        erosion, dilation = random_radii(rng, self.radius)
        return {"erosion": erosion, "dilation": dilation}

    def perform(self, sample: Sample, drawn: Drawn) -> Sample:
        """The sample with ``trimap``, (H, W) uint8 of 0, 128, 255."""
        found = trimap(sample["alpha"], **drawn, low=self.low, high=self.high)
        return {**sample, "trimap": found}

    def perform_batch(self, batch: Batch, drawn: list[Drawn]) -> Batch:
        """The batch with ``trimap``, (B, 1, H, W) uint8 of 0, 128, 255."""
        from ld_portrait_20k.compositing.device import trimaps

        radii = [(one["erosion"], one["dilation"]) for one in drawn]
        return {**batch, "trimap": trimaps.trimap(batch["alpha"], radii, self.low, self.high)}


class RandomBackground(Transform):
    """Adds ``background`` of the sample's size.

    Args:
        sources: Where backgrounds come from; each equally likely.
    """

    only_adds = True

    def __init__(self, *sources: Backgrounds) -> None:
        if not sources:
            raise ValueError("no source of backgrounds")
        for source in sources:
            if not hasattr(source, "draw"):
                raise TypeError(
                    f"{source!r} is no source of backgrounds; try: PictureBackgrounds({source!r})"
                )
        self.sources = sources

    def apply(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The sample with ``background``, (H, W, 3) uint8."""
        source = self.sources[int(rng.integers(len(self.sources)))]
        height, width = sample["alpha"].shape
        return {**sample, "background": source.draw(rng, height, width)}


class Composite(BatchTransform):
    """Adds ``image``: the foreground over the background.

    Args:
        linear: Chance of blending in linear light instead of in sRGB values.
    """

    def __init__(self, linear: float = 0.0) -> None:
        self.linear = number("linear", linear, 0, 1)

    def draw(self, rng: np.random.Generator) -> Drawn:
        """Whether to blend in linear light."""
        return {"linear": bool(self.linear) and bool(rng.random() < self.linear)}

    def perform(self, sample: Sample, drawn: Drawn) -> Sample:
        """The sample with ``image``, (H, W, 3) uint8."""
        image = composite(sample["foreground"], sample["alpha"], sample["background"], **drawn)
        return {**sample, "image": image}

    def perform_batch(self, batch: Batch, drawn: list[Drawn]) -> Batch:
        """The batch with ``image``, (B, 3, H, W)."""
        from ld_portrait_20k.compositing.device import appearance

        linear = [one["linear"] for one in drawn]
        image = appearance.composite(
            batch["foreground"], batch["alpha"], batch["background"], linear
        )
        return {**batch, "image": image}
