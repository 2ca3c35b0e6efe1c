from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from builder.generation.layer_diffusion import TransparentVAEEncoder
from builder.generation.layer_diffusion.encoder import pad_colour
from builder.generation.layer_diffusion.pipeline import LayerDiffusionPipeline
from ld_portrait_20k.errors import PortraitError
from tests.builder.generation.layer_diffusion.golden import (
    PlainVAE,
    figures,
    golden_encoder,
    soft_picture,
)
from tests.builder.generation.layer_diffusion.tiny import TinyPaths


@pytest.fixture(scope="module")
def encoder() -> TransparentVAEEncoder:
    return golden_encoder()


# See test_decoder.GOLDEN: equal to the reference's to the last bit where they were made.
GOLDEN_LATENTS = [-0.052942, 0.099733, 0.088425, -0.225764, 0.12374, -0.01428, -0.058183, 0.066152]
GOLDEN_PADDED = [0.4977, 0.068818, 0.503973, 0.49945, 0.491779, 0.458824, 0.491841, 0.49191]


def test_golden_figures(encoder: TransparentVAEEncoder) -> None:
    latents = encoder(PlainVAE(), [soft_picture(64, 128, seed) for seed in range(3)])
    assert latents.shape == (3, 4, 8, 16)
    assert figures(latents) == pytest.approx(GOLDEN_LATENTS, abs=1e-4)


def test_golden_padding() -> None:
    padded = pad_colour(soft_picture(64, 128, 0))
    assert figures(torch.from_numpy(padded)) == pytest.approx(GOLDEN_PADDED, abs=1e-5)


def test_padding_keeps_opaque_colour_and_continues_it() -> None:
    picture = soft_picture(64, 64, 0)
    padded = pad_colour(picture)
    opaque = picture[..., 3] == 255
    assert opaque.any()
    np.testing.assert_allclose(padded[opaque], picture[opaque][:, :3] / 255, atol=1e-6)
    # Colour under alpha 0 is hidden: it must not come through.
    hidden = picture.copy()
    hidden[picture[..., 3] == 0, :3] = (255, 0, 255)
    np.testing.assert_array_equal(pad_colour(hidden), padded)


def test_padding_of_one_colour_is_that_colour() -> None:
    picture = soft_picture(96, 64, 1)
    picture[..., :3] = (200, 100, 50)
    np.testing.assert_allclose(
        pad_colour(picture), np.broadcast_to(np.array([200, 100, 50]) / 255, (96, 64, 3)), atol=1e-5
    )


def test_padding_of_nothing_is_black() -> None:
    assert not pad_colour(np.zeros((64, 64, 4), np.uint8)).any()


def test_alpha_moves_the_latents(encoder: TransparentVAEEncoder) -> None:
    picture = soft_picture(64, 64, 0)
    opaque = picture.copy()
    opaque[..., 3] = 255
    one, other = encoder(PlainVAE(), [picture, opaque])
    assert (one - other).abs().mean() > 0.01


def test_a_picture_does_not_depend_on_its_batch(encoder: TransparentVAEEncoder) -> None:
    pictures = [soft_picture(64, 64, seed) for seed in range(3)]
    together = encoder(PlainVAE(), pictures)
    for at in range(3):
        alone = encoder(PlainVAE(), pictures[at : at + 1])[0]
        torch.testing.assert_close(together[at], alone, atol=1e-6, rtol=0)


def test_with_a_real_vae(pipeline: LayerDiffusionPipeline) -> None:
    picture = soft_picture(64, 128, 0)
    latents = pipeline.encoder(pipeline.sdxl.vae, [picture])
    assert latents.shape == (1, 4, 8, 16) and latents.isfinite().all()


@pytest.mark.parametrize(
    "pictures",
    [
        [np.zeros((64, 64, 3), np.uint8)],
        [np.zeros((64, 64, 4), np.float32)],
        [np.zeros((64, 64), np.uint8)],
        [np.zeros((64, 64, 4), np.uint8), np.zeros((64, 128, 4), np.uint8)],
        [np.zeros((60, 64, 4), np.uint8)],
    ],
)
def test_wrong_pictures(encoder: TransparentVAEEncoder, pictures: list[NDArray[Any]]) -> None:
    with pytest.raises(ValueError, match="must"):
        encoder(PlainVAE(), pictures)


def test_other_weights_are_refused(tiny: TinyPaths) -> None:
    with pytest.raises(PortraitError, match="is not a transparent encoder for SDXL"):
        TransparentVAEEncoder.from_safetensors(tiny.decoder)
