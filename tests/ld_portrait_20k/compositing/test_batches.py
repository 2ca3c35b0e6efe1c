"""Batches that are written plane by plane hold what tensors of single samples hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ld_portrait_20k.compositing import ToTensors  # noqa: E402
from ld_portrait_20k.compositing.batches import LAYERS, Stacking  # noqa: E402


def sample(seed: int, size: tuple[int, int] = (24, 16)) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    found: dict[str, Any] = {
        key: rng.integers(0, 256, (*size, 3), np.uint8)
        for key in ("image", "foreground", "background")
    }
    found["alpha"] = rng.integers(0, 256, size, np.uint8)
    found["trimap"] = rng.choice(np.array([0, 128, 255], np.uint8), size)
    return {"id": f"ldp_{seed}", **found}


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_a_batch_is_its_samples(dtype: str, channels_last: bool) -> None:
    samples = [sample(seed) for seed in range(3)]
    single = ToTensors(dtype, keep=("id",), channels_last=channels_last)
    stacking = Stacking(dtype, channels_last)
    gathered = stacking.gather(5)  # two of them were left out
    for one in samples:
        gathered.append(one)
    for batch in (stacking(samples), stacking(gathered)):
        assert list(batch) == ["id", *LAYERS] and batch["id"] == ["ldp_0", "ldp_1", "ldp_2"]
        for place, one in enumerate(samples):
            wanted = single(one)
            for key in LAYERS:
                assert batch[key].dtype == wanted[key].dtype
                assert torch.equal(batch[key][place], wanted[key])
        form = torch.channels_last if channels_last else torch.contiguous_format
        assert batch["image"].is_contiguous(memory_format=form)


@pytest.mark.parametrize("channels_last", [False, True])
def test_pictures_of_different_sizes_are_a_list(channels_last: bool) -> None:
    samples = [sample(0), sample(1), sample(2, (8, 40)), sample(3)]
    batch = Stacking("float32", channels_last)(samples)
    for key in LAYERS:
        assert [tuple(x.shape[-2:]) for x in batch[key]] == [(24, 16), (24, 16), (8, 40), (24, 16)]
        for one, tensor in zip(samples, batch[key], strict=True):
            assert torch.equal(tensor, ToTensors(channels_last=channels_last)(one)[key])


def test_a_sample_without_a_picture_that_others_have_is_an_error() -> None:
    lacking = sample(1)
    del lacking["trimap"]
    with pytest.raises(KeyError, match="trimap"):
        Stacking()([sample(0), lacking])
