"""Run the reference implementation beside ours and print how far they differ.

The reference, https://github.com/lllyasviel/LayerDiffuse_DiffusersCLI, is not part of this
project: clone it somewhere and name that folder. It was written for diffusers 0.28; what it
needs to import today is set up in :func:`import_reference`.

    python -m tests.builder.generation.layer_diffusion.compare_reference FOLDER
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import os
import sys
import tempfile
import typing
from pathlib import Path
from typing import Any

import torch

LIMITS = {"decoder": 1e-4, "encoder": 1e-4, "offsets": 0.0, "latents": 1e-3}


def import_reference(folder: Path) -> tuple[Any, Any]:
    """The reference's VAE module and its sampling pipeline class."""
    import diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl_img2img as img2img

    # It star-imports this module and counts on names that newer versions no longer import.
    for name in ("Optional", "Union", "List"):
        setattr(img2img, name, getattr(typing, name))
    img2img.__all__ = [  # type: ignore[attr-defined]
        name for name in dir(img2img) if not name.startswith("__")
    ]
    sys.path.insert(0, str(folder))
    import lib_layerdiffuse.vae as vae
    from diffusers_kdiffusion_sdxl import KDiffusionStableDiffusionXLPipeline

    return vae, KDiffusionStableDiffusionXLPipeline


def report(kind: str, what: str, difference: float) -> bool:
    """Print one comparison; whether it is within its limit."""
    good = difference <= LIMITS[kind]
    print(f"{kind:8} {what:44} max difference {difference:.2e} {'' if good else 'TOO FAR'}")
    return good


def compare_decoder(reference: Any, path: Path) -> bool:
    """Decoder: augmented and not, odd batches, sides of their own."""
    import torch

    from builder.generation.layer_diffusion import TransparentVAEDecoder
    from tests.builder.generation.layer_diffusion.golden import decoder_inputs

    theirs = reference.TransparentVAEDecoder(str(path), dtype=torch.float32)
    ours = TransparentVAEDecoder.from_safetensors(path)
    good = True
    for count, height, width in ((1, 64, 64), (3, 128, 64), (2, 64, 192), (5, 64, 64)):
        pixels, latents = decoder_inputs(count, height, width)
        pixels = pixels.clamp(0, 1)
        whole = torch.cat(
            [theirs.estimate_augmented(pixels[i : i + 1], latents[i : i + 1]) for i in range(count)]
        )
        single = theirs.estimate_single_pass(pixels, latents).clip(0, 1)
        for augment, expected in ((True, whole), (False, single)):
            # The reference has alpha first.
            expected = torch.cat([expected[:, 1:], expected[:, :1]], dim=1)
            difference = (ours(pixels, latents, augment=augment) - expected).abs().max().item()
            good &= report("decoder", f"{count} of {width}x{height}, augment={augment}", difference)
    return good


def compare_encoder(reference: Any, path: Path, vae: Any) -> bool:
    """Encoder, colour padding included."""
    import torch

    from builder.generation.layer_diffusion import TransparentVAEEncoder
    from tests.builder.generation.layer_diffusion.golden import soft_picture

    theirs = reference.TransparentVAEEncoder(str(path), dtype=torch.float32)
    ours = TransparentVAEEncoder.from_safetensors(path)
    good = True
    for count, height, width in ((1, 64, 64), (3, 128, 64), (2, 64, 192)):
        pictures = [soft_picture(height, width, seed) for seed in range(count)]
        difference = (ours(vae, pictures) - theirs(vae, pictures)).abs().max().item()
        good &= report("encoder", f"{count} of {width}x{height}", difference)
    return good


def compare_steps() -> bool:
    """The sampler alone, on the problem of the golden figures."""
    import torch
    from diffusers_kdiffusion_sdxl import sample_dpmpp_2m

    from builder.generation.layer_diffusion import sampler
    from tests.builder.generation.layer_diffusion.golden import curved_denoiser
    from tests.builder.generation.layer_diffusion.tiny import seeded

    sigmas = sampler.NoiseSchedule().karras(25)
    x = seeded("start", (2, 4, 8, 8), 7) * sigmas[0]
    expected = sample_dpmpp_2m(
        lambda noisy, sigma: curved_denoiser(noisy, float(sigma[0])),
        x,
        torch.tensor(sigmas),
        disable=True,
    )
    difference = (sampler.sample(curved_denoiser, x, sigmas) - expected).abs().max().item()
    return report("latents", "sampler alone, 25 steps", difference)


