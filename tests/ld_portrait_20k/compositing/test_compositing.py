from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage, stats

from ld_portrait_20k import PortraitStream
from ld_portrait_20k import compositing as cp
from ld_portrait_20k.compositing import augment
from ld_portrait_20k.compositing.composite import to_linear, to_srgb
from ld_portrait_20k.errors import PortraitError
from tests.ld_portrait_20k.samples import build, picture

SHAPE = st.tuples(st.integers(1, 24), st.integers(1, 24))


Layers = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
"""Foreground (H, W, 3), alpha (H, W) and background (H, W, 3)."""


@st.composite
def layers(draw: st.DrawFn) -> Layers:
    shape = draw(SHAPE)
    return (
        draw(hnp.arrays(np.uint8, (*shape, 3))),
        draw(hnp.arrays(np.uint8, shape)),
        draw(hnp.arrays(np.uint8, (*shape, 3))),
    )


@given(layers())
def test_composite_rounds_the_exact_value(data: Layers) -> None:
    foreground, alpha, background = data
    a = alpha[..., None] / 255
    exact = a * foreground + (1 - a) * background
    found = cp.composite(foreground, alpha, background)
    assert found.dtype == np.uint8
    assert np.abs(found - exact).max() <= 0.5 + 1e-9
    floats = cp.composite(foreground / 255, alpha / 255, background / 255)
    assert np.allclose(floats * 255, exact)


def test_every_weight_of_every_value_is_exact() -> None:
    f, a = np.meshgrid(np.arange(300) % 256, np.arange(256))  # bands of 109 rows, and the rest
    for b in (0, 1, 127, 128, 254, 255, *range(2, 127, 9)):
        found = cp.composite(
            np.dstack([f] * 3).astype(np.uint8), a.astype(np.uint8), np.array([b] * 3)
        )
        assert (found[..., 0] == np.floor((f * a + b * (255 - a)) / 255 + 0.5)).all()


@example(
    (np.full((1, 1, 3), 1, np.uint8), np.full((1, 1), 122, np.uint8), np.zeros((1, 1, 3), np.uint8))
)
@given(layers())
def test_linear_light(data: Layers) -> None:
    foreground, alpha, background = data
    found = cp.composite(foreground, alpha, background, linear=True)
    floats = cp.composite(foreground / 255, alpha / 255, background / 255, linear=True)
    assert np.abs(found - floats * 255).max() <= 0.51
    opaque = np.full_like(alpha, 255)
    assert (cp.composite(foreground, opaque, background, linear=True) == foreground).all()
    assert (cp.composite(foreground, opaque * 0, background, linear=True) == background).all()


def test_srgb_curve_is_the_standard() -> None:
    # From IEC 61966-2-1: mid-grey 0.5 is 21.4 % of the light.
    assert to_linear(np.array(0.5)) == pytest.approx(0.21404, abs=1e-5)
    values = np.linspace(0, 1, 1001)
    assert np.allclose(to_srgb(to_linear(values)), values, atol=1e-6)


def test_tensors_agree_with_arrays() -> None:
    torch = pytest.importorskip("torch")
    foreground, alpha = picture(1)
    background = picture(2)[0]

    def planes(x: NDArray[np.uint8]) -> Any:
        return torch.from_numpy(x.astype(np.float32) / 255).permute(2, 0, 1)

    for linear in (False, True):
        found = cp.composite(
            planes(foreground), planes(alpha[..., None]), planes(background), linear=linear
        )
        expected = cp.composite(foreground, alpha, background, linear=linear)
        assert np.abs(found.permute(1, 2, 0).numpy() * 255 - expected).max() <= 0.51
    assert cp.composite(planes(foreground), planes(alpha[..., None]), [0.0, 1.0, 0.0]).shape


def test_unfit_layers_are_refused() -> None:
    foreground, alpha = picture(1)
    for bad in (alpha[1:], alpha.astype(float)):
        with pytest.raises(ValueError, match="do not match"):
            cp.composite(foreground, bad, foreground)


