from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.hf_api import ModelInfo

from builder.generation.layer_diffusion import (
    LayerDiffusionConfig,
    LayerDiffusionPipeline,
)
from builder.generation.layer_diffusion.config import PINNED, resolve_device
from builder.generation.layer_diffusion.cost import cpu_hours, picture_tflop
from builder.generation.layer_diffusion.models import ModelRecord, select
from ld_portrait_20k.errors import PortraitError
from tests.builder.generation.layer_diffusion.tiny import TinyPaths

DEMO = "python -m builder regenerate --preset demo"


@pytest.fixture
def base(tiny: TinyPaths, tmp_path: Path) -> Path:
    """A copy of the tiny base model that a test may spoil."""
    return Path(shutil.copytree(tiny.base, tmp_path / "base"))


def resolve(tiny: TinyPaths, **changes: Any) -> list[ModelRecord]:
    config = LayerDiffusionConfig(
        base_model=str(tiny.base), weights=str(tiny.weights), device="cpu"
    )
    return select(replace(config, **changes)).records


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_local_folders_are_hashed(tiny: TinyPaths) -> None:
    records = resolve(tiny)
    assert [record.role for record in records] == [
        "unet",
        "text-encoder",
        "text-encoder-2",
        "vae",
        "attention",
        "transparent-decoder",
    ]
    folders = {tiny.base.name: tiny.base, tiny.weights.name: tiny.weights}
    for record in records:
        content = (folders[record.id] / record.file).read_bytes()
        assert record.sha256 == hashlib.sha256(content).hexdigest()
        assert record.size == len(content)
    assert records[0].revision is not None
    assert records[0].revision.startswith("settings-")


def test_the_revision_of_a_folder_is_that_of_its_settings(tiny: TinyPaths, base: Path) -> None:
    before = resolve(tiny, base_model=str(base))[0]
    assert before.revision == resolve(tiny)[0].revision
    edit(base / "scheduler" / "scheduler_config.json", beta_start=0.001)
    after = resolve(tiny, base_model=str(base))[0]
    assert after.revision != before.revision
    assert after.sha256 == before.sha256


def test_the_fp16_variant_goes_with_half_precision(tiny: TinyPaths, base: Path) -> None:
    for path in list(base.rglob("*.safetensors")):
        shutil.copy(path, path.with_suffix(".fp16.safetensors"))
    files = [r.file for r in resolve(tiny, base_model=str(base), dtype="float16")][:4]
    assert all(file.endswith(".fp16.safetensors") for file in files)
    files = [r.file for r in resolve(tiny, base_model=str(base), dtype="float32")][:4]
    assert not any("fp16" in file for file in files)
    # Only the variant is there: it is taken, and widened.
    for path in base.rglob("*model.safetensors"):
        path.unlink()
    pipeline = LayerDiffusionPipeline.from_pretrained(
        base, layer_diffusion=tiny.weights, dtype="float32", device="cpu"
    )
    assert pipeline.dtype == torch.float32
    assert pipeline.records[0].file == "unet/diffusion_pytorch_model.fp16.safetensors"


def spoil_class(base: Path) -> None:
    edit(base / "model_index.json", _class_name="StableDiffusionPipeline")
    edit(base / "unet" / "config.json", addition_embed_type=None)


def spoil_with_pickle(base: Path) -> None:
    weights = base / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))


def spoil_by_cutting(base: Path) -> None:
    weights = base / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


SPOILT = {
    "sd15": (spoil_class, "is StableDiffusionPipeline, not SDXL.* try: .*SG161222/RealVisXL_V4.0"),
    "inpainting": (
        lambda base: edit(base / "unet" / "config.json", in_channels=9),
        "takes 9 latent channels, not 4",
    ),
    "velocity": (
        lambda base: edit(
            base / "scheduler" / "scheduler_config.json", prediction_type="v_prediction"
        ),
        r"predicts v_prediction, not noise",
    ),
    "pickle": (spoil_with_pickle, "offers unet only as a pickle"),
    "cut": (spoil_by_cutting, r"model\.safetensors is truncated .*; try: download it again"),
    "incomplete": (
        lambda base: (base / "text_encoder" / "model.safetensors").unlink(),
        r"has no text_encoder/model\.safetensors: the folder is incomplete",
    ),
    "checkpoint": (
        lambda base: (base / "model_index.json").unlink(),
        "has no model_index.json: .* not a single checkpoint file",
    ),
    "json": (
        lambda base: (base / "model_index.json").write_text("{"),
        "model_index.json of .* is not JSON",
    ),
}


