from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file

from builder.generation.layer_diffusion import LayerDiffusionPipeline, apply_attention_offsets
from ld_portrait_20k.errors import PortraitError
from tests.builder.generation.layer_diffusion.tiny import TinyPaths


@pytest.fixture(scope="module")
def unet(tiny: TinyPaths) -> Any:
    return UNet2DConditionModel.from_pretrained(tiny.base, subfolder="unet")


def weights_of(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one | other)


@pytest.mark.parametrize("stored", [torch.float32, torch.float16])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_exact_in_the_unets_arithmetic(
    tiny: TinyPaths,
    unet: Any,
    tmp_path: Path,
    dtype: torch.dtype,
    stored: torch.dtype,
) -> None:
    offsets = {name: offset.to(stored) for name, offset in load_file(tiny.offsets).items()}
    path = tmp_path / "offsets.safetensors"
    save_file(offsets, path)
    changed = copy.deepcopy(unet).to(dtype)
    before = weights_of(changed)
    assert apply_attention_offsets(changed, path) == len(offsets)
    for name, weight in changed.state_dict().items():
        expected = before[name]
        if name in offsets:
            expected = (before[name] + offsets[name]).to(dtype)
            assert not torch.equal(weight, before[name])
        assert torch.equal(weight, expected)


def wrong_files(offsets: dict[str, torch.Tensor]) -> Iterator[tuple[dict[str, torch.Tensor], str]]:
    first, second = list(offsets)[:2]
    last = list(offsets)[-1]
    yield {**offsets, "conv_in.absent": torch.zeros(1)}, "changes conv_in.absent, which the UNet"
    yield {**offsets, last: offsets[last][:-1].contiguous()}, "is .* in the file and .* in the UNet"
    yield {**offsets, second: offsets[second].int()}, f"{second} is not floating point"
    yield {first + ".lora_A": torch.zeros(1)}, "holds a LoRA, not offsets"
    yield {}, "holds no tensors"


@pytest.mark.parametrize("case", range(5))
def test_wrong_files_change_nothing(tiny: TinyPaths, unet: Any, tmp_path: Path, case: int) -> None:
    tensors, message = list(wrong_files(load_file(tiny.offsets)))[case]
    path = tmp_path / "wrong.safetensors"
    save_file(tensors, path)
    changed = copy.deepcopy(unet)
    with pytest.raises(PortraitError, match=message):
        apply_attention_offsets(changed, path)
    assert same(weights_of(changed), weights_of(unet))


def test_truncated_file_changes_nothing(tiny: TinyPaths, unet: Any, tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(tiny.offsets.read_bytes()[:-1])
    changed = copy.deepcopy(unet)
    with pytest.raises(PortraitError, match="is truncated"):
        apply_attention_offsets(changed, path)
    assert same(weights_of(changed), weights_of(unet))


def test_a_second_time_is_refused(tiny: TinyPaths, unet: Any) -> None:
    changed = copy.deepcopy(unet)
    apply_attention_offsets(changed, tiny.offsets)
    once = weights_of(changed)
    with pytest.raises(PortraitError, match="were added to this UNet already"):
        apply_attention_offsets(changed, tiny.offsets)
    assert same(weights_of(changed), once)


def test_the_lora_form_gives_the_same_unet(
    tiny: TinyPaths, unet: Any, pipeline: LayerDiffusionPipeline
) -> None:
    with_lora = LayerDiffusionPipeline.from_pretrained(
        tiny.base, layer_diffusion=tiny.lora, device="cpu"
    )
    lora = weights_of(with_lora.sdxl.unet)
    offsets = weights_of(pipeline.sdxl.unet)
    assert lora.keys() == offsets.keys() == weights_of(unet).keys()
    assert not same(offsets, weights_of(unet))
    for name, weight in offsets.items():
        torch.testing.assert_close(lora[name], weight, atol=1e-6, rtol=0)


def test_a_lora_for_another_unet(tiny: TinyPaths, tmp_path: Path) -> None:
    path = tmp_path / "diffuser_layer_xl_transparent_attn.safetensors"
    save_file(
        {
            "unet.absent.lora_A.weight": torch.zeros(4, 8),
            "unet.absent.lora_B.weight": torch.zeros(8, 4),
        },
        path,
    )
    (tmp_path / tiny.decoder.name).hardlink_to(tiny.decoder)
    with pytest.raises(PortraitError, match="does not fit this UNet"):
        LayerDiffusionPipeline.from_pretrained(tiny.base, layer_diffusion=tmp_path, device="cpu")
