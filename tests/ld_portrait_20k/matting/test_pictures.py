"""Pictures, mattes, masks and trimaps as people have them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.data import pictures

from .fixtures import colours, matte, write


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_as_pillow_does(tmp_path: Path, orientation: int) -> None:
    picture = Image.fromarray(colours(1, 12, 20))
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(tmp_path / "p.png", exif=exif)
    with Image.open(tmp_path / "p.png") as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened))
    assert np.array_equal(pictures.read_colour(tmp_path / "p.png"), expected)
    deep = np.asarray(picture).astype(np.uint16) * 257
    write(tmp_path / "deep.png", deep)
    assert np.array_equal(pictures.read_colour(tmp_path / "deep.png"), np.asarray(picture))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "CMYK", "RGBA", "I;16"])
def test_any_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    picture = Image.fromarray(colours(2)).convert("L" if mode in ("1", "I;16") else "RGB")
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture).astype(np.uint16) * 257)
    else:
        picture = picture.convert(mode)
    path = tmp_path / ("p.tif" if mode == "CMYK" else "p.png")
    picture.save(path)
    found = pictures.read_colour(path)
    assert found.shape == (48, 40, 3) and found.dtype == np.uint8
    if mode in ("L", "LA", "RGBA"):
        assert np.array_equal(found, np.asarray(picture.convert("RGB")))
    if mode == "I;16":
        assert np.array_equal(found[..., 0], np.asarray(picture) // 257)


def test_mattes_grey_rgb_rgba_palette_and_16_bit(tmp_path: Path) -> None:
    alpha = matte()
    rgba = np.dstack([colours(3), alpha])
    palette = Image.fromarray(alpha).convert("P")
    palette.save(tmp_path / "palette.png")
    cases = {
        "grey.png": alpha,
        "rgb.png": np.dstack([alpha] * 3),
        "rgba.png": rgba,
        # Opaque all over: the grey picture is the matte.
        "opaque.png": np.dstack([alpha] * 3 + [np.full_like(alpha, 255)]),
    }
    for name, picture in cases.items():
        assert np.array_equal(pictures.read_matte(write(tmp_path / name, picture)), alpha), name
    assert np.array_equal(pictures.read_matte(tmp_path / "palette.png"), alpha)
    deep = (alpha.astype(np.uint16) * 257) ^ 1
    assert np.array_equal(pictures.read_matte(write(tmp_path / "deep.png", deep)), deep)
    wide = np.dstack([deep, deep, deep, deep // 2])
    assert np.array_equal(pictures.read_matte(write(tmp_path / "wide.png", wide)), deep // 2)
    with pytest.raises(PortraitError, match=r"colour.png: a colour picture without alpha"):
        pictures.read_matte(write(tmp_path / "colour.png", colours(4)))


def test_masks_of_zero_and_one_are_stretched(tmp_path: Path) -> None:
    mask = (matte() > 128).astype(np.uint8)
    assert np.array_equal(pictures.read_mask(write(tmp_path / "m.png", mask)), mask * 255)


def test_trimaps_with_odd_values(tmp_path: Path) -> None:
    true = np.repeat(np.repeat(np.array([[0, 128], [128, 255]], np.uint8), 24, 0), 24, 1)
    assert np.array_equal(pictures.read_trimap(write(tmp_path / "t.png", true)), true)
    near = np.array([0, 128, 254], np.uint8)[true // 127]
    near[true == 0] = 1
    assert np.array_equal(pictures.read_trimap(write(tmp_path / "near.png", near)), true)
    assert np.array_equal(pictures.read_trimap(write(tmp_path / "012.png", true // 127)), true)
    path = tmp_path / "t.jpg"
    cv2.imwrite(str(path), true, [cv2.IMWRITE_JPEG_QUALITY, 70])
    assert set(np.unique(np.asarray(cv2.imread(str(path), 0)))) != {0, 128, 255}
    assert np.array_equal(pictures.read_trimap(path), true)
    assert np.array_equal(
        pictures.read_trimap(write(tmp_path / "c.png", np.dstack([true] * 3))), true
    )
    with pytest.raises(PortraitError, match="not a trimap"):
        pictures.read_trimap(write(tmp_path / "colour.png", colours(4)))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 65535))
def test_16_bits_become_8_by_rounding(value: int) -> None:
    found = int(pictures.to_8_bit(np.array([[value]], np.uint16))[0, 0])
    assert found == round(value / 257)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("text.png", b"no picture", "not a picture"),
        ("empty.png", b"", "not a picture"),
        ("cut.png", None, "broken or truncated"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    if content is None:
        content = write(tmp_path / "whole.png", colours(5)).read_bytes()[:400]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PortraitError, match=says) as problem:
        pictures.read_colour(tmp_path / name)
    assert name in str(problem.value) and "\n" not in str(problem.value)


def test_folders_are_listed_by_name_and_twins_are_refused(tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg", "sub/c.png", ".hidden/d.png"):
        write(tmp_path / name, matte())
    (tmp_path / "notes.txt").write_text("not a picture")
    assert list(pictures.list_pictures(tmp_path)) == ["a", "b", "sub/c"]
    write(tmp_path / "a.png", matte())
    with pytest.raises(PortraitError, match="have one name"):
        pictures.list_pictures(tmp_path)
