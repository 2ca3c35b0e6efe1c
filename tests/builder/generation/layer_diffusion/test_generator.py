from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from builder.generation.layer_diffusion import (
    LayerDiffusionGenerator,
    generator_spec,
    model_folders,
    open_generator,
)
from builder.generation.layer_diffusion.config import LayerDiffusionConfig
from builder.generation.layer_diffusion.models import select
from builder.generation.protocol import Generated, Rejection, Request
from builder.plan import PlanRow
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import schema
from tests.builder.generation.layer_diffusion.tiny import TinyPaths


def request(index: int, width: int = 64, height: int = 64, attempt: int = 0) -> Request:
    row = PlanRow(
        id=f"ldp-{index:07d}",
        split="train",
        prompt=f"a portrait, number {index}",
        negative_prompt="ugly",
        attributes={},
        seed=1000 + index,
        width=width,
        height=height,
    )
    return Request(row, attempt, row.seed + 7919 * attempt)


def draw(generator: LayerDiffusionGenerator, *requests: Request) -> list[Generated]:
    """Pictures for requests, none of which may be rejected."""
    made = []
    for one in generator.generate(list(requests)):
        assert isinstance(one, Generated), one
        made.append(one)
    return made


@pytest.fixture(scope="module")
def generator(tiny_config: LayerDiffusionConfig) -> LayerDiffusionGenerator:
    return LayerDiffusionGenerator(tiny_config)


def test_one_picture_a_request_in_order(generator: LayerDiffusionGenerator) -> None:
    assert (generator.name, generator.batch_size, generator.repeatable) == (
        "layer-diffusion",
        2,
        True,
    )
    # Sizes change in the middle of a batch.
    sizes = [(64, 64), (64, 64), (64, 64), (128, 64), (64, 128)]
    requests = [request(index, *size) for index, size in enumerate(sizes)]
    made = list(generator.generate(requests))
    assert [one.request for one in made] == requests
    for one, (width, height) in zip(made, sizes, strict=True):
        assert isinstance(one, Generated)
        assert one.foreground.shape == (height, width, 3)
        assert one.alpha.shape == (height, width)
        assert one.foreground.dtype == one.alpha.dtype == np.uint8
        assert one.alpha.std() > 1
        assert one.truth is None


def test_a_picture_does_not_depend_on_its_neighbours(generator: LayerDiffusionGenerator) -> None:
    first, second = draw(generator, request(0), request(1))
    alone = draw(generator, request(1))[0]
    assert np.abs(alone.alpha.astype(int) - second.alpha).max() <= 1
    assert np.abs(alone.foreground.astype(int) - second.foreground).max() <= 1
    again = draw(generator, request(0), request(1))[0]
    np.testing.assert_array_equal(again.alpha, first.alpha)


def test_all_bits_of_the_seed_count(generator: LayerDiffusionGenerator) -> None:
    # torch's CPU generator would take the low 32 of them.
    near = request(0)
    far = replace(near, seed=near.seed + 2**40)
    made = draw(generator, near, far)
    assert np.abs(made[0].foreground.astype(int) - made[1].foreground).mean() > 1


def test_another_attempt_is_another_picture(generator: LayerDiffusionGenerator) -> None:
    made = draw(generator, request(0), request(0, attempt=1))
    assert np.abs(made[0].foreground.astype(int) - made[1].foreground).mean() > 1


def test_the_record_is_complete(
    generator: LayerDiffusionGenerator, tiny_config: LayerDiffusionConfig
) -> None:
    made = draw(generator, request(0))[0]
    completed = schema.complete({"generator": made.record})["generator"]
    assert completed == {**made.record, "guidance": 7.0}
    assert completed["sampler"] == "DPM++ 2M Karras"
    assert (completed["steps"], completed["batch_size"], completed["dtype"]) == (3, 2, "float32")
    assert f"torch {torch.__version__}" in completed["software"]
    assert completed["models"] == [record.metadata() for record in select(tiny_config).records]


