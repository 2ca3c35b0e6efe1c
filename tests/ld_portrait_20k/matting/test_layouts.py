"""Each published layout on a small fixture, ours, and folders that are broken."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.data.backgrounds import open_backgrounds
from ld_portrait_20k.matting.data.sources import SourceText, open_source, weight_of
from tests.ld_portrait_20k.samples import build
from tests.ld_portrait_20k.samples import picture as portrait

from .fixtures import scene, write

LAYOUTS: dict[str, tuple[dict[str, str], str, int]] = {
    # Pattern to what it holds; {i} counts samples. Then what is opened, and how many.
    "P3M-10k": (
        {
            "train/blurred_image/p_{i}.jpg": "image",
            "train/mask/p_{i}.png": "alpha",
            "train/facemask/p_{i}.png": "trimap",
            "validation/P3M-500-P/blurred_image/v_{i}.jpg": "image",
            "validation/P3M-500-P/original_image/v_{i}.jpg": "background",
            "validation/P3M-500-P/mask/v_{i}.png": "alpha",
            "validation/P3M-500-P/trimap/v_{i}.png": "trimap",
            "validation/P3M-500-NP/original_image/n_{i}.jpg": "image",
            "validation/P3M-500-NP/mask/n_{i}.png": "alpha",
            "validation/P3M-500-NP/trimap/n_{i}.png": "trimap",
        },
        "", 3,
    ),
    "AM-2k": (
        {
            "train/original/m_{i}.jpg": "image",
            "train/mask/m_{i}.png": "alpha",
            "train/fg/m_{i}.png": "foreground",
            "train/bg/m_{i}.png": "background",
            "validation/original/v_{i}.jpg": "image",
            "validation/mask/v_{i}.png": "alpha",
            "validation/trimap/v_{i}.png": "trimap",
        },
        "", 3,
    ),
    "AIM-500": (
        {
            "original/o_{i}.jpg": "image",
            "mask/o_{i}.png": "alpha",
            "trimap/o_{i}.png": "trimap",
            "usr/o_{i}.png": "trimap",
        },
        "", 3,
    ),
    "PPM-100": ({"image/1 {i}.jpg": "image", "matte/1 {i}.jpg": "alpha"}, "", 3),
    "Composition-1k": (
        {
            "Training_set/Adobe-licensed images/fg/a-{i}.jpg": "foreground",
            "Training_set/Adobe-licensed images/alpha/a-{i}.jpg": "alpha",
            "Training_set/Other/fg/b-{i}.png": "foreground",
            "Training_set/Other/alpha/b-{i}.png": "alpha",
            "Test_set/Adobe-licensed images/fg/t-{i}.png": "foreground",
            "Test_set/Adobe-licensed images/alpha/t-{i}.png": "alpha",
            "Test_set/Adobe-licensed images/trimaps/t-{i}_0.png": "trimap",
        },
        "", 6,
    ),
    "Distinctions-646": (
        {
            "Train/FG/{i}.png": "foreground",
            "Train/GT/{i}.png": "alpha",
            "Test/FG/t{i}.png": "foreground",
            "Test/GT/t{i}.png": "alpha",
        },
        "", 3,
    ),
    "VideoMatte240K": (
        {
            "train/fgr/000{i}/00000.jpg": "foreground",
            "train/pha/000{i}/00000.jpg": "alpha",
            "train/fgr/000{i}/00001.jpg": "foreground",
            "train/pha/000{i}/00001.jpg": "alpha",
            "test/fgr/000{i}/00000.jpg": "foreground",
            "test/pha/000{i}/00000.jpg": "alpha",
        },
        "", 6,
    ),
    "image and alpha": (
        {"images/{i}.png": "image", "alpha/{i}.png": "alpha", "trimaps/{i}.png": "trimap"},
        "", 3,
    ),
    "foreground and alpha": ({"fg/{i}.png": "foreground", "alphas/{i}.png": "alpha"}, "", 3),
    "RGBA pictures": ({"cutouts/{i}.png": "rgba"}, "", 3),
}  # fmt: skip


def make(root: Path, patterns: dict[str, str], count: int = 3) -> Path:
    for index in range(count):
        parts = scene(index)
        parts["rgba"] = np.dstack([parts["foreground"], parts["alpha"]])
        for pattern, kind in patterns.items():
            write(root / pattern.format(i=index), parts[kind])
    return root


def layout_of(source: object) -> str:
    return str(getattr(source, "layout", "none"))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_published_layouts(tmp_path: Path, layout: str) -> None:
    patterns, part, count = LAYOUTS[layout]
    make(tmp_path / "data", patterns)
    source = open_source(f"x={tmp_path / 'data'}{part}")
    assert (source.name, layout_of(source), len(source)) == ("x", layout, count)
    kinds = set(patterns.values())
    samples = [source[index] for index in range(len(source))]
    assert len({sample.sample_id for sample in samples}) == count
    for index, sample in enumerate(samples):
        parts = scene(_number(sample.sample_id, index))
        assert sample.alpha.dtype == np.uint8
        assert np.abs(sample.alpha.astype(int) - parts["alpha"]).mean() < 2  # JPEG
        colour = sample.foreground if sample.image is None else sample.image
        kind = "foreground" if sample.image is None else "image"
        assert colour is not None
        assert np.abs(colour.astype(int) - parts[kind]).mean() < 4
        assert (sample.image is not None) == ("image" in kinds)
        if sample.trimap is not None:
            assert np.array_equal(sample.trimap, parts["trimap"])
    assert pickle.loads(pickle.dumps(source))[1].alpha.tobytes() == samples[1].alpha.tobytes()
    again = open_source(f"x={tmp_path / 'data'}{part}")
    assert [again[i].sample_id for i in range(count)] == [s.sample_id for s in samples]


def _number(sample_id: str, index: int) -> int:
    digits = [c for c in sample_id.rpartition("/")[2] if c.isdigit()]
    if "/0000" in sample_id:  # a frame of VideoMatte240K: its clip counts
        return int(sample_id.rpartition("/")[0][-1])
    return int(digits[-1]) if digits else index


def test_parts_are_opened_by_name_or_as_folders(tmp_path: Path) -> None:
    for layout in ("P3M-10k", "AM-2k", "Composition-1k", "VideoMatte240K"):
        make(tmp_path / layout, LAYOUTS[layout][0])
    p3m = tmp_path / "P3M-10k"
    validation = open_source(f"{p3m}#validation")
    assert len(validation) == 6 and validation[0].trimap is not None
    blurred = np.asarray(validation[0].image, int)
    assert np.abs(blurred - scene(0)["image"]).mean() < 4
    assert len(open_source(str(p3m / "validation/P3M-500-NP"))) == 3
    assert len(open_source(f"{tmp_path / 'AM-2k'}#validation")) == 3
    assert layout_of(open_source(str(tmp_path / "AM-2k/train"))) == "AIM-500"  # the same folders
    test = open_source(f"{tmp_path / 'Composition-1k'}#test")
    assert len(test) == 3 and test[0].trimap is not None and test[0].foreground is not None
    assert len(open_source(f"{tmp_path / 'VideoMatte240K'}#test")) == 3


def test_composition_1k_merged_pictures_share_their_foregrounds_matte(tmp_path: Path) -> None:
    for index in range(2):
        parts = scene(index)
        write(tmp_path / f"Combined_Dataset/Test_set/alpha_copy/a b{index}.png", parts["alpha"])
        for background in range(3):
            name = f"a b{index}_{background}.png"
            write(tmp_path / "Combined_Dataset/Test_set/merged" / name, parts["image"])
            write(tmp_path / "Combined_Dataset/Test_set/trimaps" / name, parts["trimap"])
    source = open_source(f"{tmp_path}#test")
    assert len(source) == 6
    assert source[5].sample_id == "a b1_2"
    assert np.array_equal(source[5].alpha, scene(1)["alpha"])
    assert np.array_equal(np.asarray(source[5].trimap), scene(1)["trimap"])


def test_our_subsets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "ours"
    build(root, {"train": (2, 3), "test": (1, 2)}, subsets=("default", "raw", "truth"))
    for text, count in (
        (str(root), 6), (f"{root}#raw", 6), (f"{root}#refined/test", 2), (f"{root}#truth/train", 6),
        (str(root / "raw"), 6), (f"{root / 'truth'}#test", 2), (f"a={root}#test:2.5", 2),
    ):  # fmt: skip
        source = open_source(text)
        assert len(source) == count, text
        sample = source[0]
        foreground, alpha = portrait(int(sample.sample_id[4:]))
        assert np.array_equal(np.asarray(sample.foreground), foreground)
        assert np.array_equal(sample.alpha, alpha)
        assert sample.image is None and sample.trimap is None
        copy = pickle.loads(pickle.dumps(source))
        assert copy[1].sample_id == source[1].sample_id
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ours").rename(tmp_path / "ld-portrait-20k")
    assert len(open_source("ours=ld-portrait-20k:2")) == 6
    with pytest.raises(PortraitError, match="no part 'keyed'; try: one of refined, raw"):
        open_source("ld-portrait-20k#keyed")


def test_texts() -> None:
    assert SourceText.parse("ours=ld-portrait-20k:2") == SourceText(
        "ours", "ld-portrait-20k", "", 2.0
    )
    assert SourceText.parse("a=/x/y#raw/test:0.5") == SourceText("a", "/x/y", "raw/test", 0.5)
    assert SourceText.parse("/x/P3M-10k").name == "P3M-10k"
    assert weight_of("http://host:8000") == 1.0
    assert weight_of("http://host:8000/d:3") == 3.0
    with pytest.raises(PortraitError, match="weight of 0"):
        SourceText.parse("a=b:0")


def test_folders_whose_names_look_like_options(tmp_path: Path) -> None:
    odd = tmp_path / "a=b#c:2"
    make(odd, LAYOUTS["PPM-100"][0])
    assert len(open_source(str(odd))) == 3
    assert len(open_source(f"x={odd}:3")) == 3


def test_broken_folders_are_one_clear_line(tmp_path: Path) -> None:
    def problem(text: object) -> str:
        with pytest.raises(PortraitError) as raised:
            open_source(str(text))
        assert "\n" not in str(raised.value)
        return str(raised.value)

    write(tmp_path / "odd/pictures/a.png", scene()["image"])
    (tmp_path / "odd/notes.txt").write_text("x")
    text = problem(tmp_path / "odd")
    for word in ("pictures/", "*.txt", "P3M-10k", "AIM-500", "Distinctions-646", "manifest.json"):
        assert word in text
    assert "not the part test of a known layout" in problem(
        f"{make(tmp_path / 'aim', LAYOUTS['AIM-500'][0])}#test"
    )
    root = make(tmp_path / "ppm", LAYOUTS["PPM-100"][0])
    (root / "matte/1 1.jpg").unlink()
    assert "no alpha for 1 1" in problem(root)
    (tmp_path / "empty/image").mkdir(parents=True)
    (tmp_path / "empty/matte").mkdir()
    assert "no pictures" in problem(tmp_path / "empty")
    assert "not found" in problem(tmp_path / "nowhere")
    root = make(tmp_path / "sizes", LAYOUTS["foreground and alpha"][0])
    write(root / "alphas/1.png", np.zeros((9, 9), np.uint8))
    source = open_source(str(root))
    with pytest.raises(PortraitError, match=r"fg/1.png is 40x48 but .*alphas/1.png is 9x9"):
        source[1]


def test_backgrounds(tmp_path: Path) -> None:
    folder = make(tmp_path / "photos", {"deep/{i}.png": "background"})
    rng = np.random.default_rng(0)
    found, said = open_backgrounds(folder)
    assert found is not None and "3 pictures" in said
    assert found.draw(rng, 20, 30).shape == (20, 30, 3)
    (tmp_path / "list.txt").write_text("# two\nphotos/deep/0.png\n\nphotos/deep/2.png\n")
    found, said = open_backgrounds(tmp_path / "list.txt")
    assert found is not None and len(found) == 2 and "list.txt" in said
    found, said = open_backgrounds(None)
    assert found is None and "generated" in said
    (tmp_path / "list.txt").write_text("photos/deep/9.png\n")
    with pytest.raises(PortraitError, match=r"9\.png, which is not there"):
        open_backgrounds(tmp_path / "list.txt")
    with pytest.raises(PortraitError, match="no such backgrounds"):
        open_backgrounds(tmp_path / "nowhere")