@given(layers(), st.data())
def test_merging_is_compositing_twice(data: Layers, draw: st.DataObject) -> None:
    foreground, alpha, behind = data
    behind_alpha = draw.draw(hnp.arrays(np.uint8, alpha.shape))
    background = np.full_like(foreground, 90)
    merged, merged_alpha = cp.merge_foregrounds(foreground, alpha, behind, behind_alpha)
    once = cp.composite(merged, merged_alpha, background).astype(int)
    twice = cp.composite(foreground, alpha, cp.composite(behind, behind_alpha, background))
    # Three roundings: of alpha and colour, and of either composite.
    assert np.abs(once - twice).max() <= 2
    assert (merged_alpha >= np.maximum(alpha, behind_alpha).astype(int) - 1).all()
    unseen = merged_alpha == 0
    assert (merged[unseen & (alpha == 0) & (behind_alpha == 0)] ==
            foreground[unseen & (alpha == 0) & (behind_alpha == 0)]).all()  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), st.floats(0, 6), st.floats(0, 6))
def test_trimaps_by_their_definition(seed: int, erosion: float, dilation: float) -> None:
    rng = np.random.default_rng(seed)
    alpha = (ndimage.gaussian_filter(rng.random((40, 50)), 4) - 0.5) * 4000
    alpha = np.clip(alpha + 128, 0, 255).astype(np.uint8)
    found = cp.trimap(alpha, erosion, dilation)
    assert set(np.unique(found)) <= {0, 128, 255}
    assert (found[(alpha > 0) & (alpha < 255)] == 128).all()
    assert not ((found == 255) & (alpha < 255)).any() and not ((found == 0) & (alpha > 0)).any()
    for value, region, radius in ((255, alpha == 255, erosion), (0, alpha == 0, dilation)):
        if region.all() or not region.any():
            continue
        distance = ndimage.distance_transform_edt(region)
        # OpenCV's distance with a 5x5 mask is within 2 % of the Euclidean one.
        assert (found[distance > radius * 1.03 + 0.1] == value).all()
        assert not (found[region & (distance < radius * 0.97 - 0.1)] == value).any()


def test_random_trimaps_vary_and_repeat() -> None:
    alpha = picture(3, 64, 64)[1]
    drawn = [cp.random_trimap(alpha, np.random.default_rng(s), radius=(1, 9)) for s in range(6)]
    assert len({t.tobytes() for t in drawn}) > 3
    assert (drawn[2] == cp.random_trimap(alpha, np.random.default_rng(2), radius=(1, 9))).all()
    assert (cp.trimap(np.full((9, 9), 255, np.uint8), 3, 3) == 255).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), st.floats(0, 80), SHAPE)
