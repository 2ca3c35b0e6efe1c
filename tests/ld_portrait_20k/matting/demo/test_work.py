"""What the page does, without the page."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ld_portrait_20k.compositing import composite
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting import load
from ld_portrait_20k.matting.demo import backgrounds, choices, clips, pictures, strokes, telling
from ld_portrait_20k.matting.models.registry import MODELS
from ld_portrait_20k.matting.video.reading import open_frames
from tests.ld_portrait_20k.matting.fixtures import scene, write
from tests.ld_portrait_20k.matting.video import moving

HEIGHT, WIDTH = 120, 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    parts = scene(1, HEIGHT, WIDTH)
    write(tmp_path / "photo.png", parts["image"])
    write(tmp_path / "mask.png", np.where(parts["alpha"] > 127, 255, 0).astype(np.uint8))
    write(tmp_path / "trimap.png", parts["trimap"])
    return tmp_path


def layer(*marks: tuple[int, int, int, int, int], height: int = HEIGHT, width: int = WIDTH) -> dict:
    """An editor's value: a brush's value, and where it painted a rectangle."""
    result = np.zeros((height, width, 4), np.uint8)
    for value, left, top, right, bottom in marks:
        colour = [int(strokes.BRUSHES[value][at : at + 2], 16) for at in (1, 3, 5)]
        result[top:bottom, left:right] = (*colour, 255)
    return {"background": None, "layers": [result], "composite": None}


def error_of(alpha: np.ndarray) -> float:
    return float(np.abs(alpha.astype(int) - scene(1, HEIGHT, WIDTH)["alpha"]).mean())


def test_a_trimap_file_gives_alpha_cut_out_and_composite(folder: Path) -> None:
    upload = pictures.read_upload(folder / "photo.png")
    upload = pictures.with_trimap(upload, pictures.TRIMAP, guide=folder / "trimap.png")
    result = pictures.cut_out(upload, load("closed-form"))
    assert error_of(result.alpha) < 3
    assert result.said.startswith(f"{WIDTH} x {HEIGHT}, ") and "closed-form" in result.said

    alpha, rgba = pictures.write_alpha_and_cut_out(result, folder / "out")
    assert (alpha.name, rgba.name) == ("photo-alpha.png", "photo-cutout.png")
    assert np.array_equal(np.asarray(Image.open(alpha)), result.alpha)
    assert np.array_equal(np.asarray(Image.open(rgba))[..., 3], result.alpha)

    behind = backgrounds.background(backgrounds.COLOUR, "#204060", None, result.alpha.shape)
    composed = result.over(behind)
    truth = scene(1, HEIGHT, WIDTH)
    wanted = composite(truth["foreground"], truth["alpha"], np.full_like(composed, (32, 64, 96)))
    assert np.abs(composed.astype(int) - wanted).mean() < 4
    path = pictures.write_composite(result, composed, folder / "out")
    assert np.array_equal(np.asarray(Image.open(path)), composed)


def test_masks_and_bands(folder: Path) -> None:
    upload = pictures.read_upload(folder / "photo.png")
    shares = []
    for band in (3.0, 8.0):
        made = pictures.with_trimap(
            upload, pictures.MASK, guide=folder / "mask.png", band=band
        ).trimap
        assert made is not None and set(np.unique(made)) == {0, 128, 255}
        shares.append(float((made == 128).mean()))
    assert shares[1] > 2 * shares[0]


def test_strokes_alone_are_a_trimap(folder: Path) -> None:
    upload = pictures.read_upload(folder / "photo.png")
    marks = layer((255, 40, 80, 60, 118), (0, 0, 0, 100, 12), (0, 0, 0, 8, 60), (0, 92, 0, 100, 60))
    painted = strokes.painted(marks, upload.picture.shape)
    assert painted is not None
    result = pictures.cut_out(upload, load("closed-form"), painted)
    assert (result.alpha[82:116, 42:58] == 255).all() and (result.alpha[:12] == 0).all()
    assert error_of(result.alpha) < 20  # an empty matte: over 80


def test_strokes_count_over_a_file(folder: Path) -> None:
    upload = pictures.read_upload(folder / "photo.png")
    marks = layer((0, 45, 90, 55, 100), (128, 60, 90, 70, 100))
    painted = strokes.painted(marks, upload.picture.shape)
    made = pictures.with_trimap(
        upload, pictures.MASK, guide=folder / "mask.png", painted=painted
    ).trimap
    assert made is not None
    assert (made[90:100, 45:55] == 0).all() and (made[90:100, 60:70] == 128).all()
    assert made[105, 50] == 255


def test_strokes_on_a_reduced_view_are_as_large_as_the_picture() -> None:
    small = layer((255, 10, 20, 30, 40), height=HEIGHT, width=WIDTH)
    painted = strokes.painted(small, (HEIGHT * 4, WIDTH * 4, 3))
    assert painted is not None and painted.shape == (HEIGHT * 4, WIDTH * 4)
    assert (painted[80:160, 40:120] == 255).all()
    assert (painted == 255).sum() == 80 * 80


def test_the_rim_between_two_strokes_is_unknown() -> None:
    value = layer((255, 0, 0, 50, 60), (0, 51, 0, 100, 60))
    green, red = (value["layers"][0][0, at].astype(int) for at in (0, 90))
    value["layers"][0][:60, 50] = (green + red) // 2
    painted = strokes.painted(value, (HEIGHT, WIDTH, 3))
    assert painted is not None and (painted[:60, 50] == 128).all()
    assert strokes.painted({"layers": [np.zeros((9, 9, 4), np.uint8)]}, (9, 9, 3)) is None
    assert strokes.painted(None, (9, 9, 3)) is None


def test_grabcut_finds_the_person_from_strokes(folder: Path) -> None:
    upload = pictures.read_upload(folder / "photo.png")
    marks = layer((255, 40, 80, 60, 118), (0, 0, 0, 100, 8))
    painted = strokes.painted(marks, upload.picture.shape)
    found = pictures.with_trimap(
        upload, pictures.SEGMENTER, segmenter=choices.GRABCUT, painted=painted
    )
    assert error_of(pictures.cut_out(found, load("closed-form")).alpha) < 15
    with pytest.raises(PortraitError, match="paint some strokes on the person"):
        pictures.with_trimap(upload, pictures.SEGMENTER, segmenter=choices.GRABCUT)


def test_large_pictures_are_shown_reduced_with_their_trimap() -> None:
    picture = np.zeros((1000, 3000, 3), np.uint8)
    trimap = np.zeros((1000, 3000), np.uint8)
    trimap[:, 2000:] = 255
    shown = strokes.tinted(picture, trimap)
    assert shown.shape == (341, 1024, 3)
    assert shown[100, 100, 0] > shown[100, 100, 1] and shown[100, 900, 1] > shown[100, 900, 0]


class Trimapless:
    """A model that takes the picture alone."""

    name, licence, needs_trimap = "alone", "", False

    def __call__(self, image: np.ndarray, trimap: np.ndarray | None = None) -> np.ndarray:
        assert trimap is None
        return image[..., 0]


def test_models_with_and_without_trimap(folder: Path) -> None:
    upload = pictures.read_upload(folder / "photo.png")
    with pytest.raises(PortraitError, match="guided-filter needs a trimap; try: paint"):
        pictures.cut_out(upload, load("guided-filter"))
    with pytest.raises(PortraitError, match=r"no background \(red\) is painted"):
        marks = strokes.painted(layer((255, 0, 0, 9, 9)), upload.picture.shape)
        pictures.cut_out(upload, load("guided-filter"), marks)
    result = pictures.cut_out(upload, Trimapless())
    assert "takes no trimap" not in result.said
    assert np.abs(result.alpha.astype(int) - upload.picture[..., 0]).max() <= 1
    marked = pictures.with_trimap(upload, pictures.TRIMAP, guide=folder / "trimap.png")
    assert "takes no trimap" in pictures.cut_out(marked, Trimapless()).said


def test_only_models_that_run_here_are_offered(tmp_path: Path) -> None:
    offered = choices.usable_models()
    assert {"closed-form", "guided-filter"} <= set(offered)
    assert not {"vitmatte-small", "portrait-unet"} & set(offered)  # no weights ship
    assert offered[0] == ("hint-unet" if MODELS["hint-unet"].shipped else "closed-form")
    assert choices.usable_models(["mine"])[0] == "mine"
    for wrong in ("", "no-such-model", "owner/name", str(tmp_path / "absent")):
        with pytest.raises(PortraitError, match="try: one of"):
            choices.open_model(wrong)
    with pytest.raises(PortraitError):
        choices.open_model(str(tmp_path))  # a folder without a model


@pytest.mark.parametrize("kind", ["truncated", "text", "postscript", "huge", "colour mask"])
def test_bad_pictures_are_one_line(folder: Path, kind: str) -> None:
    whole = (folder / "photo.png").read_bytes()
    path = folder / "bad.png"
    if kind == "huge":
        Image.new("1", (9000, 9000)).save(path)
    elif kind != "colour mask":
        content = {
            "truncated": whole[: len(whole) // 3],
            "text": b"<svg onload=alert(1)>",
            "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        }
        path.write_bytes(content[kind])
    with pytest.raises(PortraitError) as raised:
        if kind == "colour mask":
            upload = pictures.read_upload(folder / "photo.png")
            pictures.with_trimap(upload, pictures.MASK, guide=folder / "photo.png")
        pictures.read_upload(path)
    assert "\n" not in str(raised.value)


def test_sizes_that_differ_are_named(folder: Path) -> None:
    write(folder / "small.png", scene(1, 60, 50)["trimap"])
    upload = pictures.read_upload(folder / "photo.png")
    with pytest.raises(PortraitError, match=r"small\.png is 50x60 but photo\.png is 100x120"):
        pictures.with_trimap(upload, pictures.TRIMAP, guide=folder / "small.png")
    with pytest.raises(PortraitError, match="no mask yet"):
        pictures.with_trimap(upload, pictures.MASK)


def test_backgrounds(folder: Path) -> None:
    found = backgrounds.background(
        backgrounds.COLOUR, "rgba(255.0, 127.6, 0.2, 1)", None, (4, 4)
    ).fit(4, 4)
    assert (found == (255, 128, 0)).all()
    board = backgrounds.background(backgrounds.CHECKER, None, None, (80, 40)).fit(80, 40)
    assert len(np.unique(board)) == 2 and board[0, 0, 0] != board[0, 2, 0]
    picture = backgrounds.background(backgrounds.PICTURE, None, folder / "photo.png", (30, 30)).fit(
        30, 30
    )
    assert picture.shape == (30, 30, 3)
    with pytest.raises(PortraitError, match="no background picture yet"):
        backgrounds.background(backgrounds.PICTURE, None, None, (4, 4))
    with pytest.raises(PortraitError, match="neither a colour"):
        backgrounds.background(backgrounds.COLOUR, "no colour", None, (4, 4))


def test_problems_are_told_without_folders_and_markup(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "<b>x.png"
    line = telling.bad(PortraitError(f"{path}: not\na picture"), [path])
    assert r"&lt;b&gt;x.png: not\na picture" in line and str(folder) not in line
    assert not capsys.readouterr().err
    assert "KeyError" in telling.bad(KeyError("surprise"))
    assert "surprise" in capsys.readouterr().err  # the whole of it, for the terminal


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``clip.mp4`` (6 frames, sound), ``masks.mp4`` and ``mask.png``."""
    folder = tmp_path_factory.mktemp("clip")
    frames, alphas = moving.scene(6)
    moving.save_clip(folder / "clip.mp4", frames, sound="aac")
    hard = [np.where(alpha >= 128, np.uint8(255), np.uint8(0)) for alpha in alphas]
    moving.save_clip(folder / "masks.mp4", [np.dstack([mask] * 3) for mask in hard])
    write(folder / "mask.png", hard[0])
    return folder