def compare_offsets(base: Path, path: Path) -> bool:
    """Merged weights, in every pair of dtypes, against the sums of the reference's demo."""
    import torch
    from diffusers import UNet2DConditionModel
    from safetensors.torch import load_file, save_file

    from builder.generation.layer_diffusion import apply_attention_offsets

    good = True
    offsets = load_file(path)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        unet = UNet2DConditionModel.from_pretrained(base, subfolder="unet", dtype=dtype)
        for stored in (torch.float32, torch.float16):
            changed = {name: offset.to(stored) for name, offset in offsets.items()}
            weights = unet.state_dict()
            sums = {
                name: weight + changed[name] if name in changed else weight
                for name, weight in weights.items()
            }
            theirs, ours = copy.deepcopy(unet), copy.deepcopy(unet)
            theirs.load_state_dict(sums, strict=True)
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "offsets.safetensors"
                save_file(changed, file)
                apply_attention_offsets(ours, file)
            difference = max(
                (a.double() - b.double()).abs().max().item()
                for a, b in zip(
                    theirs.state_dict().values(), ours.state_dict().values(), strict=True
                )
            )
            good &= report("offsets", f"{stored} onto {dtype}", difference)
    return good


def compare_sampler(reference: Any, pipeline_class: Any, ours: Any, encoder: Path) -> bool:
    """Latents after sampling, from text and from a picture."""
    import torch

    from tests.builder.generation.layer_diffusion.golden import soft_picture

    sdxl = ours.sdxl
    theirs = pipeline_class(
        vae=sdxl.vae,
        text_encoder=sdxl.text_encoder,
        tokenizer=sdxl.tokenizer,
        text_encoder_2=sdxl.text_encoder_2,
        tokenizer_2=sdxl.tokenizer_2,
        unet=sdxl.unet,
        scheduler=None,
    )
    prompts = ["a portrait of a woman with long hair", "an old man"]
    text, pooled = ours.text.encode(prompts)
    negative, negative_pooled = ours.text.encode(["ugly, blurry"] * 2)
    scaling = sdxl.vae.config.scaling_factor
    encode = reference.TransparentVAEEncoder(str(encoder), dtype=torch.float32)
    good = True
    cases = ((64, 64, 25, 7.0, None), (64, 128, 25, 7.0, None), (64, 64, 25, 7.0, 0.7))
    for width, height, steps, guidance, strength in cases:
        images = None
        start = torch.zeros(2, 4, height // 8, width // 8)
        if strength is not None:
            images = [soft_picture(height, width, seed) for seed in range(2)]
            start = encode(sdxl.vae, images) * scaling
        latents = ours.sample_latents(
            prompts,
            negative_prompts="ugly, blurry",
            generators=[torch.Generator().manual_seed(seed) for seed in (5, 6)],
            width=width,
            height=height,
            steps=steps,
            guidance=guidance,
            images=images,
            strength=strength or 1.0,
        )
        expected = [
            theirs(
                initial_latent=start[at : at + 1],
                strength=strength or 1.0,
                num_inference_steps=steps,
                guidance_scale=guidance,
                generator=[torch.Generator().manual_seed(5 + at)],
                prompt_embeds=text[at : at + 1],
                negative_prompt_embeds=negative[at : at + 1],
                pooled_prompt_embeds=pooled[at : at + 1],
                negative_pooled_prompt_embeds=negative_pooled[at : at + 1],
            ).images
            for at in range(2)
        ]
        difference = (latents - torch.cat(expected)).abs().max().item()
        kind = "image to image" if strength else "text"
        spread = latents.std().item()
        good &= report(
            "latents", f"{kind}, {width}x{height}, {steps} steps, std {spread:.1f}", difference
        )
    return good


def main() -> int:
    """Compare everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a clone of LayerDiffuse_DiffusersCLI")
    options = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")

    import torch
    from safetensors.torch import save_file

    from builder.generation.layer_diffusion import LayerDiffusionPipeline
    from tests.builder.generation.layer_diffusion.golden import PlainVAE
    from tests.builder.generation.layer_diffusion.tiny import (
        decoder_weights,
        encoder_weights,
        make_tiny,
    )

    torch.set_num_threads(1)
    chatter = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(chatter):
        vae, pipeline_class = import_reference(options.folder)
        paths = make_tiny(Path(folder))

        def save(tensors: dict[str, torch.Tensor], name: str) -> Path:
            path = Path(folder) / f"{name}.safetensors"
            save_file(tensors, path)
            return path

        ours = LayerDiffusionPipeline.from_pretrained(
            paths.base, layer_diffusion=paths.weights, device="cpu", dtype="float32"
        )
        good = [
            compare_decoder(vae, save(decoder_weights(7), "decoder")),
            compare_encoder(vae, save(encoder_weights(7), "encoder"), PlainVAE()),
            compare_encoder(vae, paths.encoder, ours.sdxl.vae),
            compare_steps(),
            compare_offsets(paths.base, paths.offsets),
            compare_sampler(vae, pipeline_class, ours, paths.encoder),
        ]
    print("agrees" if all(good) else "DISAGREES")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
