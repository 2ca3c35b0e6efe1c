"""Segmenters that need weights, on tiny ones of the real format; and what ``auto`` takes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.cli import main
from ld_portrait_20k.matting.video.chain import segmented
from ld_portrait_20k.matting.video.frames import Frame
from ld_portrait_20k.matting.video.segmenters import first_mask, rvm, sam2, sam3, weights
from ld_portrait_20k.matting.video.segmenters.protocol import (
    AnchoredSegmenter,
    Segmenter,
    begin,
)
from ld_portrait_20k.matting.video.segmenters.registry import Guides, choose, open_segmenter
from ld_portrait_20k.matting.video.segmenters.sam3 import chosen

from . import moving
from .tiny_rvm import save_rvm
from .tiny_sam import save_sam2, save_sam3


@pytest.fixture(scope="module")
def sam2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_sam2(tmp_path_factory.mktemp("sam2"))


@pytest.fixture(scope="module")
def sam3_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_sam3(tmp_path_factory.mktemp("sam3"))


@pytest.fixture
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in (
        "LD_PORTRAIT_SELFIE_SEGMENTATION", "LD_PORTRAIT_RVM", *weights.ENVIRONMENT.values()
    ):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(weights, "is_cached", lambda repository: False)
    return monkeypatch


def run(segmenter: Segmenter, frames: list[Frame]) -> list[moving.Pixels]:
    """Masks as the segmenter gives them, each told the one before."""
    begin(segmenter, frames[0])
    masks: list[moving.Pixels] = []
    for frame in frames:
        last = (frames[frame.index - 1], masks[-1]) if masks else None
        masks.append(segmenter(frame, last))
    return masks


def session_bytes(session: Any) -> int:
    """Bytes of all tensors that a session holds."""
    found: dict[int, int] = {}

    def visit(value: Any) -> None:
        if isinstance(value, torch.Tensor):
            storage = value.untyped_storage()
            found[storage.data_ptr()] = storage.nbytes()
        elif isinstance(value, dict):
            for part in value.values():
                visit(part)
        elif isinstance(value, list | tuple):
            for part in value:
                visit(part)

    for value in (*vars(session).values(), *vars(session.cache).values()):
        visit(value)
    return sum(found.values())


@pytest.mark.parametrize("kind", ["mask", "box", "point"])
def test_sam2_is_told_once_and_tracks(sam2_folder: Path, kind: str) -> None:
    pictures, alphas = moving.scene(6)
    hard = np.where(alphas[0] >= 128, np.uint8(255), np.uint8(0))
    guides = {
        "mask": Guides(first=hard, weights=sam2_folder),
        "box": Guides(box=(8, 18, 42, 42), weights=sam2_folder),
        "point": Guides(point=(29, 40), weights=sam2_folder),
    }[kind]
    segmenter = open_segmenter("sam2", guides)
    assert isinstance(segmenter, AnchoredSegmenter)
    masks = run(segmenter, moving.as_frames(pictures))
    assert [mask.shape for mask in masks] == [(72, 96)] * 6
    if kind == "mask":  # it comes back as it was given, at the model's scale
        both = (masks[0] >= 128) & (hard >= 128)
        assert both.sum() / ((masks[0] >= 128) | (hard >= 128)).sum() > 0.9
    others = run(open_segmenter("sam2", guides), moving.as_frames(pictures[:1] * 6))
    assert not np.array_equal(masks[-1], others[-1])  # it looks at the frames


def test_sam2_refuses_what_does_not_fit(sam2_folder: Path) -> None:
    frame = moving.as_frames(moving.scene(1)[0])[0]
    for guides, message in (
        (Guides(point=(200, 3), weights=sam2_folder), "point 200,3 does not lie in the frame"),
        (Guides(box=(90, 3, 20, 9), weights=sam2_folder), "does not lie in the frame"),
        (Guides(first=np.zeros((72, 96), np.uint8), weights=sam2_folder), "is empty"),
    ):
        with pytest.raises(PortraitError, match=message):
            next(segmented([frame], open_segmenter("sam2", guides)))
    with pytest.raises(PortraitError, match=r"sam2 .* try: --first-mask"):
        open_segmenter("sam2", Guides(weights=sam2_folder))


@pytest.mark.parametrize("name", ["sam2", "sam3"])
def test_sessions_stay_small_and_forget_nothing_they_need(
    sam2_folder: Path, sam3_folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """21 frames: more than memory (7) and object pointers (16) reach back."""
    pictures, alphas = moving.scene(21)
    frames = moving.as_frames(pictures)
    guides = Guides(first=alphas[0], weights=sam2_folder)
    if name == "sam3":
        guides = Guides(weights=sam3_folder)
    sizes: list[int] = []
    module = sam2 if name == "sam2" else sam3
    real = module.trim

    def measured(session: Any, network: Any, index: int) -> None:
        real(session, network, index)
        sizes.append(session_bytes(session))

    monkeypatch.setattr(module, "trim", measured)
    masks = run(open_segmenter(name, guides), frames)
    kept: list[int] = []
    monkeypatch.setattr(module, "trim", lambda session, *_: kept.append(session_bytes(session)))
    untrimmed = run(open_segmenter(name, guides), frames)
    for one, other in zip(masks, untrimmed, strict=True):
        assert np.array_equal(one, other)
    assert sizes[-1] <= 1.02 * sizes[-5]
    assert kept[-1] > 1.1 * kept[-5]


@pytest.mark.parametrize("name", ["first-mask", "sam2", "sam3", "rvm"])
def test_a_run_that_goes_on_gives_the_same_masks(
    sam2_folder: Path,
    sam3_folder: Path,
    tmp_path: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    segment = 4  # instead of 48, for speed
    for module in (first_mask, sam2, sam3, rvm):
        monkeypatch.setattr(module, "SEGMENT", segment)
    pictures, alphas = moving.scene(segment + 3, 48, 64)
    frames = moving.as_frames(pictures)
    guides = {
        "first-mask": Guides(first=alphas[0]),
        "sam2": Guides(first=alphas[0], weights=sam2_folder),
        "sam3": Guides(weights=sam3_folder),
    }
    if name == "rvm":
        pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
        pytest.importorskip("onnx", reason="onnx, which writes the test's network, is missing")
        guides["rvm"] = Guides(weights=save_rvm(tmp_path / "rvm.onnx"))
    masks = run(open_segmenter(name, guides[name]), frames)
    fresh = open_segmenter(name, guides[name])
    begin(fresh, frames[0])
    last = (frames[segment - 1], masks[segment - 1])
    for frame in frames[segment:]:
        last = (frame, fresh(frame, last))
        assert np.array_equal(last[1], masks[frame.index])


def test_sam3_finds_people_by_itself(sam3_folder: Path) -> None:
    frames = moving.as_frames(moving.scene(4)[0])
    one = run(open_segmenter("sam3", Guides(weights=sam3_folder)), frames)
    everyone = run(open_segmenter("sam3", Guides(weights=sam3_folder, people="all")), frames)
    for largest, all_of_them in zip(one, everyone, strict=True):
        assert largest.shape == (72, 96)
        assert (all_of_them >= largest).all()
    assert any((a > b).any() for a, b in zip(everyone, one, strict=True))


def test_of_people_who_touch_one_is_followed() -> None:
    left, right, nobody = (np.zeros((4, 9), np.uint8) for _ in range(3))
    left[:, :5], right[:, 5:] = 255, 255
    assert np.array_equal(chosen([right, left], "largest", None, (4, 9)), left)
    assert np.array_equal(chosen([left, right], "largest", right, (4, 9)), right)
    assert np.array_equal(chosen([right, left], "largest", nobody, (4, 9)), left)
    assert (chosen([right, left], "all", None, (4, 9)) == 255).all()
    assert not chosen([], "largest", left, (4, 9)).any()


def test_weights_that_are_not_right_are_named(sam2_folder: Path, tmp_path: Path) -> None:
    def refused(folder: Path, message: str) -> None:
        with pytest.raises(PortraitError, match=message):
            open_segmenter("sam2", Guides(point=(3, 3), weights=folder))

    def copy(name: str) -> Path:
        return Path(shutil.copytree(sam2_folder, tmp_path / name))

    refused(tmp_path, "no model there")
    other = copy("other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "model_type": "vitmatte"}))
    refused(other, "model_type 'vitmatte', not 'sam2_video'")
    pickled = copy("pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    refused(pickled, "pickled weights are never read")
    cut = copy("cut")
    content = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(content[: len(content) // 2])
    refused(cut, "weights that cannot be loaded")
    fewer = copy("fewer")
    from safetensors.torch import load_file, save_file

    state = load_file(fewer / "model.safetensors")
    state.pop("no_memory_embedding")
    save_file(state, fewer / "model.safetensors", metadata={"format": "pt"})
    refused(fewer, "1 weights of Sam2VideoModel are missing, no_memory_embedding first")
    with pytest.raises(PortraitError, match="is a folder; a revision is of a repository"):
        open_segmenter("sam2", Guides(point=(3, 3), weights=sam2_folder, revision="main"))
    with pytest.raises(PortraitError, match=r"device 'abacus'.*try: cpu"):
        open_segmenter("sam2", Guides(point=(3, 3), weights=sam2_folder, device="abacus"))


def test_sam3_needs_its_tokenizer(sam3_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(sam3_folder, tmp_path / "sam3"))
    for path in folder.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(PortraitError, match="no tokenizer there"):
        open_segmenter("sam3", Guides(weights=folder))


def test_rvm_takes_its_authors_files_and_no_others(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnx", reason="onnx, which writes the test's network, is missing")
    pictures, alphas = moving.scene(4)
    for half in (False, True):
        path = save_rvm(tmp_path / f"rvm{half}.onnx", half=half)
        masks = run(open_segmenter("rvm", Guides(weights=path)), moving.as_frames(pictures))
        bright = pictures[0].mean(axis=2)
        # Three times on the first frame and once more: 1 - 0.5 ** 4 of its brightness.
        assert np.abs(masks[0] - bright * (1 - 0.5**4)).max() <= 1
        person = alphas[3] == 255
        assert masks[3][person].mean() > 2 * masks[3][alphas[3] == 0].mean()
    (tmp_path / "text.onnx").write_text("no network")
    for name, message in (("text", "not an ONNX network"), ("none", "no such file")):
        with pytest.raises(PortraitError, match=rf"{name}\.onnx: {message}"):
            open_segmenter("rvm", Guides(weights=tmp_path / f"{name}.onnx"))
    other = save_rvm(tmp_path / "other.onnx", without="r4o")
    with pytest.raises(PortraitError, match=r"other\.onnx: not RobustVideoMatting \(r4o\)"):
        open_segmenter("rvm", Guides(weights=other))


def test_rvm_says_what_it_lacks(nothing_named: pytest.MonkeyPatch) -> None:
    nothing_named.setattr(rvm, "find_spec", lambda name: None)
    with pytest.raises(PortraitError, match="try: pip install onnxruntime"):
        open_segmenter("rvm")
    nothing_named.setattr(rvm, "find_spec", lambda name: object())
    with pytest.raises(PortraitError, match=r"GPL-3\.0.*--weights or in LD_PORTRAIT_RVM"):
        open_segmenter("rvm")


def test_auto_goes_by_what_is_given_and_there(
    sam2_folder: Path, tmp_path: Path, nothing_named: pytest.MonkeyPatch
) -> None:
    mask = moving.scene(1)[1][0]
    assert choose("auto", Guides(first=mask))[0] == "first-mask"
    assert choose("auto", Guides(box=(1, 2, 3, 4)))[0] == "first-mask"
    assert choose("auto", Guides(point=(1, 2)))[0] == "sam2"
    assert choose("auto", Guides(weights="own/rvm_resnet50_fp32.onnx"))[0] == "rvm"
    assert choose("auto", Guides(weights="selfie.tflite"))[0] == "mediapipe"
    assert choose("auto", Guides(first=mask, weights=sam2_folder))[0] == "sam2"
    assert choose("auto", Guides(weights="facebook/sam3"))[0] == "sam3"
    with pytest.raises(PortraitError, match="no segmenter is installed"):
        choose("auto", Guides())
    rvm_file = tmp_path / "rvm.onnx"
    rvm_file.write_bytes(b"")
    nothing_named.setenv("LD_PORTRAIT_RVM", str(rvm_file))
    expected = "sam3"
    try:
        import onnxruntime  # noqa: F401

        assert choose("auto", Guides())[0] == "rvm"
    except ImportError:
        pass
    nothing_named.setattr(weights, "is_cached", lambda repository: True)
    name, why = choose("auto", Guides())
    assert (name, why) == (expected, "segmenter: sam3, the best that is installed")
    assert choose("auto", Guides(first=mask))[0] == "sam2"


@pytest.mark.parametrize(
    ("name", "guides", "option"),
    [
        ("sam3", Guides(point=(1, 2)), "--first-point"),
        ("sam2", Guides(masks=Path("masks")), "--masks"),
        ("first-mask", Guides(point=(1, 2)), "--first-point"),
        ("rvm", Guides(revision="main"), "--revision"),
    ],
)
def test_guides_that_would_be_ignored_are_refused(name: str, guides: Guides, option: str) -> None:
    with pytest.raises(PortraitError, match=f"{name} does not go with {option}"):
        choose(name, guides)


def test_sam_from_the_command_line(
    sam2_folder: Path, sam3_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    clip = moving.save_folder(tmp_path / "clip", moving.scene(3)[0])
    command = ["video", str(clip), "--model", "guided-filter"]
    assert main([*command, "--output", str(tmp_path / "a"), "--first-point", "29,40",
                 "--weights", str(sam2_folder), "--json"]) == 0  # fmt: skip
    assert json.loads(capsys.readouterr().out)["segmenter"] == "sam2"
    assert main([*command, "--output", str(tmp_path / "b"), "--segmenter", "sam3",
                 "--weights", str(sam3_folder)]) == 0  # fmt: skip
    assert len(list((tmp_path / "b/alpha").iterdir())) == 3
    assert main([*command, "--output", str(tmp_path / "c"), "--segmenter", "sam3",
                 "--first-point", "29,40"]) == 1  # fmt: skip
    assert "sam3 does not go with --first-point" in capsys.readouterr().err
