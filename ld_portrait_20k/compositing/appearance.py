"""Transforms that change how a picture of the sample looks and leave its matte alone."""

from __future__ import annotations

import numpy as np

from ld_portrait_20k.common.arguments import number
from ld_portrait_20k.compositing import augment
from ld_portrait_20k.compositing.transform import Batch, BatchTransform, Drawn, Sample


class JitterColour(BatchTransform):
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

    def draw(self, rng: np.random.Generator) -> Drawn:
        """A table of tones for each channel and a saturation."""
        drawn = rng.uniform(-self.amount, self.amount, 7)
        red, green, blue = 1 + drawn[3:6] / 2
        tones = augment.tone_table(
            brightness=1 + drawn[0],
            contrast=1 + drawn[1],
            balance=(red, green, blue),
            gamma=float(np.exp(drawn[6])),
        )
        return {"tones": tones, "saturation": 1 + float(drawn[2])}

    def perform(self, sample: Sample, drawn: Drawn) -> Sample:
        """The sample with one picture changed."""
        changed = augment.recolour(sample[self.key], drawn["tones"], drawn["saturation"])
        return {**sample, self.key: changed}

    def perform_batch(self, batch: Batch, drawn: list[Drawn]) -> Batch:
        """A batch with one picture of each sample changed."""
        from ld_portrait_20k.compositing.device import appearance

        changed = appearance.map_tones(batch[self.key], [one["tones"] for one in drawn])
        saturated = appearance.saturate(changed, [one["saturation"] for one in drawn])
        return {**batch, self.key: saturated}


class DegradeImage(BatchTransform):
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

    def draw(self, rng: np.random.Generator) -> Drawn:
        """How much of each; 0 for what a sample is spared. ``start`` is a place in the noise."""
        blurred, noisy, compressed = rng.random(3) < self.probability
        sigma, noise = rng.uniform(0, self.blur), rng.uniform(0, self.noise)
        quality = int(rng.integers(self.quality[0], self.quality[1] + 1))
        return {
            "blur": sigma if blurred else 0.0,
            "noise": noise if noisy else 0.0,
            "start": int(rng.integers(augment.NOISE_VALUES)),
            "quality": quality if compressed else 0,
        }

    def perform(self, sample: Sample, drawn: Drawn) -> Sample:
        """The sample with ``image`` changed."""
        image = augment.blur(sample["image"], drawn["blur"])
        image = augment.take_noise(image, drawn["noise"], drawn["start"])
        if drawn["quality"]:
            image = augment.compress_jpeg(image, drawn["quality"])
        return {**sample, "image": image}

    def perform_batch(self, batch: Batch, drawn: list[Drawn]) -> Batch:
        """A batch with each ``image`` changed."""
        from ld_portrait_20k.compositing.device import appearance, jpeg

        image = appearance.blur(batch["image"], [one["blur"] for one in drawn])
        noise = [(one["noise"], one["start"]) for one in drawn]
        image = appearance.take_noise(image, noise)
        image = jpeg.compress(image, [one["quality"] for one in drawn])
        return {**batch, "image": image}