@example(229, 12.5, (2, 5))  # a hole in the corner lost what grew out of the picture
def test_trimaps_are_those_of_a_distance_transform(
    seed: int, radius: float, shape: tuple[int, int]
) -> None:
    rng = np.random.default_rng(seed)
    height, width = 9 * shape[0], 9 * shape[1]
    alpha = np.full((height, width), 255, np.uint8)
    for _ in range(3):
        alpha[rng.integers(height), rng.integers(width)] = rng.integers(0, 255)
    distance = cv2.distanceTransform((alpha == 255).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    found = cp.trimap(alpha, radius, 0) == 255
    clear = np.abs(distance - radius) > 1e-4  # OpenCV adds steps up in float32
    assert (found == (distance > radius))[clear].all()


def full(index: int = 0, width: int = 60, height: int = 40) -> dict[str, Any]:
    foreground, alpha = picture(index, width, height)
    sample = {
        "id": "x",
        "transform_seed": 2**63 - 1 - index,
        "foreground": foreground,
        "alpha": alpha,
    }
    sample["background"] = np.full_like(foreground, 7)
    sample["trimap"] = cp.trimap(alpha, 2, 2)
    sample["image"] = cp.composite(foreground, alpha, sample["background"])
    return sample


@settings(max_examples=80, deadline=None)
@given(
    st.tuples(st.integers(1, 70), st.integers(1, 70)), st.floats(-20, 80), st.floats(-20, 80),
    st.floats(0.3, 3), st.floats(-180, 180), st.booleans(),
)  # fmt: skip
def test_crops_keep_the_layers_aligned(
    size: tuple[int, int], x: float, y: float, scale: float, angle: float, flip: bool
) -> None:
    sample = full()
    # A position in the picture, written into every layer: they must still agree.
    yy, xx = np.mgrid[:40, :60]
    sample["foreground"] = np.dstack([xx * 4, yy * 4, xx * 0]).astype(np.uint8)
    sample["background"] = sample["foreground"].copy()
    sample["alpha"] = (xx * 4).astype(np.uint8)
    for angle_ in (0.0, angle):
        found = cp.crop(sample, size, (x, y), scale=scale, angle=angle_, flip=flip)
        assert found["alpha"].shape == size == found["trimap"].shape
        assert (found["foreground"] == found["background"]).all()
        assert np.abs(found["foreground"][..., 0].astype(int) - found["alpha"]).max() <= 1
        assert set(np.unique(found["trimap"])) <= {0, 128, 255}
    assert (sample["alpha"] == xx * 4).all()


def test_crops_show_what_they_should() -> None:
    sample = full()
    part = cp.crop(sample, (10, 20), (30, 20))
    assert (part["foreground"] == sample["foreground"][15:25, 20:40]).all()
    mirrored = cp.crop(sample, (10, 20), (30, 20), flip=True)
    assert (mirrored["foreground"] == part["foreground"][:, ::-1]).all()
    whole = cp.crop(sample, (40, 60), (30, 20))
    assert (whole["image"] == sample["image"]).all()
    # Half a turn of the whole picture is both mirrored.
    turned = cp.crop(sample, (40, 60), (30, 20), angle=180)
    assert np.abs(turned["alpha"].astype(int) - sample["alpha"][::-1, ::-1]).max() <= 1
    # A quarter, counter-clockwise.
    square = {"alpha": picture(4, 32, 32)[1]}
    quarter = cp.crop(square, (32, 32), (16, 16), angle=90)["alpha"]
    assert np.abs(quarter.astype(int) - np.rot90(square["alpha"])).max() <= 1
    # Half as large is the mean of four pixels.
    half = cp.crop(sample, (20, 30), (30, 20), scale=0.5)["alpha"].astype(float)
    mean = sample["alpha"].reshape(20, 2, 30, 2).mean(axis=(1, 3))
    assert np.abs(half - mean).max() <= 1.01
    # Windows stay inside where they fit.
    corner = cp.crop(sample, (10, 10), (-50, 500))
    assert (corner["image"] == sample["image"][-10:, :10]).all()


def test_pictures_of_different_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="different sizes"):
        cp.crop({**full(), "alpha": np.zeros((3, 3), np.uint8)}, (4, 4), (0, 0))


def test_crop_centres_are_evenly_spread_over_the_unknown_region() -> None:
    alpha = np.zeros((30, 40), np.uint8)
    alpha[5, 7] = alpha[5, 9] = alpha[20, 3] = 100
    alpha[10:15] = 255
    drawn = [cp.unknown_center(alpha, np.random.default_rng(s)) for s in range(300)]
    counts = {place: drawn.count(place) for place in set(drawn)}
    assert set(counts) == {(7, 5), (9, 5), (3, 20)} and min(counts.values()) > 60
    trimap = np.zeros_like(alpha)
    trimap[2, 2] = 128
    assert cp.unknown_center(alpha, np.random.default_rng(0), trimap) == (2, 2)
    x, y = cp.unknown_center(np.zeros((3, 5), np.uint8), np.random.default_rng(0))
    assert 0 <= x < 5 and 0 <= y < 3


def test_augmentations() -> None:
    image = picture(1, 64, 48)[0]
    assert (augment.jitter_colour(image) == image).all()
    grey = augment.jitter_colour(image, saturation=0.0)
    assert np.ptp(grey.astype(int), axis=2).max() <= 1
    assert augment.jitter_colour(image, brightness=0.5).mean() < 0.6 * image.mean()
    red = augment.jitter_colour(image, balance=(1.0, 0.0, 0.0))
    assert (red[..., 0] == image[..., 0]).all() and red[..., 1:].max() == 0
    assert augment.blur(image, 2).std() < image.std() and (augment.blur(image, 0) == image).all()
    flat = np.full((200, 200, 3), 128, np.uint8)
    noisy = augment.add_noise(flat, 5, np.random.default_rng(0))
    assert noisy.std() == pytest.approx(5, rel=0.05) and noisy.mean() == pytest.approx(128, abs=0.1)
    assert stats.kurtosis(noisy, axis=None) == pytest.approx(0, abs=0.1)
    assert (noisy == augment.add_noise(flat, 5, np.random.default_rng(0))).all()
    assert (noisy != augment.add_noise(flat, 5, np.random.default_rng(1))).mean() > 0.8
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 220
    assert np.abs(augment.compress_jpeg(red, 95).astype(int) - red).max() < 6