def test_a_clip_of_masks_gives_three_clips(clip: Path, tmp_path: Path) -> None:
    opened = clips.read_clip(clip / "clip.mp4")
    assert opened.said == "96 x 72, 6 frames, 25 a second, with sound"
    segmenter = clips.segmenter_of(opened, choices.MASKS, guide=clip / "masks.mp4")
    steps = list(clips.matte_clip(opened, segmenter, load("guided-filter"), tmp_path))
    assert [step.frames for step in steps] == [1, 2, 3, 4, 5, 6, 6]
    assert {step.total for step in steps} == {6}
    assert all(step.results is None for step in steps[:-1])
    results = steps[-1].results
    assert results is not None
    alpha, cut, composed = results
    assert [path.name for path in (alpha, cut, composed)] == [
        "clip-alpha.mp4", "clip-cutout.webm", "clip-composite.mp4",
    ]  # fmt: skip
    _, alphas = moving.scene(6)
    mattes = [frame.colour[..., 0] for frame in open_frames(alpha)]
    error = np.mean([np.abs(m.astype(int) - a).mean() for m, a in zip(mattes, alphas, strict=True)])
    assert error < 6
    assert all(frame.alpha is not None for frame in open_frames(cut))
    assert open_frames(composed).info.audio
    assert next(iter(open_frames(composed))).colour[0, 0].min() > 245  # white
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_the_first_frame_may_be_painted(clip: Path) -> None:
    opened = clips.read_clip(clip / "clip.mp4", start=0.08)
    marks = layer((255, 24, 32, 36, 50), (0, 70, 0, 96, 72), (0, 0, 0, 70, 8), height=72, width=96)
    painted = strokes.painted(marks, opened.first.shape)
    for guide in (None, clip / "mask.png"):
        segmenter = clips.segmenter_of(opened, choices.FIRST_MASK, guide=guide, painted=painted)
        assert segmenter.name == "first-mask"
    with pytest.raises(PortraitError, match="paint some strokes on the person"):
        clips.segmenter_of(opened, choices.FIRST_MASK)
    with pytest.raises(PortraitError, match="no masks yet"):
        clips.segmenter_of(opened, choices.MASKS)