@pytest.mark.parametrize("case", SPOILT)
def test_base_models_that_cannot_be_used(tiny: TinyPaths, base: Path, case: str) -> None:
    spoil, message = SPOILT[case]
    spoil(base)
    with pytest.raises(PortraitError, match=message) as caught:
        resolve(tiny, base_model=str(base))
    assert "\n" not in str(caught.value)


def test_weights_that_cannot_be_used(tiny: TinyPaths, tmp_path: Path) -> None:
    with pytest.raises(PortraitError, match=r"has no ld_diffusers_sdxl_attn\.safetensors"):
        resolve(tiny, weights=str(tmp_path))
    (tmp_path / "ld_diffusers_sdxl_attn.bin").write_bytes(b"\x80\x04")
    with pytest.raises(PortraitError, match=r"offers ld_diffusers_sdxl_attn.bin, a pickle"):
        resolve(tiny, weights=str(tmp_path))
    with pytest.raises(PortraitError, match="is a file; try: the folder"):
        resolve(tiny, weights=str(tiny.offsets))
    with pytest.raises(PortraitError, match="neither a folder nor the id of a Hub repository"):
        resolve(tiny, weights="no/such/folder")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "--steps"),
        ({"batch_size": 0}, "--batch-size"),
        ({"guidance": -1.0}, "--guidance"),
        ({"guidance": float("nan")}, "--guidance"),
        ({"dtype": "int8"}, "--dtype must be one of auto, float16"),
        ({"decode_memory_gib": 0.0}, "decode_memory_gib"),
    ],
)
def test_settings_that_cannot_work(options: dict[str, Any], message: str) -> None:
    with pytest.raises(PortraitError, match=message):
        LayerDiffusionConfig(**options)


def test_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    for device in ("auto", "cuda", "cuda:1"):
        with pytest.raises(PortraitError) as caught:
            resolve_device(LayerDiffusionConfig(device=device), 20_051)
        message = str(caught.value)
        assert "\n" not in message
        assert "needs a CUDA GPU and none is here" in message
        assert "SG161222/RealVisXL_V4.0 (6.8 GB)" in message
        assert "lllyasviel/LayerDiffuse_Diffusers (2.1 GB)" in message
        assert "hours a 1024x1024 picture on this machine" in message
        assert "days for 20,051" in message
        assert message.endswith(DEMO)
    with pytest.raises(PortraitError, match=r"this machine, \d+ hours for 3; "):
        resolve_device(LayerDiffusionConfig(), 3)


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device(LayerDiffusionConfig()) == torch.device("cuda:0")
    assert resolve_device(LayerDiffusionConfig(device="cuda:1")) == torch.device("cuda:1")
    assert resolve_device(LayerDiffusionConfig(device="cpu")) == torch.device("cpu")
    with pytest.raises(PortraitError, match=r"2 CUDA device\(s\), cuda:0 to cuda:1"):
        resolve_device(LayerDiffusionConfig(device="cuda:2"))
    with pytest.raises(PortraitError, match="--device gpu is not a device"):
        resolve_device(LayerDiffusionConfig(device="gpu"))


def test_the_cost_grows_with_steps_and_area() -> None:
    assert picture_tflop() == pytest.approx(355, abs=1)
    assert picture_tflop(width=512, height=512) == pytest.approx(picture_tflop() / 4)
    assert 0 < cpu_hours(steps=1) < cpu_hours(steps=25) < 1000


def listing(folder: Path, repo: str, commit: str) -> ModelInfo:
    """What the Hub answers for a repository with the files of a folder."""
    siblings = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        entry = {"rfilename": path.relative_to(folder).as_posix(), "size": len(content)}
        if path.suffix == ".safetensors":
            sha256 = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 134}
        siblings.append(entry)
    return ModelInfo(id=repo, sha=commit, siblings=siblings)


def cached(cache: Path, repo: str, commit: str, folder: Path) -> Path:
    """Put a folder into the Hub's cache as a download does: blobs by hash, and links."""
    root = cache / f"models--{repo.replace('/', '--')}"
    snapshot = root / "snapshots" / commit
    (root / "blobs").mkdir(parents=True)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(commit)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        link = snapshot / path.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        blob = root / "blobs" / hashlib.sha256(path.read_bytes()).hexdigest()
        if not blob.exists():
            shutil.copy(path, blob)
        link.symlink_to(blob)
    return snapshot


