from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL

from builder.generation.layer_diffusion import LayerDiffusionPipeline, TransparentVAEEncoder
from builder.generation.layer_diffusion.config import LayerDiffusionConfig
from builder.generation.layer_diffusion.encoder import OffsetNetwork
from ld_portrait_20k.errors import PortraitError
from tests.builder.generation.layer_diffusion.golden import figures, soft_picture
from tests.builder.generation.layer_diffusion.tiny import TinyPaths

PROMPTS = ["a portrait of a woman with long hair", "an old man", "a child and the hair"]
NEGATIVE = "ugly, blurry"


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def latents(
    pipeline: LayerDiffusionPipeline,
    prompts: list[str] = PROMPTS,
    seeds: Sequence[int] = (1, 2, 3),
    **options: Any,
) -> torch.Tensor:
    options = {"negative_prompts": NEGATIVE, "width": 64, "height": 64, "steps": 3, **options}
    return pipeline.sample_latents(prompts, generators=generators(*seeds), **options)


def test_the_published_sizes_on_a_device_without_data() -> None:
    # A tensor left on the CPU, in another dtype, or asked for its value would raise.
    from tests.benchmarks.bench_layer_diffusion import make_pipeline

    device = torch.device("meta")
    pipeline = make_pipeline(False, device, torch.float16)
    pipeline.sdxl.vae.to(torch.float32)
    pipeline.decoder.room.budget = 20 << 30
    with torch.inference_mode():
        rgba = pipeline(PROMPTS[:1], negative_prompts=NEGATIVE, generators=generators(1), steps=2)
    assert (rgba.shape, rgba.dtype, rgba.device.type) == ((1, 4, 1024, 1024), torch.float16, "meta")
    with device:
        encoder = TransparentVAEEncoder(OffsetNetwork().half())
    encoded = encoder(pipeline.sdxl.vae, [soft_picture(128, 64, 0)])
    assert (encoded.shape, encoded.device.type) == ((1, 4, 16, 8), "meta")


def test_text_to_rgba(pipeline: LayerDiffusionPipeline) -> None:
    rgba = pipeline(
        PROMPTS[:2],
        negative_prompts=NEGATIVE,
        generators=generators(1, 2),
        width=128,
        height=64,
        steps=2,
    )
    assert rgba.shape == (2, 4, 64, 128)
    assert rgba.min() >= 0 and rgba.max() <= 1
    assert rgba.std() > 0.02
    assert (rgba[0] - rgba[1]).abs().mean() > 1e-3


# Made by an implementation that agreed with the reference to 6e-5 after 25 steps.
GOLDEN = [-0.835366, 15.496774, 24.720917, -15.421583, -23.7328, -16.276814, -2.618725, 23.540176]


def test_golden_latents(pipeline: LayerDiffusionPipeline) -> None:
    found = latents(pipeline, PROMPTS[:2], (5, 6), steps=25)
    assert figures(found) == pytest.approx(GOLDEN, abs=2e-3)