def test_the_spec_opens_the_same_generator(
    tiny_config: LayerDiffusionConfig, tiny: TinyPaths, generator: LayerDiffusionGenerator
) -> None:
    planned = generator_spec(tiny_config)
    assert str(tiny.base.parent) not in str(planned)
    assert planned["base_model"] == tiny.base.name
    opened = open_generator(
        planned, {"device": tiny_config.device, **model_folders(tiny_config), "source": None}
    )
    assert opened.config == replace(tiny_config, dtype="float32", vae="base")
    one, other = (draw(each, request(3))[0] for each in (opened, generator))
    np.testing.assert_array_equal(one.alpha, other.alpha)
    assert one.record == other.record
    with pytest.raises(PortraitError, match="local folder tiny-sdxl; try: --base-model FOLDER"):
        open_generator(planned, {"device": "cpu"})


def test_the_spec_pins_what_comes_from_the_hub() -> None:
    records = [
        {"role": role, "id": name, "revision": commit, "file": "f", "sha256": "0" * 64}
        for role, name, commit in (
            ("unet", "SG161222/RealVisXL_V4.0", "a" * 40),
            ("vae", "madebyollin/sdxl-vae-fp16-fix", "b" * 40),
            ("attention", "lllyasviel/LayerDiffuse_Diffusers", "c" * 40),
        )
    ]
    planned = {
        "name": "layer-diffusion",
        "base_model": "SG161222/RealVisXL_V4.0",
        "weights": "lllyasviel/LayerDiffuse_Diffusers",
        "vae": "madebyollin/sdxl-vae-fp16-fix",
        "steps": 25,
        "guidance": 7.0,
        "batch_size": 8,
        "dtype": "float16",
        "compile": True,
        "models": records,
    }
    config = open_generator(planned, {"device": "cuda:1"}).config
    assert (config.base_revision, config.vae_revision, config.weights_revision) == (
        "a" * 40,
        "b" * 40,
        "c" * 40,
    )
    assert (config.device, config.batch_size, config.compile) == ("cuda:1", 8, True)


def test_overflow_is_a_rejection_of_that_picture_alone(tiny_config: LayerDiffusionConfig) -> None:
    generator = LayerDiffusionGenerator(tiny_config)
    decoder = generator.pipeline.decoder.model
    hook = decoder.register_forward_hook(
        lambda _, args, out: torch.where(
            torch.arange(len(out))[:, None, None, None] % 2 == 1, torch.nan, out
        )
    )
    try:
        made = list(generator.generate([request(0), request(1)]))
    finally:
        hook.remove()
    assert isinstance(made[0], Generated)
    assert isinstance(made[1], Rejection)
    assert (made[1].reason, made[1].request) == ("not-finite", request(1))


def test_weights_are_loaded_outside_inference_mode(tiny_config: LayerDiffusionConfig) -> None:
    generator = LayerDiffusionGenerator(tiny_config)
    draw(generator, request(0))[0]
    for network in (generator.pipeline.sdxl.unet, generator.pipeline.decoder):
        assert not any(weight.is_inference() for weight in network.parameters())


def test_a_compiled_run_fills_its_last_batch(tiny_config: LayerDiffusionConfig) -> None:
    generator = LayerDiffusionGenerator(tiny_config)
    (plain,) = draw(generator, request(5))
    # The networks are loaded, uncompiled; only the batches change.
    generator.config = replace(tiny_config, compile=True)
    batches = []
    hook = generator.pipeline.sdxl.unet.register_forward_pre_hook(
        lambda _, args: batches.append(len(args[0]))
    )
    try:
        made = draw(generator, request(5))
    finally:
        hook.remove()
    assert len(made) == 1
    assert set(batches) == {4}
    assert np.abs(made[0].alpha.astype(int) - plain.alpha).max() <= 1


def test_impossible_sizes(generator: LayerDiffusionGenerator) -> None:
    with pytest.raises(PortraitError, match="multiples of 64, got 72x64; try: 64x64"):
        next(iter(generator.generate([request(0, 72, 64)])))


def test_an_unused_generator_travels(tiny_config: LayerDiffusionConfig) -> None:
    generator = pickle.loads(pickle.dumps(LayerDiffusionGenerator(tiny_config)))
    assert generator.config == tiny_config


def test_importing_needs_no_torch() -> None:
    code = (
        "import sys, builder.generation.layer_diffusion as l;"
        "l.LayerDiffusionConfig(); l.LayerDiffusionGenerator; l.generator_spec;"
        "heavy = {'torch', 'diffusers', 'transformers', 'huggingface_hub'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
