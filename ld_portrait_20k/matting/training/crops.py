"""Training crops: a number gives a crop, so that exact resume needs only the step.

The shares of :class:`CropOptions` and the ranges in this module were chosen by eye on sheets
of crops; no figure tuned them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.compositing.backgrounds import Backgrounds
from ld_portrait_20k.compositing.composite import composite, merge_foregrounds
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.data.sample import MattingSample, MattingSource
from ld_portrait_20k.matting.training import augmentation
from ld_portrait_20k.matting.training.structures import draw_structure
from ld_portrait_20k.matting.training.textures import draw_texture

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class CropOptions:
    """How crops are drawn; each share is a probability.

    Attributes:
        size: Side in pixels.
        structures: Crops whose matte is drawn from scratch (:mod:`.structures`).
        photo_colours: Foregrounds filled with a photograph instead of their own colours.
        merged: Foregrounds of two samples over one another.
        near_colours: Backgrounds moved to the foreground's mean colour.
        plain: Backgrounds of drawn colour instead of a picture.
        blurred: Foregrounds out of focus or in motion.
        whole: Crops that show nearly the whole picture, shrunk, instead of a window about an
            edge; for models without a trimap, which must see who is in the picture.
        cache_bytes: Decoded samples that each process keeps.
    """

    size: int = 192
    structures: float = 0.25
    photo_colours: float = 0.35
    merged: float = 0.2
    near_colours: float = 0.15
    plain: float = 0.12
    blurred: float = 0.12
    whole: float = 0.0
    cache_bytes: int = 3 * 2**30


class CropDataset:
    """Crops by number: a map-style torch dataset without end.

    Args:
        sources: Where samples come from, each with a weight.
        backgrounds: Pictures to composite over and to take colours from; drawn textures
            are used where None is given.
        seed: Another seed gives other crops.
        options: How crops are drawn.

    Raises:
        PortraitError: No sources, an empty one, or a weight that is not positive.
    """

    def __init__(
        self,
        sources: Sequence[tuple[MattingSource, float]],
        backgrounds: Backgrounds | None = None,
        *,
        seed: int = 0,
        options: CropOptions | None = None,
    ) -> None:
        if not sources and (options is None or options.structures < 1):
            raise PortraitError("nothing to train on; try: --data NAME=DIR")
        for source, weight in sources:
            if not len(source) or not weight > 0:
                raise PortraitError(f"{source.name}: {len(source)} samples, weight {weight:g}")
        self._sources = [source for source, _ in sources]
        weights = np.array([weight for _, weight in sources], np.float64)
        self._shares = weights / weights.sum() if len(weights) else weights
        self._backgrounds = backgrounds
        self._seed = seed
        self.options = options or CropOptions()
        self._cache: OrderedDict[tuple[int, int], MattingSample] = OrderedDict()
        self._held = 0

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Crop ``index``.

        Returns:
            image, foreground, background (3, S, S), alpha and trimap (1, S, S), all float32,
            0..1, the trimap of 0, 0.5 and 1; and name, the sample's. Foreground and
            background are what the image was composed from, or the image itself where only
            that is known.
        """
        rng = np.random.Generator(np.random.Philox(key=[self._seed, index]))
        for _ in range(8):
            crop = self._draw(rng)
            if augmentation.usable(crop["trimap"]):
                break
        result = {key: _tensor_layout(value) for key, value in crop.items() if key != "name"}
        # 128 of 255 is not a half, and models ask for exactly that.
        result["trimap"] = np.rint(result["trimap"] * 2).astype(np.float32) / np.float32(2)
        return {**result, "name": crop["name"]}

    def _draw(self, rng: np.random.Generator) -> dict[str, Any]:
        options = self.options
        if not self._sources or rng.random() < options.structures:
            name = "drawn structure"
            foreground, alpha = self._structure(rng)
        else:
            sample = self._sample(rng)
            name = sample.sample_id
            if sample.foreground is None:
                return self._finished(rng, sample)
            foreground, alpha = self._cut(rng, sample.foreground, sample.alpha)
            foreground = self._recolour(rng, foreground)
        if self._sources and rng.random() < options.merged:
            other = self._sample(rng)
            if other.foreground is not None:
                behind = self._cut(rng, other.foreground, other.alpha)
                foreground, alpha = merge_foregrounds(foreground, alpha, *behind)
        if rng.random() < options.blurred:
            foreground, alpha = augmentation.defocus(rng, foreground, alpha)
        background = self._background(rng)
        if rng.random() < options.near_colours:
            background = augmentation.bring_near(rng, background, foreground)
        image = augmentation.degrade(rng, composite(foreground, alpha, background))
        return {
            "image": image,
            "alpha": alpha,
            "trimap": augmentation.draw_trimap(rng, alpha),
            "foreground": foreground,
            "background": background,
            "name": name,
        }

    def _finished(self, rng: np.random.Generator, sample: MattingSample) -> dict[str, Any]:
        """A crop of a picture that is taken as it is."""
        assert sample.image is not None
        image, alpha = self._cut(rng, sample.image, sample.alpha)
        image = augmentation.degrade(rng, augmentation.change_colours(rng, image))
        known = augmentation.draw_trimap(rng, alpha)
        return {
            "image": image, "alpha": alpha, "trimap": known,
            "foreground": image, "background": image, "name": sample.sample_id,
        }  # fmt: skip

    def _cut(
        self, rng: np.random.Generator, picture: Picture, alpha: Picture
    ) -> tuple[Picture, Picture]:
        size, whole = self.options.size, self.options.whole
        # Without such crops nothing is drawn here, so that older seeds keep their crops.
        if whole and rng.random() < whole:
            return augmentation.cut_whole(rng, picture, alpha, size)
        return augmentation.cut_window(rng, picture, alpha, size)

    def _structure(self, rng: np.random.Generator) -> tuple[Picture, Picture]:
        size = self.options.size
        matte = draw_structure(rng, size, self._photo(rng))
        colour = self._background(rng)
        if rng.random() < 0.5:
            # Strands have less contrast within them than photographs have.
            colour = _flatten(rng, colour)
        return colour, np.rint(matte * 255).astype(np.uint8)

    def _recolour(self, rng: np.random.Generator, foreground: Picture) -> Picture:
        if rng.random() < self.options.photo_colours:
            photo = self._photo(rng)
            if rng.random() < 0.4:
                # The drawn shading times the photograph's colours.
                shade = foreground.astype(np.float32).mean(-1, keepdims=True)
                shade = shade / max(float(shade.mean()), 8.0)
                photo = np.rint(np.clip(photo * shade, 0, 255)).astype(np.uint8)
            foreground = photo
        return augmentation.change_colours(rng, foreground)

    def _background(self, rng: np.random.Generator) -> Picture:
        if rng.random() < self.options.plain:
            return draw_texture(rng, self.options.size)
        picture = augmentation.change_colours(rng, self._photo(rng))
        if rng.random() < 0.35:
            sigma = augmentation.log_uniform(rng, 0.7, 8.0)  # out of focus, as behind portraits
            picture = cv2.GaussianBlur(picture, (0, 0), sigma).astype(np.uint8)
        return picture

    def _photo(self, rng: np.random.Generator) -> Picture:
        size = self.options.size
        if self._backgrounds is None:
            return draw_texture(rng, size)
        # A crop shows a part of a picture, as it does of a foreground: a whole photograph
        # shrunk to a crop has more detail than pictures have.
        whole = int(size * rng.uniform(1.0, 4.0))
        picture = self._backgrounds.draw(rng, whole, whole)
        top, left = (int(rng.integers(whole - size + 1)) for _ in range(2))
        return np.ascontiguousarray(picture[top : top + size, left : left + size])

    def _sample(self, rng: np.random.Generator) -> MattingSample:
        which = int(rng.choice(len(self._sources), p=self._shares))
        index = int(rng.integers(len(self._sources[which])))
        key = (which, index)
        sample = self._cache.get(key)
        if sample is not None:
            self._cache.move_to_end(key)
            return sample
        sample = self._sources[which][index]
        self._cache[key] = sample
        self._held += _bytes(sample)
        while self._held > self.options.cache_bytes and len(self._cache) > 1:
            self._held -= _bytes(self._cache.popitem(last=False)[1])
        return sample

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cache": OrderedDict(), "_held": 0}


def _flatten(rng: np.random.Generator, colour: Picture) -> Picture:
    mean = colour.reshape(-1, 3).mean(0).astype(np.float32)
    kept = np.float32(rng.uniform(0.1, 0.6))
    return np.rint(mean + (colour - mean) * kept).astype(np.uint8)


def _bytes(sample: MattingSample) -> int:
    parts = (sample.alpha, sample.foreground, sample.image, sample.trimap)
    return sum(part.nbytes for part in parts if part is not None)


def _tensor_layout(picture: Picture) -> NDArray[np.float32]:
    values = picture.astype(np.float32) * np.float32(1 / 255)
    if picture.ndim == 2:
        return values[None]
    return np.ascontiguousarray(values.transpose(2, 0, 1))
