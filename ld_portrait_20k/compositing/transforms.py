"""Transforms over whole samples, from a decoded sample to a batch-ready one.

A transform is called with a sample (a dict) and gives a new one, so that foreground,
alpha, trimap, background and image stay aligned. What is random is drawn from the sample's
``seed`` (which follows from its id, the epoch and the stream's seed) and the transform's
place in its :class:`Compose`: the same sample comes out the same whatever the worker,
the rank or the order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import cv2
import numpy as np

from ld_portrait_20k.compositing import augment
from ld_portrait_20k.compositing.backgrounds import Backgrounds
from ld_portrait_20k.compositing.composite import composite, merge_foregrounds
from ld_portrait_20k.compositing.geometry import crop, resize, resize_picture, unknown_center
from ld_portrait_20k.compositing.trimaps import random_trimap
from ld_portrait_20k.errors import missing_extra

Sample = dict[str, Any]
Range = tuple[float, float]


class Pool(Protocol):
    """Other samples to merge with; a ``PortraitStream`` is one."""

    @property
    def total(self) -> int:
        """How many there are."""
        ...

    def sample(self, index: int) -> Sample:
        """A decoded sample."""
        ...


class Transform:
    """Base: draws its random numbers from the sample's seed."""

    def __call__(self, sample: Sample, place: int = 0) -> Sample:
        """The transformed sample.

        Args:
            sample: With ``seed`` (0 if absent) and the pictures that the transform needs.
            place: Of this transform among others, so that each draws numbers of its own.
        """
        seed = int(sample.get("seed", 0))
        key = np.array([seed, place], np.uint64)
        return self.apply(sample, np.random.Generator(np.random.Philox(key=key)))

    def apply(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The transformed sample, random numbers from ``rng``."""
        raise NotImplementedError


class Compose(Transform):
    """One transform after another.

    Args:
        transforms: Transforms, or plain functions of a sample.
    """

    def __init__(self, transforms: Sequence[Transform | Callable[[Sample], Any]]) -> None:
        self.transforms = list(transforms)

    def __call__(self, sample: Sample, place: int = 0) -> Any:
        """The sample after all of them."""
        for number, transform in enumerate(self.transforms):
            if isinstance(transform, Transform):
                sample = transform(sample, place * 1000 + number + 1)
            else:
                sample = transform(sample)
        return sample


class MergeForegrounds(Transform):
    """Puts the sample in front of another one, in a part of the cases.

    Args:
        pool: The others.
        probability: Of merging at all.
        limit: A merged sample whose opaque part exceeds this share is left as it was.
    """

    def __init__(self, pool: Pool, probability: float = 0.5, limit: float = 0.95) -> None:
        self.pool = pool
        self.probability = probability
        self.limit = limit

    def apply(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The sample, perhaps merged."""
        if rng.random() >= self.probability:
            return sample
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
        self.size = (size, size) if isinstance(size, int) else size
        self.scale = scale
        self.rotation = rotation
        self.flip = flip
        self.around = around

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
        self.size = (size, size) if isinstance(size, int) else size

    def apply(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The resized sample."""
        return resize(sample, self.size)


class RandomTrimap(Transform):
    """Adds ``trimap``; see :func:`~ld_portrait_20k.compositing.trimaps.random_trimap`.

    Args:
        radius: Smallest and largest radius in pixels.
        low: Alpha up to this is background.
        high: Alpha from this on is foreground.
    """

    def __init__(self, radius: Range = (1.0, 30.0), low: int = 0, high: int = 255) -> None:
        self.radius = radius
        self.low = low
        self.high = high

    def apply(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The sample with ``trimap``, (H, W) uint8 of 0, 128, 255."""
        found = random_trimap(
            sample["alpha"], rng, radius=self.radius, low=self.low, high=self.high
        )
        return {**sample, "trimap": found}


class RandomBackground(Transform):
    """Adds ``background`` of the sample's size.

    Args:
        sources: Where backgrounds come from; each equally likely.
    """

    def __init__(self, *sources: Backgrounds) -> None:
        if not sources:
            raise ValueError("no source of backgrounds")
        self.sources = sources

    def apply(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The sample with ``background``, (H, W, 3) uint8."""
        source = self.sources[int(rng.integers(len(self.sources)))]
        height, width = sample["alpha"].shape
        return {**sample, "background": source.draw(rng, height, width)}


class Composite(Transform):
    """Adds ``image``: the foreground over the background.

    Args:
        linear: Chance of blending in linear light instead of in sRGB values.
    """

    def __init__(self, linear: float = 0.0) -> None:
        self.linear = linear

    def apply(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The sample with ``image``, (H, W, 3) uint8."""
        linear = bool(self.linear) and rng.random() < self.linear
        image = composite(
            sample["foreground"], sample["alpha"], sample["background"], linear=linear
        )
        return {**sample, "image": image}


class JitterColour(Transform):
    """Random colours for one picture of the sample.

    On the foreground before compositing it keeps all of the sample consistent; on the
    image after it, ``foreground`` and ``background`` no longer compose to ``image``.

    Args:
        amount: Brightness, contrast, saturation and each channel within 1 plus or minus
            this; gamma within its exponential.
        key: Which picture.
    """

    def __init__(self, amount: float = 0.2, key: str = "foreground") -> None:
        self.amount = amount
        self.key = key

    def apply(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The sample with one picture changed."""
        drawn = rng.uniform(-self.amount, self.amount, 7)
        red, green, blue = 1 + drawn[3:6] / 2
        changed = augment.jitter_colour(
            sample[self.key],
            brightness=1 + drawn[0],
            contrast=1 + drawn[1],
            saturation=1 + drawn[2],
            balance=(red, green, blue),
            gamma=float(np.exp(drawn[6])),
        )
        return {**sample, self.key: changed}


class DegradeImage(Transform):
    """What cameras and networks do to ``image``: blur, noise, JPEG, each in some cases.

    Args:
        probability: Of each of the three.
        blur: Largest standard deviation in pixels.
        noise: Largest standard deviation in 8-bit steps.
        quality: Lowest and highest JPEG quality.
    """

    def __init__(
        self,
        probability: float = 0.3,
        blur: float = 1.5,
        noise: float = 8.0,
        quality: tuple[int, int] = (50, 95),
    ) -> None:
        self.probability = probability
        self.blur = blur
        self.noise = noise
        self.quality = quality

    def apply(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The sample with ``image`` changed."""
        chances = rng.random(3) < self.probability
        image = sample["image"]
        sigma, noise = rng.uniform(0, self.blur), rng.uniform(0, self.noise)
        quality = int(rng.integers(self.quality[0], self.quality[1] + 1))
        if chances[0]:
            image = augment.blur(image, sigma)
        if chances[1]:
            image = augment.add_noise(image, noise, rng)
        if chances[2]:
            image = augment.compress_jpeg(image, quality)
        return {**sample, "image": image}


_LAYERS: Final = ("image", "alpha", "trimap", "foreground", "background")


class ToTensors(Transform):
    """Pictures as tensors, and only what collates.

    Gives ``image``, ``foreground``, ``background`` (3, H, W), ``alpha`` and ``trimap``
    (1, H, W), whichever are there, and the ``keep`` keys. Float32: 0..1, the trimap 0, 0.5
    or 1. Uint8: 0..255 and 0, 128, 255, a quarter of the bytes between processes; divide
    on the GPU.

    Args:
        dtype: ``"float32"`` or ``"uint8"``.
        keep: Keys passed on as they are.
        numpy: Give arrays instead of tensors.
    """

    def __init__(
        self, dtype: str = "float32", keep: Sequence[str] = ("id", "prompt"), numpy: bool = False
    ) -> None:
        if dtype not in ("float32", "uint8"):
            raise ValueError(f"dtype {dtype!r} is neither float32 nor uint8")
        self.dtype = dtype
        self.keep = tuple(keep)
        self.numpy = numpy

    def apply(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The sample as tensors."""
        result: Sample = {key: sample[key] for key in self.keep if key in sample}
        for key in _LAYERS:
            if key in sample:
                result[key] = self._convert(key, sample[key])
        return result

    def _convert(self, key: str, picture: np.ndarray) -> Any:
        planes: np.ndarray
        if picture.ndim == 2:
            planes = picture[None]
        else:
            planes = np.empty((3, *picture.shape[:2]), np.uint8)
            cv2.split(picture, [planes[0], planes[1], planes[2]])
        if self.dtype == "float32":
            # 128 is the trimap's 0.5.
            factor = 1 / 256 if key == "trimap" else 1 / 255
            planes = np.multiply(planes, np.float32(factor))
            if key == "trimap":
                planes[planes > 0.75] = 1.0
        elif picture.ndim == 2:
            planes = planes.copy()
        if self.numpy:
            return planes
        try:
            import torch
        except ImportError as problem:
            raise missing_extra("torch", "torch") from problem
        return torch.from_numpy(planes)


def training_transform(
    backgrounds: Backgrounds | Sequence[Backgrounds],
    size: int = 512,
    *,
    pool: Pool | None = None,
    rotation: float = 0.0,
    scale: Range = (0.8, 1.6),
    trimap_radius: Range = (1.0, 30.0),
    colour: float = 0.2,
    degrade: float = 0.0,
    linear: float = 0.0,
    dtype: str = "float32",
) -> Compose:
    """The usual way from a decoded sample to a training sample.

    Merging (if there is a pool), crop around the unknown region, trimap, colour jitter of
    the foreground, background, composite, degradation, tensors.

    Args:
        backgrounds: One or several sources.
        size: Height and width of the crop.
        pool: Samples to merge with in half of the cases; a ``PortraitStream``.
        rotation: Most degrees either way.
        scale: Magnification.
        trimap_radius: Smallest and largest radius in pixels.
        colour: Amount of colour jitter.
        degrade: Chance of each of blur, noise and JPEG.
        linear: Chance of blending in linear light.
        dtype: See :class:`ToTensors`.

    Returns:
        A transform for ``PortraitStream(transform=...)``, whose samples are dicts of
        ``id``, ``prompt``, ``image``, ``alpha``, ``trimap``, ``foreground``, ``background``.
    """
    sources = backgrounds if isinstance(backgrounds, Sequence) else [backgrounds]
    steps: list[Transform] = []
    if pool is not None:
        steps.append(MergeForegrounds(pool))
    steps += [
        RandomCrop(size, scale=scale, rotation=rotation),
        RandomTrimap(trimap_radius),
        JitterColour(colour),
        RandomBackground(*sources),
        Composite(linear),
    ]
    if degrade:
        steps.append(DegradeImage(degrade))
    return Compose([*steps, ToTensors(dtype)])