def test_conditioning_is_that_of_diffusers(pipeline: LayerDiffusionPipeline) -> None:
    expected = pipeline.sdxl.encode_prompt(
        PROMPTS, negative_prompt=[NEGATIVE] * 3, do_classifier_free_guidance=True
    )
    states, pooled = pipeline.text.encode(PROMPTS)
    negative, negative_pooled = pipeline.text.encode_kept([NEGATIVE] * 3)
    for one, other in zip((states, negative, pooled, negative_pooled), expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_a_sample_does_not_depend_on_its_batch(pipeline: LayerDiffusionPipeline) -> None:
    together = latents(pipeline)
    for at in range(3):
        alone = latents(pipeline, PROMPTS[at : at + 1], (at + 1,))[0]
        torch.testing.assert_close(together[at], alone, atol=1e-3, rtol=0)
    again = latents(pipeline)
    assert torch.equal(together, again)


def test_the_seed_and_the_prompts_matter(pipeline: LayerDiffusionPipeline) -> None:
    base = latents(pipeline, PROMPTS[:1], (1,))
    assert (base - latents(pipeline, PROMPTS[:1], (2,))).abs().mean() > 0.1
    assert (base - latents(pipeline, PROMPTS[1:2], (1,))).abs().mean() > 0.01
    assert (base - latents(pipeline, PROMPTS[:1], (1,), negative_prompts=None)).abs().mean() > 0.01


def test_negative_prompts_are_encoded_once(pipeline: LayerDiffusionPipeline) -> None:
    texts = []
    hook = pipeline.sdxl.text_encoder.register_forward_pre_hook(
        lambda _, args: texts.append(len(args[0]))
    )
    try:
        for _ in range(3):
            latents(pipeline, PROMPTS[:2], (1, 2), negative_prompts="never seen before")
    finally:
        hook.remove()
    assert sorted(texts) == [1, 2, 2, 2]


def test_guidance_of_one_runs_the_unet_once_a_step(pipeline: LayerDiffusionPipeline) -> None:
    batches = []
    hook = pipeline.sdxl.unet.register_forward_pre_hook(
        lambda _, args: batches.append(len(args[0]))
    )
    try:
        latents(pipeline, PROMPTS[:2], (1, 2), steps=2)
        latents(pipeline, PROMPTS[:2], (1, 2), steps=2, guidance=1.0)
    finally:
        hook.remove()
    assert batches == [4, 4, 2, 2]


def test_long_prompts_are_cut_and_it_is_said_once(
    tiny_config: LayerDiffusionConfig,
    pipeline: LayerDiffusionPipeline,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from builder.generation.layer_diffusion.conditioning import TextConditioner

    text = TextConditioner(pipeline.sdxl)
    long = "the hair and " * 80
    with caplog.at_level(logging.WARNING):
        cut, _ = text.encode([long])
        same, _ = text.encode([long + "something else"])
    assert torch.equal(cut, same)
    assert [record.message[:9] for record in caplog.records] == ["a prompt "]


def test_image_to_image(pipeline: LayerDiffusionPipeline) -> None:
    pictures = [soft_picture(64, 64, seed) for seed in range(3)]
    start = pipeline.encoder(pipeline.sdxl.vae, pictures) * pipeline.sdxl.vae.config.scaling_factor
    near, far = (
        (latents(pipeline, images=pictures, strength=strength) - start).abs().mean()
        for strength in (0.05, 0.9)
    )
    assert near < far
    with pytest.raises(ValueError, match="images must be 3 arrays"):
        latents(pipeline, images=pictures[:2])
    with pytest.raises(ValueError, match="images must be 3 arrays"):
        latents(pipeline, images=pictures, width=128)


@pytest.mark.parametrize("size", [(0, 64), (64, 100), (63, 64), (-64, 64)])
def test_wrong_sides(pipeline: LayerDiffusionPipeline, size: tuple[int, int]) -> None:
    with pytest.raises(PortraitError, match=r"multiples of 64, got .*; try: \d+x\d+"):
        latents(pipeline, width=size[0], height=size[1])


def test_wrong_counts(pipeline: LayerDiffusionPipeline) -> None:
    with pytest.raises(ValueError, match="3 prompts with 2 generators"):
        latents(pipeline, seeds=(1, 2))
    with pytest.raises(ValueError, match="3 prompts with 1 negative prompts"):
        latents(pipeline, negative_prompts=[NEGATIVE])


def test_no_prompts(pipeline: LayerDiffusionPipeline) -> None:
    assert pipeline([], generators=[], width=64, height=64).shape == (0, 4, 64, 64)


def without_memory_above(limit: int) -> Callable[[object, Any], None]:
    def check(_: object, args: Any) -> None:
        if len(args[0]) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    return check


def test_the_denoiser_falls_to_a_smaller_batch(
    tiny_config: LayerDiffusionConfig, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = LayerDiffusionPipeline.from_config(tiny_config)
    expected = latents(pipeline)
    hook = pipeline.sdxl.unet.register_forward_pre_hook(without_memory_above(2))
    try:
        with caplog.at_level(logging.WARNING):
            found = latents(pipeline)
            latents(pipeline)
    finally:
        hook.remove()
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)
    assert [record.message for record in caplog.records] == [
        "out of memory in the denoiser with 3 at a time: going on with 1"
    ]


def no_room_above(positions: int) -> Callable[[object, Any], None]:
    def check(_: object, args: Any) -> None:
        if args[0].shape[0] * args[0].shape[2] * args[0].shape[3] > positions:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    return check


def test_the_vae_is_tiled_as_the_last_resort(
    tiny_config: LayerDiffusionConfig, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = LayerDiffusionPipeline.from_config(tiny_config)
    vae = pipeline.sdxl.vae
    # As SDXL's own: tiles no smaller than the picture, which as such change nothing.
    vae.tile_sample_min_size, vae.tile_latent_min_size = 320, 40
    given = torch.randn(2, 4, 40, 8)
    whole = pipeline.decode(given, augment=False)
    hook = vae.decoder.register_forward_pre_hook(no_room_above(20 * 8))
    try:
        with caplog.at_level(logging.WARNING):
            rgba = pipeline.decode(given, augment=False)
    finally:
        hook.remove()
    assert rgba.shape == (2, 4, 320, 64) and rgba.isfinite().all()
    assert vae.tile_latent_min_size == 20
    assert [record.message for record in caplog.records] == [
        "out of memory in the VAE with 2 at a time: going on with 1",
        "out of memory in the VAE with one picture: tiling it",
    ]
    # Each tile has its own group norm: near the whole picture, not the same.
    assert 0 < (rgba - whole).abs().mean() < 0.1


def test_tiles_have_an_end(tiny_config: LayerDiffusionConfig) -> None:
    pipeline = LayerDiffusionPipeline.from_config(tiny_config)
    hook = pipeline.sdxl.vae.decoder.register_forward_pre_hook(no_room_above(0))
    try:
        with pytest.raises(PortraitError, match="out of memory in the VAE with one picture"):
            pipeline.decode(torch.randn(1, 4, 8, 8))
    finally:
        hook.remove()


def test_pictures_are_encoded_in_steps_that_fit(
    tiny_config: LayerDiffusionConfig, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = LayerDiffusionPipeline.from_config(tiny_config)
    pictures = [soft_picture(64, 64, seed) for seed in range(3)]
    expected = pipeline.encode(pictures)
    hook = pipeline.sdxl.vae.encoder.register_forward_pre_hook(without_memory_above(1))
    try:
        with caplog.at_level(logging.WARNING):
            found = latents(pipeline, images=pictures, strength=0.05, steps=1)
            torch.testing.assert_close(pipeline.encode(pictures), expected, atol=1e-4, rtol=0)
    finally:
        hook.remove()
    assert found.isfinite().all()
    assert [record.message for record in caplog.records] == [
        "out of memory in the VAE with 3 at a time: going on with 1"
    ]


def test_memory_is_given_back_once_the_failed_step_is_gone(
    tiny_config: LayerDiffusionConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = LayerDiffusionPipeline.from_config(tiny_config)
    held: list[weakref.ref] = []
    alive: list[bool] = []

    def fail(_: object, args: Any) -> None:
        activations = torch.zeros(4)
        held.append(weakref.ref(activations))
        if len(args[0]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: alive.append(held[-1]() is not None))
    hook = pipeline.sdxl.unet.register_forward_pre_hook(fail)
    try:
        latents(pipeline, steps=1)
    finally:
        hook.remove()
    assert alive == [False]


def test_networks_that_do_not_fit_the_device(
    tiny_config: LayerDiffusionConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 26.00 MiB.")

    monkeypatch.setattr("diffusers.StableDiffusionXLPipeline.to", full)
    with pytest.raises(PortraitError, match="do not fit the memory that is free on cpu"):
        LayerDiffusionPipeline.from_config(tiny_config)


def test_compiling_without_a_compiler_is_said_before_loading(
    tiny_config: LayerDiffusionConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr("builder.generation.layer_diffusion.loading.select", None)
    with pytest.raises(PortraitError, match=r"--compile needs a compiler .* leave it out"):
        LayerDiffusionPipeline.from_config(replace(tiny_config, compile=True))


def test_a_batch_is_split_into_steps_alike(tiny_config: LayerDiffusionConfig) -> None:
    # A last step of another size would be compiled anew.
    each = 64 * 64 * 32 * 8 * 4
    pipeline = LayerDiffusionPipeline.from_config(
        replace(tiny_config, decode_memory_gib=each * 3.5 / 2**30)
    )
    batches = []
    hooks = [
        network.register_forward_pre_hook(lambda _, args: batches.append(len(args[0])))
        for network in (pipeline.sdxl.vae.decoder, pipeline.decoder.model)
    ]
    try:
        pipeline.decode(torch.randn(4, 4, 8, 8), augment=False)
    finally:
        for hook in hooks:
            hook.remove()
    assert batches == [2, 2, 2, 2]


def test_half_precision_keeps_the_overflowing_vae_in_float32(tiny: TinyPaths) -> None:
    pipeline = LayerDiffusionPipeline.from_pretrained(
        tiny.base, layer_diffusion=tiny.weights, dtype="float16", device="cpu"
    )
    assert pipeline.dtype == torch.float16
    assert pipeline.sdxl.vae.dtype == torch.float32
    rgba = pipeline(PROMPTS[:1], generators=generators(1), width=64, height=64, steps=2)
    assert rgba.isfinite().all()


def test_bfloat16_with_a_vae_of_its_own(tiny: TinyPaths, tmp_path: Path) -> None:
    vae = AutoencoderKL.from_pretrained(tiny.base, subfolder="vae")
    with torch.no_grad():
        vae.decoder.conv_out.bias.add_(0.25)
    vae.register_to_config(force_upcast=False)
    vae.save_pretrained(tmp_path / "own-vae")
    pipeline = LayerDiffusionPipeline.from_pretrained(
        tiny.base,
        layer_diffusion=tiny.weights,
        vae=tmp_path / "own-vae",
        dtype=torch.bfloat16,
        device="cpu",
    )
    assert pipeline.sdxl.vae.dtype == torch.bfloat16
    used = [record for record in pipeline.records if record.role == "vae"]
    assert [(record.id, record.file) for record in used] == [
        ("own-vae", "diffusion_pytorch_model.safetensors")
    ]
    loaded = pipeline.sdxl.vae.decoder.conv_out.bias
    assert torch.equal(loaded, vae.decoder.conv_out.bias.bfloat16())


def test_compilation_is_asked_for_all_networks(
    tiny_config: LayerDiffusionConfig, pipeline: LayerDiffusionPipeline
) -> None:
    compiled = LayerDiffusionPipeline.from_config(replace(tiny_config, compile=True))
    for one, expected in ((pipeline, False), (compiled, True)):
        networks = (one.sdxl.unet, one.sdxl.vae.decoder, one.decoder.model)
        # Compilation itself waits for the first call: minutes on a CPU.
        assert [n._compiled_call_impl is not None for n in networks] == [expected] * 3


def test_a_missing_package_names_the_extra(
    tiny_config: LayerDiffusionConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "builder.generation.layer_diffusion.loading.find_spec",
        lambda name: None if name == "diffusers" else True,
    )
    with pytest.raises(PortraitError, match=r"diffusers, .* try: pip install .*\[generate\]'"):
        LayerDiffusionPipeline.from_config(tiny_config)


def test_no_network_is_used(
    pipeline: LayerDiffusionPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    latents(pipeline, steps=1)
