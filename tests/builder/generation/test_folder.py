from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from builder.generation.folder import BadPictureError, list_pictures, read_rgba
from tests.builder.pictures import cutout


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True, "exact": True})]
)
def test_pixels_come_through(kind: str, options: dict[str, object]) -> None:
    picture = cutout(3)
    foreground, alpha = read_rgba(encoded(Image.fromarray(picture), kind, **options), "x")
    assert np.array_equal(foreground, picture[..., :3])
    assert np.array_equal(alpha, picture[..., 3])


def test_palettes_and_grey_with_alpha_are_pictures_too() -> None:
    picture = Image.fromarray(cutout(3))
    for mode in ("LA", "P"):
        converted = picture.quantize() if mode == "P" else picture.convert(mode)
        foreground, alpha = read_rgba(encoded(converted), "x")
        assert foreground.shape == (160, 128, 3)
        assert alpha.max() == 255
        assert alpha.min() == 0


def test_exif_orientation_is_applied() -> None:
    picture = Image.fromarray(cutout(3))
    exif = Image.Exif()
    exif[0x0112] = 6
    foreground, _ = read_rgba(encoded(picture, exif=exif), "x")
    assert foreground.shape == (128, 160, 3)


def test_a_profile_is_converted_to_srgb() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = cutout(3)
    foreground, _ = read_rgba(encoded(Image.fromarray(picture), icc_profile=lab), "x")
    assert np.abs(foreground.astype(int) - picture[..., :3]).max() <= 2
    broken, _ = read_rgba(encoded(Image.fromarray(picture), icc_profile=b"no profile"), "x")
    assert np.array_equal(broken, picture[..., :3])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not-a-picture"),
        (b"GIF89a" + bytes(100), "not-a-picture"),
        (encoded(Image.new("RGB", (100, 100))), "no-alpha"),
        (encoded(Image.new("RGBA", (100, 40))), "too-small"),
        (encoded(Image.new("LA", (9000, 9000)), compress_level=1), "too-large"),
        (encoded(Image.fromarray(cutout(1)))[:3000], "unreadable"),
        (b"\xff\xd8\xff\xe0", "not-a-picture"),
    ],
)
def test_bad_pictures_have_a_reason_and_a_name(content: bytes, reason: str) -> None:
    with pytest.raises(BadPictureError, match=r"portrait\.png") as caught:
        read_rgba(content, "portrait.png")
    assert caught.value.reason == reason


def test_datasets_built_inside_a_folder_are_no_source(tmp_path: Path) -> None:
    for name in ("b.png", "a/c.WEBP", ".hidden/d.png", "out/assets/gallery.png", "note.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "out" / ".work").mkdir()
    (tmp_path / "out" / ".work" / "plan.json").touch()
    assert list_pictures(tmp_path) == ["a/c.WEBP", "b.png"]
