"""What ``refine`` takes and gives back."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from refinement import RefinedMatte, RefinementError, refine
from refinement.io import pictures
from tests.processes import ROOT
from tests.refinement import synthetic

torch = pytest.importorskip("torch")
PROFILE = b"not a real profile, but kept byte for byte" * 9


@pytest.fixture(scope="module")
def rgba() -> NDArray[np.uint8]:
    subject = synthetic.subject(3, (96, 112), hair="wavy")
    return subject.rgba(synthetic.damage_multiplied(subject.alpha, 3))


@pytest.fixture(scope="module")
def eight(rgba: NDArray[np.uint8]) -> RefinedMatte:
    return refine(rgba)


def same(one: RefinedMatte, other: RefinedMatte) -> bool:
    return np.array_equal(one.rgba, other.rgba) and one.report == other.report


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble", ">f4"])
def test_floats_of_any_width(rgba: NDArray[np.uint8], eight: RefinedMatte, dtype: str) -> None:
    result = refine((rgba / 255).astype(dtype))
    assert result.foreground.dtype == np.uint16
    # float16 is exact to 1/4096 near 1, which moves thresholds by less than one of 255.
    assert np.abs(result.alpha - eight.alpha).max() < (1.5 / 255 if dtype == "float16" else 1e-4)
    assert np.abs(result.foreground / 257 - eight.foreground).max() < 1.1


@pytest.mark.parametrize("dtype", ["int16", "uint32", "int32", "uint64", "int64", ">i4"])
def test_eight_bits_in_wider_integers(
    rgba: NDArray[np.uint8], eight: RefinedMatte, dtype: str
) -> None:
    assert same(refine(rgba.astype(dtype)), eight)


@pytest.mark.parametrize("dtype", [">u2", "uint32", "int32", "uint64", "int64"])
def test_sixteen_bits_in_other_integers(rgba: NDArray[np.uint8], dtype: str) -> None:
    deep = rgba.astype(np.uint16) * 257
    assert same(refine(deep.astype(dtype)), refine(deep))


def test_sixteen_bits_agree_with_eight(rgba: NDArray[np.uint8], eight: RefinedMatte) -> None:
    sixteen = refine(rgba.astype(np.uint16) * 257)
    assert sixteen.rgba.dtype == np.uint16 and eight.rgba.dtype == np.uint8
    assert np.abs(eight.alpha - sixteen.alpha).max() < 1e-4
    assert set(np.unique(eight.trimap)) == {0, 128, 255}


def test_views_are_taken(rgba: NDArray[np.uint8]) -> None:
    for view in (rgba[:, ::-1], rgba[::-1], rgba.transpose(1, 0, 2), np.asfortranarray(rgba)):
        assert same(refine(view), refine(np.ascontiguousarray(view)))
    planes = np.ascontiguousarray(rgba.transpose(2, 0, 1))
    assert same(refine(planes, layout="CHW"), refine(rgba))


def with_values(dtype: str, colour: float, alpha: float) -> NDArray[Any]:
    picture = np.zeros((32, 32, 4), dtype)
    picture[8:24, 8:24] = (*[colour] * 3, alpha)
    return picture


@pytest.mark.parametrize(
    ("given", "mend"),
    [
        (np.zeros((32, 32, 4), bool), "astype(np.uint8) * 255"),
        (np.zeros((32, 32, 4), np.int8), "astype(np.uint8)"),
        (np.zeros((32, 32, 4), complex), "uint8, uint16 or float32"),
        (np.zeros((32, 32, 4), object), "tolist()"),
        (with_values("int64", 1, 1), "float32 of 0 to 1"),
        (with_values("int64", 200, 1), "float32 of 0 to 1"),
        (with_values("int64", 40_000, 255), "both as uint8"),
        (with_values("int64", 200, 65535), "both as uint8"),
        (with_values("int64", 200, 70_000), "0 to 65535"),
        (with_values("int64", -1, 255), "0 to 65535"),
        (with_values("int16", 30_000, 32_767), "uint16 of 0 to 65535"),
        (with_values("float32", 1.001, 1.0), "np.clip(rgba, 0, 1)"),
        (with_values("float32", -0.001, 1.0), "np.clip(rgba, 0, 1)"),
        (with_values("float32", 200.0, 255.0), "rgba / 255"),
        (with_values("float64", 200.0, 65535.0), "rgba / 65535"),
        (with_values("float32", 200.0, 1.0), "rgba[..., :3] /= 255"),
        (with_values("float32", 0.5, np.nan), "np.nan_to_num"),
        (with_values("float16", 0.5, np.inf), "np.nan_to_num"),
        (np.zeros((32, 32, 3), np.uint8), "np.dstack([rgb, alpha])"),
        (np.zeros((32, 32), np.uint8), "np.dstack([rgb, alpha])"),
        (np.zeros((4, 32, 32), np.uint8), "layout='CHW'"),
        (np.zeros((32, 32, 5), np.uint8), "(H, W, 4)"),
        (np.zeros((2, 2, 32, 32, 4), np.uint8), "(N, H, W, 4)"),
        (np.zeros((0, 32, 4), np.uint8), "one with pixels"),
        (torch.zeros(4, 32, 4), "layout='HWC' or layout='CHW'"),
        (torch.zeros(3, 32, 32), "several as (N, H, W, 4)"),
        (torch.zeros(32, 32, 4, dtype=torch.bool), "astype(np.uint8) * 255"),
        (torch.zeros(32, 32, 4).to_sparse(), "dense tensor"),
        (torch.zeros(32, 32, 4, device="meta"), "dense tensor"),
        (Image.new("RGB", (32, 32)), "putalpha"),
        (Image.new("RGBA", (0, 32)), "with pixels"),
        (b"\x89PNG", "a path"),
        (None, "a path"),
        (7, "a path"),
        ("nowhere.png", "another path"),
        ("zero\0byte.png", "another path"),
        (os.curdir, "python -m refinement"),
    ],
)
def test_what_is_not_clear_is_refused_with_a_way_to_mend_it(given: Any, mend: str) -> None:
    with pytest.raises(RefinementError) as caught:
        refine(given)
    message = str(caught.value)
    assert mend in message.partition("; try: ")[2]
    assert "\n" not in message


def test_other_arguments_are_named_too(rgba: NDArray[np.uint8]) -> None:
    wrong: Any = "WHC"
    with pytest.raises(RefinementError, match="try: 'HWC' or 'CHW'"):
        refine(rgba, layout=wrong)
    with pytest.raises(RefinementError, match="try: levels, holes, colour"):
        refine(rgba, without="everything")
    with pytest.raises(RefinementError, match="layout='HWC'"):
        refine(rgba, layout="CHW")


def test_tensors(rgba: NDArray[np.uint8], eight: RefinedMatte) -> None:
    tensor = torch.from_numpy(rgba)
    assert same(refine(tensor), eight)
    assert same(refine(tensor.permute(2, 0, 1)), eight)
    assert same(refine(tensor.permute(2, 0, 1).contiguous(), layout="CHW"), eight)
    assert same(refine(tensor.long()), eight)
    floating = (tensor / 255).requires_grad_()
    assert same(refine(floating), refine(rgba.astype(np.float32) / np.float32(255)))
    half = (tensor / 255).to(torch.bfloat16)  # 8 bits of precision
    assert np.abs(refine(half).alpha - eight.alpha).mean() < 2 / 255
    narrow = rgba[:4]  # four rows: the first axis may be the channels, too
    assert same(refine(torch.from_numpy(narrow), layout="HWC"), refine(narrow))


def test_pil_images(rgba: NDArray[np.uint8], eight: RefinedMatte) -> None:
    image = Image.fromarray(rgba)
    assert same(refine(image), eight)
    for mode in ("LA", "PA", "RGBa", "La"):
        source = image.convert("LA") if mode == "La" else image
        changed = source.convert(mode)
        straight = changed.convert("LA") if mode == "La" else changed
        assert same(refine(changed), refine(np.asarray(straight.convert("RGBA"))))
    keyed = Image.fromarray(np.where(rgba[..., 3] > 128, 200, 7).astype(np.uint8))
    keyed.info["transparency"] = 7
    assert refine(keyed).alpha.max() == 1 and refine(keyed).alpha.min() == 0


def test_a_turned_file_is_upright_as_a_path_and_as_an_image(
    rgba: NDArray[np.uint8], eight: RefinedMatte, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    path = tmp_path / "turned.png"
    Image.fromarray(np.ascontiguousarray(rgba[::-1, ::-1])).save(path, exif=exif)
    assert same(refine(path), eight) and same(refine(str(path)), eight)
    with Image.open(path) as image:
        assert same(refine(image), eight)


def test_broken_files_and_images_are_named(rgba: NDArray[np.uint8], tmp_path: Path) -> None:
    whole = io.BytesIO()
    Image.fromarray(rgba).save(whole, "PNG")
    path = tmp_path / "cut.png"
    path.write_bytes(whole.getvalue()[: whole.tell() // 2])
    with pytest.raises(RefinementError, match=r"cut\.png: broken.*; try: "):
        refine(path)
    with Image.open(path) as image, pytest.raises(RefinementError, match=r"cannot be read.*; try"):
        refine(image)


def test_batches_give_lists(rgba: NDArray[np.uint8], eight: RefinedMatte, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(rgba).save(path)
    mixed = refine([rgba, path, Image.fromarray(rgba), torch.from_numpy(rgba)])
    assert len(mixed) == 4 and all(same(one, eight) for one in mixed)
    flipped = np.ascontiguousarray(rgba[::-1])
    stack = np.stack([rgba, flipped])
    tensor = torch.from_numpy(stack)
    batches: tuple[Any, ...] = (stack, (rgba, flipped), tensor, tensor.permute(0, 3, 1, 2))
    for batch in batches:
        first, second = refine(batch)
        assert same(first, eight) and same(second, refine(flipped))
    assert len(refine(stack[:1])) == 1  # type: ignore[arg-type]  # typed as one picture
    nothing: list[Path] = []
    assert refine(nothing) == []
    with pytest.raises(RefinementError, match=r"picture 2 of 2: .* shape .* got"):
        refine([rgba, rgba[..., :3]])


@pytest.mark.parametrize("bits", [8, 16])
def test_a_result_is_saved_with_the_depth_of_its_input(
    rgba: NDArray[np.uint8], bits: int, tmp_path: Path
) -> None:
    given = rgba if bits == 8 else rgba.astype(np.uint16) * 257 - 1 * (rgba > 0).astype(np.uint16)
    result = refine(given)
    result.save(tmp_path / "new" / "a.PNG")
    stored = cv2.imread(str(tmp_path / "new" / "a.PNG"), cv2.IMREAD_UNCHANGED)
    assert stored is not None and stored.dtype == given.dtype
    assert np.array_equal(cv2.cvtColor(stored, cv2.COLOR_BGRA2RGBA), result.rgba)
    assert np.array_equal(result.rgba[..., :3], result.foreground)
    limit = 2**bits - 1
    assert np.abs(result.rgba[..., 3] / limit - result.alpha).max() < 0.51 / limit
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["a.PNG"]


def test_saving_keeps_the_profile_and_says_what_is_wrong(
    rgba: NDArray[np.uint8], eight: RefinedMatte, tmp_path: Path
) -> None:
    source = tmp_path / "source.png"
    Image.fromarray(rgba).save(source, icc_profile=PROFILE)
    with Image.open(source) as image:
        for given in (source, image):
            refine(given).save(tmp_path / "out.png")
            assert pictures.read((tmp_path / "out.png").read_bytes()).profile == PROFILE
    with pytest.raises(RefinementError, match=r"out\.jpg: .*; try: .*out\.png"):
        eight.save(tmp_path / "out.jpg")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OSError, match=r"folder\.png"):
        eight.save(tmp_path / "folder.png")
    with pytest.raises(OSError, match=r"source\.png/a\.png"):
        eight.save(source / "a.png")


def test_a_result_is_shown_in_one_line(eight: RefinedMatte) -> None:
    confidence = f"confidence {eight.report.confidence:.2f}"
    assert repr(eight) == f"<RefinedMatte 112 x 96, 8 bit, {confidence}>"
    nothing = refine(np.zeros((32, 40, 4), np.uint16))
    assert repr(nothing) == "<RefinedMatte 40 x 32, 16 bit, confidence 0.00, rejected: empty>"


def test_arrays_import_neither_torch_nor_pil() -> None:
    script = (
        "import sys, numpy, refinement\n"
        "refinement.refine(numpy.zeros((32, 32, 4), numpy.uint8))\n"
        "print([name for name in ('torch', 'PIL.Image') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"
