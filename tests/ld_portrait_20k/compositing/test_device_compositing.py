from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ld_portrait_20k import PortraitStream
from ld_portrait_20k import compositing as cp
from tests.ld_portrait_20k.samples import build, picture

torch = pytest.importorskip("torch")
from ld_portrait_20k import PortraitLoader  # noqa: E402

LAYERS = ("image", "alpha", "trimap", "foreground", "background")

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("d")
    build(path, {"train": (2, 5)}, size=(140, 120))
    return path


def backgrounds() -> list[Any]:
    return [cp.ColourBackgrounds(), cp.PictureBackgrounds([picture(9, 200, 150)[0]])]


def batches(root: Path, transform: Any, **options: Any) -> list[dict[str, Any]]:
    stream = PortraitStream(root, shuffle=True, seed=3, batch_size=4, transform=transform)
    return list(PortraitLoader(stream, **options))


def differences(
    one: list[dict[str, Any]], other: list[dict[str, Any]], key: str, scale: float = 255
) -> Any:
    """Steps of 8 bits between two runs, all values."""
    pairs = [(a[key].cpu().float(), b[key].cpu().float()) for a, b in zip(one, other, strict=True)]
    return torch.cat([(a - b).abs().flatten() for a, b in pairs]) * scale


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("workers", [{}, {"num_workers": 2}, {"threads": 2}], ids=str)
def test_both_forms_make_the_same_batches(root: Path, device: str, workers: dict[str, Any]) -> None:
    def run(device: str | None, **options: Any) -> list[dict[str, Any]]:
        transform = cp.training_transform(
            backgrounds(), 72, rotation=15, trimap_radius=(0, 20), pool=PortraitStream(root),
            linear=0.5, device=device, **options,
        )  # fmt: skip
        return batches(root, transform, **(workers if device else {}))

    plain, made = run(None), run(device)
    assert [list(batch) for batch in made] == [list(batch) for batch in plain]
    for one, other in zip(plain, made, strict=True):
        assert other["id"] == one["id"] and other["prompt"] == one["prompt"]
        for key in LAYERS:
            assert other[key].dtype == one[key].dtype and other[key].shape == one[key].shape
            assert other[key].device.type == device and other[key].is_contiguous()
    for key in ("alpha", "trimap", "background"):
        assert differences(plain, made, key).max() == 0
    # OpenCV multiplies colours in fixed point.
    for key in ("foreground", "image"):
        assert differences(plain, made, key).max() <= 1.001
    # Without colour and linear light nothing is rounded differently.
    first, second = (
        batches(root, cp.training_transform(backgrounds(), 64, colour=0.0, device=d))
        for d in (None, device)
    )
    for key in LAYERS:
        assert differences(first, second, key).max() == 0


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("step", "most", "mean"),
    [
        ({"blur": 2.0, "noise": 0.0, "quality": (100, 100)}, 4.5, 0.7),
        ({"blur": 0.0, "noise": 8.0, "quality": (100, 100)}, 4.5, 0.7),
        # A coefficient between two steps of the table may fall on either.
        ({"blur": 0.0, "noise": 0.0, "quality": (50, 95)}, 40.5, 0.7),
    ],
)
def test_degradation_is_nearly_the_same(
    root: Path, device: str, step: dict[str, Any], most: float, mean: float
) -> None:
    def run(last: cp.Transform, device: str | None) -> list[dict[str, Any]]:
        steps = [
            cp.RandomCrop((69, 75), rotation=9), cp.RandomBackground(*backgrounds()),
            cp.Composite(), last, cp.ToTensors(),
        ]  # fmt: skip
        transform = cp.OnDevice(steps, device) if device else cp.Compose(steps)
        return batches(root, transform)

    never = run(cp.DegradeImage(0.0, **step), device)
    always = run(cp.DegradeImage(1.0, **step), device)
    expected = run(cp.DegradeImage(1.0, **step), None)
    apart = differences(expected, always, "image")
    assert apart.max() <= most and apart.mean() <= mean
    # It does something, and what it does is what the other form does.
    done = differences(never, always, "image").mean()
    assert done > 3 * apart.mean()
    assert differences(never, run(cp.DegradeImage(0.0, **step), None), "image").max() == 0


def test_blur_and_noise_differ_by_rounding_alone(root: Path) -> None:
    class Uncompressed(cp.DegradeImage):
        def draw(self, rng: np.random.Generator) -> dict[str, Any]:
            return {**super().draw(rng), "quality": 0}

    for blur, noise in ((3.0, 0.0), (0.0, 9.0)):
        steps = [
            cp.RandomCrop(50), cp.RandomBackground(*backgrounds()), cp.Composite(),
            Uncompressed(1.0, blur, noise), cp.ToTensors(),
        ]  # fmt: skip
        one, other = (batches(root, t) for t in (cp.Compose(steps), cp.OnDevice(steps, "cpu")))
        assert differences(one, other, "image").max() <= 1.001


def test_one_sample_at_a_time_and_other_outputs(root: Path) -> None:
    def transform(**options: Any) -> cp.Compose:
        return cp.training_transform(backgrounds(), 40, device="cpu", **options)

    (batch, *_) = batches(root, transform())
    stream = PortraitStream(root, shuffle=True, seed=3, transform=transform())
    for place, sample in zip(range(4), stream, strict=False):
        assert sample["id"] == batch["id"][place]
        assert all(torch.equal(sample[key], batch[key][place]) for key in LAYERS)
    small = batches(root, transform(dtype="uint8", channels_last=True))
    for key in LAYERS:
        assert small[0][key].dtype == torch.uint8
        expected = batch[key] * 255 + (0.5 * (batch[key] == 0.5) if key == "trimap" else 0)
        assert torch.equal(small[0][key], expected.round().to(torch.uint8))
    assert small[0]["image"].is_contiguous(memory_format=torch.channels_last)


def test_steps_that_cannot_be_cut_in_two_are_refused() -> None:
    wrong: list[Any] = [
        [cp.RandomTrimap()],
        [cp.RandomTrimap(), cp.ToTensors(numpy=True)],
        [cp.RandomTrimap(), cp.RandomCrop(), cp.ToTensors()],
        [cp.RandomTrimap(), dict, cp.ToTensors()],
    ]
    for steps in wrong:
        with pytest.raises(ValueError, match=r"last step is ToTensors|done in batches"):
            cp.OnDevice(steps, "cpu")
    shown = repr(cp.training_transform(cp.ColourBackgrounds(), device="cpu"))
    assert shown.startswith("OnDevice(RandomCrop, RandomTrimap") and "device='cpu'" in shown
