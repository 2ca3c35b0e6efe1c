"""A tiny SDXL with Layer Diffusion weights in the published file formats, from a seed.

Every architecture is the real one, only narrower; the transparent decoder and encoder have
their published sizes. ``python -m tests.builder.generation.layer_diffusion.tiny FOLDER``
writes it for trying things out by hand.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

PROJECTION = 32
TIME_EMBEDDING = 8
RANK = 4


Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class TinyPaths:
    """Where the parts lie.

    Attributes:
        base: SDXL in diffusers' layout.
        weights: Offsets, transparent decoder and encoder under the reference's names.
        lora: The same attention weights as a LoRA, and the transparent VAE.
        offsets: The offset file.
        decoder: The transparent decoder's file.
        encoder: The transparent encoder's file.
    """

    base: Path
    weights: Path
    lora: Path
    offsets: Path
    decoder: Path
    encoder: Path


def make_tiny(folder: Path, seed: int = 0, size: int = 64) -> TinyPaths:
    """Write the tiny models below ``folder``; the same seed gives the same weights.

    Pictures of ``size`` x ``size`` pixels hold one body that quality control accepts, in
    colours that differ from sample to sample; other sizes are noise.
    """
    from safetensors.torch import save_file

    paths = TinyPaths(
        base=folder / "tiny-sdxl",
        weights=folder / "tiny-layer-diffusion",
        lora=folder / "tiny-layer-diffusion-lora",
        offsets=folder / "tiny-layer-diffusion" / "ld_diffusers_sdxl_attn.safetensors",
        decoder=folder
        / "tiny-layer-diffusion"
        / "ld_diffusers_sdxl_vae_transparent_decoder.safetensors",
        encoder=folder
        / "tiny-layer-diffusion"
        / "ld_diffusers_sdxl_vae_transparent_encoder.safetensors",
    )
    pipeline = tiny_sdxl(folder, seed)
    pipeline.save_pretrained(paths.base, safe_serialization=True)
    for name in ("tokenizer", "tokenizer_2"):
        # As the published models have them: a vocabulary and merges.
        shutil.rmtree(paths.base / name)
        (folder / name).rename(paths.base / name)
    paths.weights.mkdir(parents=True)
    paths.lora.mkdir()
    offsets, lora = attention_weights(pipeline.unet, seed)
    save_file(offsets, paths.offsets)
    save_file(lora, paths.lora / "diffuser_layer_xl_transparent_attn.safetensors")
    # In half precision, as published.
    decoder, encoder = (
        {name: tensor.half() for name, tensor in tensors.items()}
        for tensors in (body_decoder_weights(pipeline.vae, seed, size), encoder_weights(seed))
    )
    save_file(decoder, paths.decoder)
    save_file(encoder, paths.encoder)
    (paths.lora / "vae_transparent_decoder.safetensors").hardlink_to(paths.decoder)
    (paths.lora / "vae_transparent_encoder.safetensors").hardlink_to(paths.encoder)
    return paths


def tiny_sdxl(folder: Path, seed: int) -> Any:
    """A ``StableDiffusionXLPipeline`` of random weights; tokenizers are written to a folder."""
    from diffusers import (
        AutoencoderKL,
        EulerDiscreteScheduler,
        StableDiffusionXLPipeline,
        UNet2DConditionModel,
    )
    from transformers import (
        CLIPTextConfig,
        CLIPTextModel,
        CLIPTextModelWithProjection,
        CLIPTokenizer,
    )

    unet = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(32, 64, 64),
        layers_per_block=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 1, 2),
        attention_head_dim=(2, 4, 4),
        cross_attention_dim=2 * PROJECTION,
        addition_embed_type="text_time",
        addition_time_embed_dim=TIME_EMBEDDING,
        projection_class_embeddings_input_dim=PROJECTION + 6 * TIME_EMBEDDING,
        use_linear_projection=True,
        norm_num_groups=8,
    )
    vae = AutoencoderKL(
        block_out_channels=(16, 32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=8,
        sample_size=128,
        scaling_factor=0.13025,
        force_upcast=True,
    )
    words = write_tokenizer(folder / "tokenizer", pad="<|endoftext|>")
    write_tokenizer(folder / "tokenizer_2", pad="!")
    text: dict[str, Any] = {
        "vocab_size": words,
        "hidden_size": PROJECTION,
        "intermediate_size": 37,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": 77,
        "projection_dim": PROJECTION,
        "bos_token_id": words - 2,
        "eos_token_id": words - 1,
        "pad_token_id": 1,
    }
    text_encoder = CLIPTextModel(CLIPTextConfig(**text))
    text_encoder_2 = CLIPTextModelWithProjection(CLIPTextConfig(**text, hidden_act="gelu"))
    modules: tuple[Any, ...] = (unet, vae, text_encoder, text_encoder_2)
    for at, module in enumerate(modules):
        module.load_state_dict(random_weights(module, 100 * seed + at, gain=0.7))
    return StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=text_encoder,
        text_encoder_2=text_encoder_2,
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        tokenizer_2=CLIPTokenizer.from_pretrained(folder / "tokenizer_2"),
        unet=unet,
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            timestep_spacing="leading",
        ),
        add_watermarker=False,
    )


def write_tokenizer(folder: Path, pad: str) -> int:
    """Write a CLIP tokenizer of single bytes and a few merges; the size of its vocabulary."""
    folder.mkdir(parents=True)
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    letters = [chr(byte) for byte in visible] + [chr(256 + at) for at in range(len(hidden))]
    merges = ["t h", "a n", "e r", "th e</w>", "an d</w>", "h a", "ha i", "hai r</w>"]
    vocabulary = [*letters, *(letter + "</w>" for letter in letters)]
    vocabulary += [merge.replace(" ", "") for merge in merges]
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    ids = {token: at for at, token in enumerate(vocabulary)}
    (folder / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    (folder / "merges.txt").write_text(
        "#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8"
    )
    special = {
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "pad_token": pad,
        "unk_token": "<|endoftext|>",
    }
    (folder / "special_tokens_map.json").write_text(json.dumps(special), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                **special,
                "model_max_length": 77,
                "do_lower_case": True,
                "tokenizer_class": "CLIPTokenizer",
            }
        ),
        encoding="utf-8",
    )
    return len(ids)


def attention_weights(unet: Any, seed: int) -> tuple[Tensors, Tensors]:
    """The offsets of all attention projections, whole and as low-rank factors."""
    offsets, lora = {}, {}
    for name, weight in unet.state_dict().items():
        if not name.endswith(
            ("to_q.weight", "to_k.weight", "to_v.weight", "to_out.0.weight")
        ) or not (".attn1." in name or ".attn2." in name):
            continue
        up = seeded(name + "/up", (weight.shape[0], RANK), seed) / math.sqrt(RANK)
        down = seeded(name + "/down", (RANK, weight.shape[1]), seed)
        down *= 0.3 / math.sqrt(weight.shape[1])
        offsets[name] = up @ down
        module = name.removesuffix(".weight")
        lora[f"unet.{module}.lora_A.weight"] = down.contiguous()
        lora[f"unet.{module}.lora_B.weight"] = up.contiguous()
    return offsets, lora


def random_weights(module: torch.nn.Module, seed: int, gain: float = 1.0) -> Tensors:
    """Random tensors for a module: of unit gain, the norms near one, small biases.

    Each tensor depends on its name, its shape and the seed alone, not on how a library
    initialises or orders its modules.
    """

    tensors = {}
    for name, like in module.state_dict().items():
        if not like.is_floating_point():
            tensors[name] = like
            continue
        noise = seeded(name, like.shape, seed)
        if "norm" in name:
            tensors[name] = 0.2 * noise + (1.0 if name.endswith("weight") else 0.0)
        elif name.endswith("bias") or "embedding" in name:
            tensors[name] = 0.1 * noise
        else:
            tensors[name] = noise * (gain / math.sqrt(math.prod(like.shape[1:])))
    return tensors


def seeded(name: str, shape: Sequence[int], seed: int) -> torch.Tensor:
    """Normal noise that depends on a name, a shape and a seed."""
    import torch

    # The generator takes 32 bits only, so the seed goes into the checksum.
    own = torch.Generator().manual_seed(zlib.crc32(name.encode(), seed))
    return torch.randn(shape, generator=own)


def decoder_weights(seed: int) -> Tensors:
    """A transparent decoder whose alpha and colour spread over 0..1."""
    import torch

    from builder.generation.layer_diffusion.network import TransparencyUNet

    with torch.device("meta"):
        network = TransparencyUNet()
    tensors = random_weights(network, seed)
    tensors["conv_out.weight"] *= 0.3
    tensors["conv_out.bias"] += 0.5
    return tensors


def body_decoder_weights(vae: Any, seed: int, size: int) -> Tensors:
    """A transparent decoder that draws a body, so that quality control accepts pictures.

    Random networks draw noise. In this one the picture's influence is turned down until the
    features say mostly how far a pixel is from the border, which zero padding gives away;
    the last convolution is then fitted, by least squares over pictures of the VAE, to give
    a soft-edged disc as alpha and the picture's colours. The disc reaches all four borders
    and leaves the corners free; it is as symmetric as the eight views that are taken.

    Args:
        vae: The VAE whose pictures it will see.
        seed: Of the random weights.
        size: The side, in pixels, at which it draws that body; noise at others.
    """
    import torch
    import torch.nn.functional as F

    from builder.generation.layer_diffusion.network import TransparencyUNet

    tensors = decoder_weights(seed)
    tensors["conv_in.weight"] *= 0.01
    tensors["latent_conv_in.weight"] *= 1e-4
    network = TransparencyUNet()
    network.load_state_dict(tensors)
    latents = 120 * seeded("latents to fit", (4, 4, size // 8, size // 8), seed)
    features = []
    hook = network.conv_out.register_forward_pre_hook(lambda _, args: features.append(args[0]))
    with torch.no_grad():
        pixels = (vae.decode(latents).sample / 2 + 0.5).clamp(0, 1)
        network(pixels, latents)
    hook.remove()
    patches = F.unfold(features[0], 3, padding=1).movedim(1, 2).flatten(0, 1).double()
    inputs = torch.cat([patches, torch.ones(len(patches), 1)], dim=1)
    across = (torch.arange(size) + 0.5) / size - 0.5
    alpha = 4 - (across[:, None] ** 2 + across**2) * (4 / 0.6**2)
    alpha = alpha.clamp(-0.5, 1.5).expand(4, 1, size, size)
    targets = torch.cat([alpha, pixels], dim=1).movedim(1, -1).flatten(0, 2).double()
    normal = inputs.T @ inputs
    normal += 1e-8 * normal.diagonal().mean() * torch.eye(len(normal))
    solution = torch.linalg.solve(normal, inputs.T @ targets).float()
    tensors["conv_out.weight"] = solution[:-1].T.reshape(4, -1, 3, 3).contiguous()
    tensors["conv_out.bias"] = solution[-1].contiguous()
    return tensors


def encoder_weights(seed: int) -> Tensors:
    """A transparent encoder whose offset is of the order of the latents."""
    import torch

    from builder.generation.layer_diffusion.encoder import OffsetNetwork

    with torch.device("meta"):
        network = OffsetNetwork()
    tensors = random_weights(network, seed, gain=1.4)
    tensors["blocks.16.weight"] *= 0.01
    tensors["blocks.16.bias"] *= 0.01
    return tensors


if __name__ == "__main__":
    print(make_tiny(Path(sys.argv[1])))
