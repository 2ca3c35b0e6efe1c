from __future__ import annotations

import logging
import os
import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from builder.config import BuildConfig
from builder.generation.folder import BadPictureError, list_pictures, locate, read_rgba
from ld_portrait_20k.format.shards import read_samples
from tests import odd_pictures
from tests.builder.building import plan_and_build
from tests.builder.pictures import cutout, save_cutouts
from tests.odd_pictures import encoded


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


@pytest.mark.parametrize("name", odd_pictures.GOOD)
def test_a_good_picture_in_odd_company_is_kept(name: str) -> None:
    foreground, alpha = read_rgba(odd_pictures.GOOD[name], "x")
    assert np.array_equal(alpha, odd_pictures.RGBA[..., 3])
    # A profile of sRGB turns some values by one.
    assert np.abs(foreground.astype(int) - odd_pictures.RGBA[..., :3]).max() <= 1


@pytest.mark.parametrize("name", odd_pictures.BAD)
def test_a_bad_picture_is_refused_by_name(name: str) -> None:
    content, reasons = odd_pictures.BAD[name]
    with pytest.raises(BadPictureError, match=r"^portrait\.png: [^\n]+$") as caught:
        read_rgba(content, "portrait.png")
    assert caught.value.reason in reasons.split("|")


def test_a_side_that_no_shard_takes_is_refused() -> None:
    with pytest.raises(BadPictureError, match=r"x: 70000 x 64 has a side over 65,500") as caught:
        read_rgba(odd_pictures.LONG, "x")
    assert caught.value.reason == "too-large"


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    for name in ("source/own/a.png", "disk/b.png", "disk/deep/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    source = tmp_path / "source"
    (source / "more").symlink_to(disk)
    (source / "again").symlink_to(source / "own")
    (disk / "deep" / "up").symlink_to(disk)
    (disk / "circle").symlink_to(source)
    (source / "own" / "itself").symlink_to(source / "own" / "itself")
    assert list_pictures(source) == ["more/b.png", "more/deep/c.png", "own/a.png"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_folder_that_cannot_be_read_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_cutouts(tmp_path / "source", 1)
    locked = tmp_path / "source" / "locked"
    locked.mkdir(mode=0)
    with caplog.at_level(logging.WARNING):
        assert list_pictures(tmp_path / "source") == ["person_000.png"]
    assert f"{locked}: cannot be read" in caplog.text


@pytest.mark.skipif(os.name != "posix", reason="pipes and names of any bytes are POSIX")
def test_a_folder_of_odd_files_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every good picture is in the dataset, every bad one in rejected.jsonl by its name."""
    source = tmp_path / os.fsdecode(b"caf\xe9")  # Latin-1, and no UTF-8
    save_cutouts(source, 3)
    good = {f"person_{seed:03d}.png" for seed in range(3)}
    name = os.fsdecode(b"caf\xe9.png")
    Image.fromarray(cutout(10)).save(source / name)
    (source / os.fsdecode(b"caf\xe9.txt")).write_text("a person with a strange name")
    Image.fromarray(cutout(11)).save(source / "with \\x41 and a\nline.png")
    good |= {"caf\\xe9.png", "with \\x41 and a\nline.png"}
    (source / "person_000.txt").write_text(" \n")  # an empty sidecar
    bad = {"pipe.png", "nowhere.png", "socket.webp", "long.png", "circle.png"}
    os.mkfifo(source / "pipe.png")
    (source / "nowhere.png").symlink_to("there is nothing")
    (source / "circle.png").symlink_to("circle.png")
    (source / "long.png").write_bytes(odd_pictures.LONG)
    monkeypatch.chdir(source)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.webp")
        config = BuildConfig(generator="folder", source=source, count=None, shards=2)
        report = plan_and_build(config, tmp_path / "out", workers=2)
    assert report.rejected == {"not-a-picture": 2, "unreadable": 2, "too-large": 1}
    log = (tmp_path / "out" / "rejected.jsonl").read_text()
    assert all(f'"source":"{name}"' in log for name in bad)
    samples = [
        sample for path in sorted((tmp_path / "out").rglob("*.tar"))
        for sample in read_samples(path)
    ]  # fmt: skip
    prompts = {data["source"]["file"]: data["prompt"] for data in (s.metadata for s in samples)}
    assert set(prompts) == good
    assert prompts["caf\\xe9.png"] == "a person with a strange name"
    assert prompts["person_000.png"] is None
    assert locate(source, "caf\\xe9.png") == source / name
