"""The camera, the keyer and their commands."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.cli import main
from ld_portrait_20k.matting.keying import keyer
from ld_portrait_20k.matting.keying.camera import PAINT, Camera, choose_screen, shoot
from ld_portrait_20k.matting.keying.keyer import key
from ld_portrait_20k.matting.keying.light import Screen, to_light, to_samples

from .fixtures import write

SIZE = 200


def subject(
    grey: int | tuple[int, int, int] = 120, strands: bool = True
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A disc of one colour with hair around it: foreground (SIZE, SIZE, 3) and alpha."""
    alpha = np.zeros((SIZE * 4, SIZE * 4), np.uint8)
    middle = (SIZE * 2, SIZE * 2)
    cv2.circle(alpha, middle, SIZE * 5 // 4, 255, -1)
    for angle in np.linspace(0, 2 * np.pi, 24 if strands else 0, endpoint=False):
        end = np.rint(np.array(middle) + SIZE * 1.7 * np.array([np.cos(angle), np.sin(angle)]))
        cv2.line(alpha, middle, tuple(int(v) for v in end), 255, 5)
    small = cv2.resize(alpha, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    colour = np.broadcast_to(np.array(grey, np.uint8), (SIZE, SIZE, 3)).copy()
    return colour, np.asarray(small, np.uint8)


def mad(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.abs(one.astype(float) - other).mean()) / 255


@pytest.mark.parametrize("screen", ["green", "blue"])
@pytest.mark.parametrize("colour", [120, (190, 140, 110), 15])
def test_an_ideal_camera_is_keyed_back(screen: Screen, colour: int | tuple[int, int, int]) -> None:
    foreground, alpha = subject(colour)
    keyed = key(shoot(foreground, alpha, Camera.ideal(screen)).image)
    assert keyed.screen == screen and not keyed.warnings
    assert mad(keyed.alpha, alpha) < 4e-3
    solid = cv2.erode(alpha, np.ones((5, 5))) == 255
    assert np.abs(keyed.foreground[solid].astype(int) - foreground[solid]).max() <= 3


@pytest.mark.parametrize("screen", ["green", "blue"])
def test_footage_of_an_ordinary_camera_is_keyed(screen: Screen) -> None:
    foreground, alpha = subject((150, 110, 70))
    shot = shoot(foreground, alpha, Camera(screen), seed=3)
    estimated, given_plate = key(shot.image), key(shot.image, plate=shot.plate)
    blurred = np.asarray(cv2.GaussianBlur(alpha, (0, 0), 0.7), np.uint8)
    # The lens alone costs so much; halved chroma, noise and JPEG may cost 1.5 times that.
    assert mad(estimated.alpha, alpha) < 2.5 * mad(blurred, alpha)
    assert mad(given_plate.alpha, alpha) < 2.5 * mad(blurred, alpha)
    far = cv2.dilate(alpha, np.ones((15, 15))) == 0
    assert not estimated.alpha[far].any()
    assert (estimated.alpha[cv2.erode(alpha, np.ones((9, 9))) == 255] == 255).all()


def test_spill_is_taken_out_of_grey() -> None:
    foreground, alpha = subject(120, strands=False)
    spoilt = Camera("green", 0.0, 0.3, 0.0, 0.0, 0.0, "4:4:4", None)
    shot = shoot(foreground, alpha, spoilt)
    solid = cv2.erode(alpha, np.ones((5, 5))) == 255
    before = shot.image[solid].astype(int)
    assert (before[:, 1] - before[:, 0]).max() > 12
    clean, kept = key(shot.image), key(shot.image, despill=0.0)
    assert (clean.alpha[solid] == 255).all()
    after = clean.foreground[solid].astype(int)
    assert np.ptp(after, axis=1).max() <= 3 and np.abs(after - 120).max() <= 4
    assert np.ptp(kept.foreground[solid].astype(int), axis=1).max() > 12


def test_hair_has_no_green_left() -> None:
    foreground, alpha = subject((150, 120, 80))
    keyed = key(shoot(foreground, alpha, seed=1).image)
    seen = keyed.alpha > 40
    colour = keyed.foreground[seen].astype(int)
    assert (colour[:, 1] <= colour[:, 0] + 2).mean() > 0.98


def test_an_uneven_screen_needs_no_plate() -> None:
    foreground, alpha = subject(90)
    dark = Camera("green", unevenness=0.6)
    keyed = key(shoot(foreground, alpha, dark, seed=5).image)
    far = cv2.dilate(alpha, np.ones((15, 15))) == 0
    assert not keyed.alpha[far].any()
    even = key(shoot(foreground, alpha, Camera("green", unevenness=0.0), seed=5).image)
    assert mad(keyed.alpha, alpha) < 1.25 * mad(even.alpha, alpha)


def test_a_plate_of_another_exposure_is_matched() -> None:
    foreground, alpha = subject(90)
    shot = shoot(foreground, alpha, Camera.ideal())
    brighter = to_samples(to_light(shot.plate) * np.float32(1.3))
    assert mad(key(shot.image, plate=brighter).alpha, key(shot.image).alpha) < 2e-3


def test_green_clothes_are_kept_and_warned_of() -> None:
    foreground, alpha = subject(120, strands=False)
    foreground[SIZE // 2 :, :] = (40, 110, 60)
    keyed = key(shoot(foreground, alpha).image)
    assert any("green screen" in text and "--core" in text for text in keyed.warnings)
    deep = cv2.erode(alpha, np.ones((31, 31))) == 255
    assert (keyed.alpha[deep] == 255).all()
    whole = key(shoot(foreground, alpha).image, core=alpha).alpha
    assert (whole[alpha == 255] == 255).all()


def test_a_garbage_matte_takes_things_out() -> None:
    foreground, alpha = subject()
    garbage = np.zeros_like(alpha)
    garbage[: SIZE // 2] = 255
    assert not key(shoot(foreground, alpha).image, garbage=garbage).alpha[: SIZE // 2].any()


def test_an_operator_does_not_shoot_green_on_green() -> None:
    assert choose_screen(*subject((60, 140, 70))) == "blue"
    assert choose_screen(*subject((60, 70, 150))) == "green"


def test_bands_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    foreground, alpha = subject((150, 120, 80))
    image = shoot(foreground, alpha, seed=2).image
    whole = key(image)
    monkeypatch.setattr(keyer, "_BAND", 64 * SIZE)
    banded = key(image)
    assert np.abs(banded.alpha.astype(int) - whole.alpha).max() <= 1
    assert np.abs(banded.foreground.astype(int) - whole.foreground).max() <= 2


@settings(max_examples=15, deadline=None)
@given(
    screen=st.sampled_from(["green", "blue"]),
    grey=st.integers(0, 255),
    seed=st.integers(0, 10_000),
    place=st.tuples(st.integers(20, 60), st.integers(20, 60), st.integers(24, 40)),
)
def test_grey_stays_opaque_and_screen_vanishes(
    screen: Screen, grey: int, seed: int, place: tuple[int, int, int]
) -> None:
    top, left, side = place
    alpha = np.zeros((120, 130), np.uint8)
    alpha[top : top + side, left : left + side] = 255
    foreground = np.full((120, 130, 3), grey, np.uint8)
    keyed = key(shoot(foreground, alpha, Camera(screen), seed=seed).image, screen)
    inside = cv2.erode(alpha, np.ones((13, 13))) == 255
    assert (keyed.alpha[inside] == 255).all()
    far = cv2.dilate(alpha, np.ones((35, 35))) == 0  # JPEG smears chroma over 16 px
    assert not keyed.alpha[far].any()
    drift = np.ptp(keyed.foreground[inside].astype(int), axis=1)
    assert np.median(drift) <= 12  # what JPEG and noise leave on grey


@settings(max_examples=15, deadline=None)
@given(
    colour=st.tuples(*[st.integers(0, 255)] * 3),
    deep=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_any_picture_gives_a_picture_or_an_error(
    colour: tuple[int, int, int], deep: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    image = np.clip(rng.normal(colour, 40, (40, 50, 3)), 0, 255).astype(np.uint8)
    given_picture = image.astype(np.uint16) * 257 if deep else image
    try:
        keyed = key(given_picture)
    except PortraitError as problem:
        assert "try:" in str(problem)
        return
    assert keyed.alpha.shape == (40, 50) and keyed.alpha.dtype == given_picture.dtype
    assert keyed.foreground.shape == image.shape


@pytest.mark.parametrize("screen", ["green", "blue"])
def test_a_pure_screen_becomes_nothing(screen: Screen) -> None:
    flat = np.broadcast_to(np.array(PAINT[screen], np.uint8), (50, 60, 3)).copy()
    assert not key(flat).alpha.any()
    noisy = shoot(flat, np.zeros((50, 60), np.uint8), Camera(screen)).image
    assert not key(noisy).alpha.any()


def test_16_bits_are_kept_by_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreground, alpha = subject((150, 120, 80))
    shot = shoot(foreground, alpha, Camera.ideal())
    write(tmp_path / "in" / "deep.png", shot.image.astype(np.uint16) * 257)
    assert main(["key", str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["written"] == 1
    found = cv2.imread(str(tmp_path / "out" / "deep.png"), cv2.IMREAD_UNCHANGED)
    assert found is not None and found.dtype == np.uint16 and found.shape == (SIZE, SIZE, 4)
    assert mad(np.asarray(found[..., 3] // 257, np.uint8), alpha) < 4e-3
    assert main(["key", str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["skipped"] == 1


def test_shoot_and_key_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "two"):
        foreground, alpha = subject((160, 120, 90) if name == "one" else 60)
        write(tmp_path / "cutouts" / f"{name}.png", np.dstack([foreground, alpha]))
    shots, keyed = tmp_path / "shots", tmp_path / "keyed"
    assert main(["shoot", str(tmp_path / "cutouts"), "--output", str(shots)]) == 0
    assert {p.name for p in (shots / "footage").iterdir()} == {"one.jpg", "two.jpg"}
    with Image.open(shots / "truth" / "one.png") as truth:
        assert truth.mode == "RGBA"
    command = ["key", str(shots / "footage"), "--output", str(keyed)]
    assert main([*command, "--plate", str(shots / "plate")]) == 0
    capsys.readouterr()
    judge = ["evaluate", "--pred", str(keyed), "--truth", str(shots / "truth"), "--json"]
    assert main(judge) == 0
    assert '"mad"' in capsys.readouterr().out.lower()
    before = (keyed / "one.png").stat().st_mtime_ns
    assert main([*command, "--plate", str(shots / "plate")]) == 0
    assert (keyed / "one.png").stat().st_mtime_ns == before
    assert main(command) == 0  # without plates: other options, so it is keyed again
    assert (keyed / "one.png").stat().st_mtime_ns != before
    assert main(["shoot", str(tmp_path / "cutouts"), "--output", str(shots)]) == 0
    assert "2 there already" in capsys.readouterr().out


def test_another_camera_leaves_one_picture_of_a_name(tmp_path: Path) -> None:
    """JPEG and PNG of one name lay side by side, and key refused both."""
    cutouts, shots = tmp_path / "cutouts", tmp_path / "shots"
    write(cutouts / "a.png", np.dstack(subject()))
    for more, left in (([], "a.jpg"), (["--jpeg", "0"], "a.png"), ([], "a.jpg")):
        assert main(["shoot", str(cutouts), "--output", str(shots), *more]) == 0
        assert [path.name for path in (shots / "footage").iterdir()] == [left]
    assert main(["key", str(shots / "footage"), "--output", str(tmp_path / "keyed")]) == 0


@pytest.mark.parametrize("place", ["footage/a.jpg", "footage/a.png", "plate/a.png", "truth/a.png"])
def test_shoot_replaces_nothing_that_it_did_not_make(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    cutouts, shots = tmp_path / "cutouts", tmp_path / "shots"
    write(cutouts / "a.png", np.dstack(subject()))
    other = write(shots / place, subject()[0])
    content = other.read_bytes()
    assert main(["shoot", str(cutouts), "--output", str(shots)]) == 1
    assert f"{other}: shoot did not make it; try:" in capsys.readouterr().err
    assert [p for p in shots.rglob("*") if p.is_file()] == [other]
    assert other.read_bytes() == content


@pytest.mark.parametrize("below", [".", "shots"])
def test_shoot_refuses_results_among_its_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], below: str
) -> None:
    """The next run would shoot them too."""
    cutouts = tmp_path / "cutouts"
    write(cutouts / "a.png", np.dstack(subject()))
    assert main(["shoot", f"mine={cutouts}", "--output", str(cutouts / below)]) == 1
    assert "the results would be taken for data; try: an --output" in capsys.readouterr().err
    assert [path.name for path in cutouts.rglob("*")] == ["a.png"]


def test_what_cannot_be_keyed_is_one_line_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreground, alpha = subject()
    write(tmp_path / "in" / "good.png", shoot(foreground, alpha).image)
    write(tmp_path / "in" / "plain.png", np.full((60, 60, 3), 128, np.uint8))
    command = ["key", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    assert main(command) == 1
    problem = capsys.readouterr().err.strip()
    assert (
        problem.startswith("error: ") and "plain.png" in problem and "no green or blue" in problem
    )
    assert "\n" not in problem
    assert (tmp_path / "out" / "good.png").exists()
    assert not (tmp_path / "out" / "plain.png").exists()


def test_a_plate_of_another_size_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreground, alpha = subject()
    picture = write(tmp_path / "shot.png", shoot(foreground, alpha).image)
    plate = write(tmp_path / "empty.png", shoot(foreground, alpha).plate[:-10])
    command = ["key", str(picture), "--output", str(tmp_path / "out"), "--plate"]
    assert main([*command, str(plate)]) == 1
    problem = capsys.readouterr().err
    assert "empty.png is 200x190" in problem and "shot.png is 200x200" in problem
    assert main([*command, str(tmp_path / "none.png")]) == 1
    assert "none.png: no such file" in capsys.readouterr().err


def test_a_file_of_other_origin_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    foreground, alpha = subject()
    picture = write(tmp_path / "shot.png", shoot(foreground, alpha).image)
    other = write(tmp_path / "out" / "shot.png", foreground)
    content = other.read_bytes()
    command = ["key", str(picture), "--output", str(tmp_path / "out")]
    assert main(command) == 0
    assert other.read_bytes() == content and "--overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == 0
    assert other.read_bytes() != content


def test_no_result_falls_on_a_plate_or_mask(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = shoot(*subject())
    picture = write(tmp_path / "shots" / "a.png", shot.image)
    plate = write(tmp_path / "plates" / "a.png", shot.plate)
    before = picture.read_bytes(), plate.read_bytes()
    for more in (["--output", str(plate.parent)], ["--output", str(picture.parent)]):
        command = ["key", str(picture), "--plate", str(plate.parent), "--overwrite"]
        assert main([*command, *more]) == 1
        assert "would overwrite" in capsys.readouterr().err
    assert (picture.read_bytes(), plate.read_bytes()) == before