@pytest.fixture
def hub(tiny: TinyPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An unreachable Hub with an empty cache."""
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return cache


def test_missing_weights_name_what_to_download(hub: Path) -> None:
    with pytest.raises(PortraitError) as caught:
        select(LayerDiffusionConfig(device="cpu"))
    message = str(caught.value)
    assert "\n" not in message
    pinned = PINNED["SG161222/RealVisXL_V4.0"]
    assert "the weights of SG161222/RealVisXL_V4.0 (6.8 GB) are not in the cache" in message
    assert f'--include "*.fp16.safetensors" --revision {pinned}; ' in message
    assert "lllyasviel/LayerDiffuse_Diffusers (2.1 GB)" in message
    assert "--device cpu takes about " in message
    # In float32 the base model's own VAE does.
    assert "sdxl-vae-fp16-fix" not in message
    assert message.endswith(DEMO)
    with pytest.raises(PortraitError, match="sdxl-vae-fp16-fix"):
        select(LayerDiffusionConfig(device="cpu", dtype="float16"))


def test_the_cache_is_enough_off_line(tiny: TinyPaths, hub: Path) -> None:
    commit = "1" * 40
    cached(hub, "someone/tiny-sdxl", commit, tiny.base)
    records = resolve(tiny, base_model="someone/tiny-sdxl", base_revision=commit, vae="base")
    local = resolve(tiny)
    assert [record.sha256 for record in records] == [record.sha256 for record in local]
    assert {record.revision for record in records[:4]} == {commit}
    assert {record.id for record in records[:4]} == {"someone/tiny-sdxl"}
    pipeline = LayerDiffusionPipeline.from_pretrained(
        "someone/tiny-sdxl", layer_diffusion=tiny.weights, vae="base", device="cpu"
    )
    assert pipeline.records == records


def test_a_partial_download_is_enough_off_line(
    tiny: TinyPaths, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub.errors import IncompleteSnapshotError

    commit = "3" * 40
    snapshot = cached(hub, "someone/tiny-sdxl", commit, tiny.base)

    def incomplete(*_: object, **__: object) -> None:
        raise IncompleteSnapshotError("2 files are missing", snapshot_path=str(snapshot))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", incomplete)
    records = resolve(tiny, base_model="someone/tiny-sdxl", vae="base")
    assert {record.revision for record in records[:4]} == {commit}


def test_the_hub_is_asked_for_hashes_and_nothing_is_loaded(
    tiny: TinyPaths, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "2" * 40
    asked = []

    def model_info(
        _: object,
        repo_id: str,
        *,
        revision: str | None = None,
        files_metadata: bool = False,
        timeout: float | None = None,
    ) -> ModelInfo:
        asked.append((repo_id, revision, files_metadata))
        return listing(tiny.base, repo_id, commit)

    def small_files_only(repo_id: str, filename: str, *, revision: str | None) -> str:
        assert revision == commit
        assert filename.endswith(".json")
        return str(tiny.base / filename)

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", small_files_only)
    records = resolve(tiny, base_model="someone/tiny-sdxl", vae="base")
    assert asked == [("someone/tiny-sdxl", None, True)]
    assert [record.sha256 for record in records] == [record.sha256 for record in resolve(tiny)]
    assert records[0].revision == commit


def test_an_unknown_repository_is_said_so_at_once(
    tiny: TinyPaths, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import SimpleNamespace

    from huggingface_hub.errors import RepositoryNotFoundError

    def model_info(*_: object, **__: object) -> ModelInfo:
        answer: Any = SimpleNamespace(status_code=404, headers={}, request=None)
        raise RepositoryNotFoundError("404", response=answer)

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    with pytest.raises(PortraitError, match="the Hub has no model someone/absent"):
        resolve(tiny, base_model="someone/absent")


def test_the_lora_takes_its_transparent_vae_from_elsewhere(tiny: TinyPaths, hub: Path) -> None:
    lora_only = hub.parent / "lora"
    lora_only.mkdir()
    name = "diffuser_layer_xl_transparent_attn.safetensors"
    shutil.copy(tiny.lora / name, lora_only)
    vae_only = hub.parent / "vae"
    vae_only.mkdir()
    shutil.copy(tiny.lora / "vae_transparent_decoder.safetensors", vae_only)
    weights = "rootonchair/diffuser_layerdiffuse"
    cached(hub, weights, PINNED[weights], lora_only)
    elsewhere = "LayerDiffusion/layerdiffusion-v1"
    cached(hub, elsewhere, PINNED[elsewhere], vae_only)
    attention, decoder = resolve(tiny, weights=weights)[-2:]
    assert (attention.id, attention.file) == (weights, name)
    assert (decoder.id, decoder.file) == (elsewhere, "vae_transparent_decoder.safetensors")