@pytest.mark.skipif(os.name != "posix", reason="pipes are POSIX")
def test_backgrounds_pass_over_hidden_and_irregular_files(tmp_path: Path) -> None:
    for name in ("one.png", ".hidden.png", ".folder/two.png", "._one.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    Image.new("RGB", (20, 20)).save(tmp_path / "one.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "nowhere.jpg").symlink_to("nothing")
    (tmp_path / "folder.png").mkdir()
    source = cp.PictureBackgrounds(tmp_path)
    assert len(source) == 1
    assert source.draw(np.random.default_rng(0), 9, 9).shape == (9, 9, 3)


def test_backgrounds(tmp_path: Path) -> None:
    big = picture(1, 900, 700)[0]
    for name in ("a.png", "deep/b.jpg", "c.webp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(big).save(tmp_path / name)
    Image.fromarray(big).convert("L").save(tmp_path / "d.png")
    (tmp_path / "notes.txt").write_text("x")
    source = cp.PictureBackgrounds(tmp_path)
    assert len(source) == 4
    for seed in range(12):
        drawn = source.draw(np.random.default_rng(seed), 64, 100)
        assert drawn.shape == (64, 100, 3) and drawn.dtype == np.uint8 and drawn.std() > 1
        assert (drawn == source.draw(np.random.default_rng(seed), 64, 100)).all()
    # A JPEG decoded at reduced size shows the same as the whole one.
    jpeg = cp.PictureBackgrounds([tmp_path / "deep/b.jpg"], flip=False, zoom=1.0)
    array = cp.PictureBackgrounds([big], flip=False, zoom=1.0)
    first, second = (s.draw(np.random.default_rng(0), 70, 90).astype(int) for s in (jpeg, array))
    assert np.abs(first - second).mean() < 3
    for pictures in ([{"image": Image.fromarray(big)}], [{"image": big}], [big]):
        assert cp.PictureBackgrounds(pictures).draw(np.random.default_rng(0), 9, 9).shape == (
            9,
            9,
            3,
        )
    vanishing = cp.PictureBackgrounds([tmp_path / "c.webp"], cache_bytes=0)
    vanishing.draw(np.random.default_rng(0), 9, 9)
    (tmp_path / "c.webp").unlink()
    with pytest.raises(PortraitError, match=r"c\.webp: cannot be read"):
        vanishing.draw(np.random.default_rng(0), 9, 9)
    (tmp_path / "deep/b.jpg").write_bytes(b"no picture")
    with pytest.raises(PortraitError, match=r"b\.jpg"):
        cp.PictureBackgrounds([tmp_path / "deep/b.jpg"]).draw(np.random.default_rng(0), 4, 4)
    without_pictures: tuple[Path | list[Path], ...] = (tmp_path / "nowhere", [])
    for empty in without_pictures:
        with pytest.raises(PortraitError):
            cp.PictureBackgrounds(empty)
    colours = cp.ColourBackgrounds([(1, 2, 3)]).draw(np.random.default_rng(0), 2, 2)
    assert (colours == (1, 2, 3)).all()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    build(tmp_path / "d", {"train": (2, 4)}, size=(96, 80))
    return tmp_path / "d"


def test_training_samples(root: Path) -> None:
    torch = pytest.importorskip("torch")
    from ld_portrait_20k import PortraitLoader
    from ld_portrait_20k.streaming.loader import default_collate

    def batches(
        workers: int | dict[str, Any],
        batch_size: int = 2,
        epoch: int = 0,
        seed: int = 0,
        **options: Any,
    ) -> list[dict[str, Any]]:
        transform = cp.training_transform(
            [cp.ColourBackgrounds(), cp.PictureBackgrounds([picture(9, 200, 150)[0]])], 48,
            rotation=20, degrade=0.5, trimap_radius=(1, 5), linear=0.5,
            pool=PortraitStream(root), **options,
        )  # fmt: skip
        stream = PortraitStream(
            root, shuffle=True, seed=seed, batch_size=batch_size, transform=transform
        )
        stream.set_epoch(epoch)
        how = workers if isinstance(workers, dict) else {"num_workers": workers}
        return list(PortraitLoader(stream, **how))

    found = batches(0)
    assert len(found) == 4
    for batch in found:
        assert len(batch["id"]) == len(batch["prompt"]) == 2
        for key, channels in (
            ("image", 3),
            ("foreground", 3),
            ("background", 3),
            ("alpha", 1),
            ("trimap", 1),
        ):
            assert batch[key].shape == (2, channels, 48, 48) and batch[key].dtype == torch.float32
            assert batch[key].min() >= 0 and batch[key].max() <= 1
        assert set(batch["trimap"].unique().tolist()) <= {0.0, 0.5, 1.0}
        soft = (batch["alpha"] > 0) & (batch["alpha"] < 1)
        assert (batch["trimap"][soft] == 0.5).all()

    def finished(samples: list[dict[str, Any]]) -> Any:
        assert samples[0]["image"].dtype == torch.float32
        return default_collate(samples)

    def by_id(made: list[dict[str, Any]]) -> dict[str, Any]:
        return {key: (x["image"][i], x["alpha"][i]) for x in made for i, key in enumerate(x["id"])}

    def same(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
        a, b = by_id(one), by_id(other)
        assert a.keys() == b.keys()
        return all(torch.equal(u, v) for k in a for u, v in zip(a[k], b[k], strict=True))

    # The same by sample, epoch and seed, whatever the workers and the batch size.
    assert same(found, batches(2)) and same(found, batches(0, batch_size=1))
    assert same(found, batches({"threads": 3})) and same(found, batches({"device": "cpu"}))
    # And whether floats are made before samples cross to this process or after.
    forked = {"num_workers": 1, "context": "fork"}  # elsewhere `finished` could not be sent
    assert same(found, batches({**forked, "collate": finished}))
    layout = batches(2, channels_last=True)
    assert same(found, layout)
    assert all(b["image"].is_contiguous(memory_format=torch.channels_last) for b in layout)
    assert not same(found, batches(0, epoch=1)) and not same(found, batches(0, seed=1))
    small = batches(0, dtype="uint8")
    assert small[0]["image"].dtype == torch.uint8
    assert set(torch.cat([b["trimap"] for b in small]).unique().tolist()) <= {0, 128, 255}


def test_without_degradation_the_layers_compose_to_the_image(root: Path) -> None:
    transform = cp.Compose(
        [
            cp.RandomCrop(40, rotation=30), cp.RandomTrimap(), cp.JitterColour(),
            cp.RandomBackground(cp.ColourBackgrounds()), cp.Composite(),
            cp.ToTensors("uint8", numpy=True),
        ]
    )  # fmt: skip
    for sample in PortraitStream(root, transform=transform):
        image = cp.composite(
            *(np.ascontiguousarray(sample[k].transpose(1, 2, 0)) if k != "alpha" else sample[k][0]
              for k in ("foreground", "alpha", "background"))
        )  # fmt: skip
        assert (image.transpose(2, 0, 1) == sample["image"]).all()


def test_plain_functions_and_single_transforms(root: Path) -> None:
    stream = PortraitStream(
        root, transform=cp.Compose([cp.Resize(20), lambda sample: sample["alpha"].shape])
    )
    assert list(stream) == [(20, 20)] * 8
    sample = next(iter(PortraitStream(root)))
    crop = cp.RandomCrop(16, around="center", flip=0)
    assert (crop(sample)["alpha"] == crop(sample)["alpha"]).all()
    for wrong in (
        lambda: cp.RandomCrop(around="hair"), lambda: cp.RandomBackground(),
        lambda: cp.ToTensors("float16"),
    ):  # fmt: skip
        with pytest.raises(ValueError):
            wrong()