def test_a_clip_can_be_stopped(clip: Path, tmp_path: Path) -> None:
    opened = clips.read_clip(clip / "clip.mp4")
    segmenter = clips.segmenter_of(opened, choices.FIRST_MASK, guide=clip / "mask.png")
    work = clips.matte_clip(opened, segmenter, load("guided-filter"), tmp_path)
    assert next(iter(work)).frames == 1
    assert isinstance(work, Generator)
    work.close()
    assert not list(tmp_path.glob("*.mp4"))


def test_clips_without_anybody_and_odd_sizes(clip: Path, tmp_path: Path) -> None:
    frames, _ = moving.scene(3, 71, 95)
    path = moving.save_clip(tmp_path / "odd.mkv", frames, pixels="yuv444p")
    opened = clips.read_clip(path)
    black = np.zeros((71, 95), np.uint8)
    black[40:60, 30:50] = 255
    write(tmp_path / "mask.png", black)
    segmenter = clips.segmenter_of(opened, choices.FIRST_MASK, guide=tmp_path / "mask.png")
    *_, last = clips.matte_clip(
        opened, segmenter, load("guided-filter"), tmp_path, background="red"
    )
    assert last.results is not None and last.results[2].name == "odd-composite.webm"

    class Nobody:
        name = "nobody"

        def __call__(self, frame: object, last: object) -> NDArray[np.uint8]:
            return np.zeros((71, 95), np.uint8)

    with pytest.raises(PortraitError, match="nobody was found in any of its 3 frames"):
        list(clips.matte_clip(opened, Nobody(), load("guided-filter"), tmp_path / "none"))


@pytest.mark.parametrize(
    "content",
    [
        b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"\0\0\0\x18ftypisom broken",
        b"",
    ],
)
def test_playlists_and_broken_clips_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(PortraitError, match=r"clip\.mp4: "):
        clips.read_clip(path)


def test_tiffs_and_webps_are_pictures(folder: Path) -> None:
    image = scene(1, HEIGHT, WIDTH)["image"]
    for suffix in ("tif", "webp", "bmp"):
        cv2.imwrite(str(folder / f"p.{suffix}"), image[..., ::-1])
        assert pictures.read_upload(folder / f"p.{suffix}").picture.shape == image.shape
