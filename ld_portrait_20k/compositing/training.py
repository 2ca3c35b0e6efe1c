"""The usual chain of transforms, from a decoded sample to a training sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from ld_portrait_20k.compositing.appearance import DegradeImage, JitterColour
from ld_portrait_20k.compositing.backgrounds import Backgrounds
from ld_portrait_20k.compositing.device.transform import OnDevice
from ld_portrait_20k.compositing.tensors import ToTensors
from ld_portrait_20k.compositing.transform import Compose, Range, Transform
from ld_portrait_20k.compositing.transforms import (
    Composite,
    ForegroundPool,
    MergeForegrounds,
    RandomBackground,
    RandomCrop,
    RandomTrimap,
)


def training_transform(
    backgrounds: Backgrounds | Sequence[Backgrounds],
    size: int = 512,
    *,
    pool: ForegroundPool | None = None,
    rotation: float = 0.0,
    scale: Range = (0.8, 1.6),
    trimap_radius: Range = (1.0, 30.0),
    colour: float = 0.2,
    degrade: float = 0.0,
    linear: float = 0.0,
    dtype: str = "float32",
    channels_last: bool = False,
    device: Any = None,
) -> Compose:
    """The usual steps from a decoded sample to a training sample.

    The steps are: merging (if there is a pool), crop around the unknown region, trimap,
    colour jitter of the foreground, background, composite, degradation, tensors.

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
        channels_last: See :class:`ToTensors`.
        device: None does everything where samples are decoded. With a torch device (``"cuda"``,
            ``"cpu"``) a loader's workers only decode, merge, crop, draw the random numbers and a
            background; trimap, colour, composite and degradation are done there for whole
            batches. See :class:`~ld_portrait_20k.compositing.device.transform.OnDevice`.

    Returns:
        A transform for ``PortraitStream(transform=...)``, whose samples are dicts of
        ``id``, ``prompt``, ``image``, ``alpha``, ``trimap``, ``foreground``, ``background``.
    """
    several = isinstance(backgrounds, Sequence) and not isinstance(backgrounds, str)
    sources = cast("Sequence[Backgrounds]", backgrounds if several else [backgrounds])
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
    steps.append(ToTensors(dtype, channels_last=channels_last))
    return Compose(steps) if device is None else OnDevice(steps, device)
