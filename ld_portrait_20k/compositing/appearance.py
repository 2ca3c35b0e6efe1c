"""Transforms that change how a picture of the sample looks and leave its matte alone."""

from __future__ import annotations

import numpy as np

from ld_portrait_20k.arguments import number
from ld_portrait_20k.compositing import augment
from ld_portrait_20k.compositing.transform import Sample, Transform


class JitterColour(Transform):
    """Changes the colours of one picture of the sample at random.

    Applied to the foreground before compositing, all pictures stay consistent. Applied to
    the image afterwards, ``foreground`` and ``background`` no longer compose to ``image``.

    Args:
        amount: Brightness, contrast, saturation and each channel within 1 plus or minus
            this; gamma within its exponential.
        key: Which picture.
    """

    def __init__(self, amount: float = 0.2, key: str = "foreground") -> None:
        self.amount = number("amount", amount, 0, 1)
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
    """Degrades ``image`` as cameras and networks do: blur, noise, JPEG, each with a probability.

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
        self.probability = number("probability", probability, 0, 1)
        self.blur = number("blur", blur, 0)
        self.noise = number("noise", noise, 0)
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
