"""Training crops: repeatable, in range, and their trimaps true to their mattes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from ld_portrait_20k.compositing.backgrounds import PictureBackgrounds
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.data.sample import MattingSample
from ld_portrait_20k.matting.training import augmentation
from ld_portrait_20k.matting.training.crops import CropDataset, CropOptions
from ld_portrait_20k.matting.training.structures import draw_structure
from ld_portrait_20k.matting.training.textures import draw_texture, smooth_noise

SIZE = 64
PLANES = {"image": 3, "alpha": 1, "trimap": 1, "foreground": 3, "background": 3}


class Discs:
    """Soft discs with foregrounds, or finished pictures where ``composed``."""

    name = "discs"

    def __init__(self, count: int = 3, *, composed: bool = False) -> None:
        self.count, self.composed = count, composed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> MattingSample:
        y, x = np.mgrid[:120, :100]
        away = np.hypot(y - 60, x - 50 - index)
        alpha = np.clip((40 - away) * 30 + 128, 0, 255).astype(np.uint8)
        colour = np.random.default_rng(index).integers(0, 256, (120, 100, 3), np.uint8)
        return MattingSample(
            f"disc-{index}", alpha,
            foreground=None if self.composed else colour, image=colour if self.composed else None,
        )  # fmt: skip


def dataset(seed: int = 0, *, composed: bool = False, structures: float = 0.25) -> CropDataset:
    return CropDataset(
        [(Discs(composed=composed), 1.0)],
        seed=seed,
        options=CropOptions(size=SIZE, structures=structures),
    )


def test_a_number_gives_a_crop() -> None:
    first, again, other = dataset(1), pickle.loads(pickle.dumps(dataset(1))), dataset(2)
    for index in (0, 7, 12_345_678):
        one, two = first[index], again[index]
        assert one["name"] == two["name"]
        for key in PLANES:
            np.testing.assert_array_equal(one[key], two[key])
    assert any((first[0][key] != other[0][key]).any() for key in PLANES)


@pytest.mark.parametrize("structures", [0.0, 1.0])
def test_crops_are_in_range(structures: float) -> None:
    crops = dataset(3, structures=structures)
    for index in range(24):
        crop = crops[index]
        for key, channels in PLANES.items():
            assert crop[key].shape == (channels, SIZE, SIZE)
            assert crop[key].dtype == np.float32
            assert crop[key].min() >= 0 and crop[key].max() <= 1
        assert set(np.unique(crop["trimap"])) <= {0.0, 0.5, 1.0}
        assert (crop["name"] == "drawn structure") == bool(structures)


def test_images_are_composites_of_their_layers() -> None:
    found = []
    for index in range(24):
        crop = dataset(4)[index]
        again = crop["alpha"] * crop["foreground"] + (1 - crop["alpha"]) * crop["background"]
        found.append(float(np.abs(again - crop["image"]).mean()))
    # A third are not degraded at all; no degradation makes another picture of one.
    assert sorted(found)[4] < 0.004
    assert max(found) < 0.12


def test_finished_pictures_stay_as_they_are_composed() -> None:
    crop = dataset(5, composed=True, structures=0.0)[0]
    np.testing.assert_array_equal(crop["image"], crop["foreground"])
    np.testing.assert_array_equal(crop["image"], crop["background"])


def test_trimaps_agree_with_their_mattes() -> None:
    alpha = Discs()[0].alpha
    wrong = []
    for seed in range(60):
        trimap = augmentation.draw_trimap(np.random.default_rng(seed), alpha)
        assert set(np.unique(trimap)) <= {0, 128, 255}
        known = trimap != 128
        off = np.abs(trimap[known].astype(int) - alpha[known])
        wrong.append(off.max() > 12)
    # Those made from a hard mask may call soft pixels known; they are an eighth.
    assert np.mean(wrong) < 0.3


def test_windows_show_an_edge() -> None:
    sample = Discs()[0]
    assert sample.foreground is not None
    for seed in range(20):
        rng = np.random.default_rng(seed)
        _, alpha = augmentation.cut_window(rng, sample.foreground, sample.alpha, SIZE)
        assert alpha.min() < 128 < alpha.max()


def test_structures_of_every_kind() -> None:
    rng = np.random.default_rng(0)
    photo = draw_texture(rng, SIZE)
    mattes = [draw_structure(rng, SIZE, photo) for _ in range(40)]
    assert all(m.shape == (SIZE, SIZE) and m.dtype == np.float32 for m in mattes)
    assert all(m.min() >= 0 and m.max() <= 1 for m in mattes)
    soft = [float(((m > 0.02) & (m < 0.98)).mean()) for m in mattes]
    assert np.mean(soft) > 0.05
    assert len({round(float(m.mean()), 6) for m in mattes}) > 30


@pytest.mark.parametrize("cell", [1.0, 5.5, 16.0, 64.0, 300.0])
def test_smooth_noise_of_any_scale(cell: float) -> None:
    noise = smooth_noise(np.random.default_rng(1), SIZE, cell)
    assert noise.shape == (SIZE, SIZE) and np.isfinite(noise).all()


def test_backgrounds_are_used() -> None:
    green = np.zeros((200, 300, 3), np.uint8)
    green[..., 1] = 200
    options = CropOptions(size=SIZE, plain=0.0, near_colours=0.0, structures=0.0)
    crops = CropDataset([(Discs(), 1.0)], PictureBackgrounds([green]), options=options)
    for index in range(6):
        background = crops[index]["background"]
        assert float(background.reshape(3, -1).std(axis=1).max()) < 0.01


def test_empty_data_is_named() -> None:
    with pytest.raises(PortraitError, match="nothing to train on"):
        CropDataset([])
    with pytest.raises(PortraitError, match="discs"):
        CropDataset([(Discs(0), 1.0)])
    with pytest.raises(PortraitError, match="weight"):
        CropDataset([(Discs(), 0.0)])
