"""``predict`` and ``models`` through their command lines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting import load
from ld_portrait_20k.matting.cli import COMMANDS, main
from ld_portrait_20k.matting.models.registry import MODELS, default_model, resolve
from ld_portrait_20k.matting.prediction.folders import plan, predict
from ld_portrait_20k.matting.prediction.outputs import Outputs
from ld_portrait_20k.matting.prediction.trimaps import mask_to_trimap

from .fixtures import scene, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for index in range(3):
        parts = scene(index, 60, 50)
        name = f"{'deep/' if index == 2 else ''}p{index}"
        write(tmp_path / "in" / f"{name}.jpg", parts["image"])
        write(tmp_path / "trimaps" / f"{name}.png", parts["trimap"])
        hard = np.where(parts["alpha"] > 127, 255, 0).astype(np.uint8)
        write(tmp_path / "masks" / f"{name}.png", hard)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def error_of(path: Path, index: int) -> float:
    matte = np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
    assert matte.dtype == np.uint8 and matte.shape == (60, 50)
    return float(np.abs(matte.astype(int) - scene(index, 60, 50)["alpha"]).mean())


def test_folders_with_trimaps(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = root / "out"
    code, said, err = run(
        capsys, "predict", root / "in", "--trimap", root / "trimaps", "--output", out,
        "--model", "closed-form",
    )  # fmt: skip
    assert code == 0, err
    assert said == f"3 mattes by closed-form in {out}, 0 there already, 0 failed\n"
    for index, name in enumerate(("p0", "p1", "deep/p2")):
        assert error_of(out / f"{name}.png", index) < 5
        trimap = scene(index, 60, 50)["trimap"]
        matte = np.asarray(cv2.imread(str(out / f"{name}.png"), cv2.IMREAD_UNCHANGED))
        assert np.all(matte[trimap == 0] == 0) and np.all(matte[trimap == 255] == 255)


def test_single_picture_and_masks(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = root / "out"
    arguments = ("predict", root / "in/p1.jpg", "--output", out, "--model", "guided-filter")
    code, _, err = run(capsys, *arguments, "--mask", root / "masks/p1.png", "--band", "5")
    assert code == 0, err
    assert error_of(out / "p1.png", 1) < 8
    code, _, err = run(capsys, *arguments, "--trimap", root / "trimaps", "--band", "5")
    assert code == 1 and "--band goes with --mask" in err


def test_what_is_done_is_skipped_and_what_is_broken_is_made_again(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = root / "out"
    arguments = ["predict", root / "in", "--output", out, "--model", "guided-filter", "--json"]
    trimaps = ["--trimap", root / "trimaps"]
    assert json.loads(run(capsys, *arguments, *trimaps)[1])["written"] == 3
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    (out / "p0.png").write_bytes((out / "p0.png").read_bytes()[:100])
    report = json.loads(run(capsys, *arguments, *trimaps)[1])
    assert (report["written"], report["skipped"]) == (1, 2)
    assert error_of(out / "p0.png", 0) < 8
    assert all(
        path.stat().st_mtime_ns == before[path] for path in (out / "p1.png", out / "deep/p2.png")
    )
    # Another trimap, mask or model is another matte.
    write(root / "trimaps/p1.png", scene(1, 60, 50)["trimap"][::-1])
    assert json.loads(run(capsys, *arguments, *trimaps)[1])["written"] == 1
    assert json.loads(run(capsys, *arguments, "--mask", root / "masks")[1])["written"] == 3
    report = json.loads(run(capsys, *arguments, "--mask", root / "masks", "--overwrite")[1])
    assert report["written"] == 3
    assert not list(out.rglob("*.tmp"))


def test_other_peoples_files_are_kept_unless_told(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(root / "out/p0.png", np.zeros((60, 50), np.uint8))
    arguments = (
        "predict", root / "in", "--output", root / "out", "--trimap", root / "trimaps",
        "--model", "guided-filter",
    )  # fmt: skip
    code, _, err = run(capsys, *arguments)
    assert code == 0 and "1 files" in err and "--overwrite" in err
    assert not np.asarray(cv2.imread(str(root / "out/p0.png"), 0)).any()
    code, _, err = run(capsys, *arguments, "--overwrite")
    assert code == 0 and error_of(root / "out/p0.png", 0) < 8


def test_cutouts_and_composites(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(root / "beach.png", np.full((30, 90, 3), (10, 200, 30), np.uint8))
    arguments = (
        "predict", root / "in/p0.jpg", "--trimap", root / "trimaps", "--output", root / "out",
        "--model", "closed-form", "--rgba", root / "rgba", "--composite",
    )  # fmt: skip
    assert run(capsys, *arguments, "white", root / "white")[0] == 0
    assert run(capsys, *arguments, root / "beach.png", root / "beach")[0] == 0
    alpha = np.asarray(Image.open(root / "out/p0.png"))
    rgba = np.asarray(Image.open(root / "rgba/p0.png"))
    assert rgba.shape == (60, 50, 4) and np.array_equal(rgba[..., 3], alpha)
    parts = scene(0, 60, 50)
    soft = (alpha > 30) & (alpha < 230)
    blue = parts["background"][..., 2][soft].mean() - parts["foreground"][..., 2][soft].mean()
    left = rgba[..., 2][soft].mean() - parts["foreground"][..., 2][soft].mean()
    assert abs(left) < 0.3 * blue  # the blue background is out of the soft border
    white = np.asarray(Image.open(root / "white/p0.png"))
    assert white.shape == (60, 50, 3) and np.all(white[alpha == 0] == 255)
    beach = np.asarray(Image.open(root / "beach/p0.png"))
    assert np.all(beach[alpha == 0] == (10, 200, 30))
    assert np.array_equal(beach[alpha == 255], white[alpha == 255])


def test_exif_grey_palette_and_16_bit_inputs(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = scene(0, 60, 50)
    picture = Image.fromarray(parts["image"])
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.transpose(Image.Transpose.ROTATE_90).save(root / "odd-turned.png", exif=exif)
    picture.convert("L").save(root / "odd-grey.png")
    picture.convert("P").save(root / "odd-palette.png")
    picture.convert("RGBA").save(root / "odd-rgba.png")
    write(root / "odd-deep.png", parts["image"].astype(np.uint16) * 257)
    for kind in ("turned", "grey", "palette", "rgba", "deep"):
        code, _, err = run(
            capsys, "predict", root / f"odd-{kind}.png", "--trimap", root / "trimaps/p0.png",
            "--output", root / "out", "--model", "closed-form",
        )  # fmt: skip
        assert code == 0, (kind, err)
        assert error_of(root / f"out/odd-{kind}.png", 0) < 8, kind


def test_problems_are_one_line_and_nothing_is_half_written(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = ("predict", root / "in", "--output", root / "out", "--model", "closed-form")
    code, _, err = run(capsys, *base)
    assert code == 1 and "closed-form needs a trimap" in err and err.count("\n") == 1
    (root / "trimaps/p1.png").rename(root / "p1.png")
    code, _, err = run(capsys, *base, "--trimap", root / "trimaps")
    assert code == 1 and "no trimap for p1" in err and not (root / "out").exists()
    write(root / "trimaps/p1.png", np.full((20, 20), 128, np.uint8))
    (root / "in/p0.jpg").write_bytes(b"broken")
    code, said, err = run(capsys, *base, "--trimap", root / "trimaps")
    assert code == 1 and "1 mattes" in said and "2 failed" in said
    assert "p0.jpg: not a picture" in err and "p1.png is 20x20 but" in err
    assert [path.name for path in (root / "out").rglob("*") if path.is_file()] == ["p2.png"]
    write(root / "trimaps/p1.png", np.full((60, 50), 128, np.uint8))
    code, _, err = run(capsys, *base, "--trimap", root / "trimaps")
    assert code == 1 and "p1.jpg: the trimap is unknown all over" in err
    for arguments, says in (
        (("predict", root / "nowhere.png", "--output", root / "o"), "no such picture"),
        (("predict", root / "p1.png", "--output", root), "would overwrite"),
        (("predict", root / "in", root / "in", "--output", root / "o"), "would both become"),
        ((*base, "--trimap", root / "trimaps", "--composite", "grenn", root / "g"), "'grenn' is"),
        ((*base[:4], "--trimap", root / "trimaps", "--model", "closed"), "no model 'closed'"),
    ):
        code, _, err = run(capsys, *arguments)
        assert code == 1 and says in err and err.count("\n") == 1, (arguments, err)


def test_no_output_falls_on_an_input_or_on_another_output(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(root / "pngs/p0.png", scene(0, 60, 50)["image"])
    write(root / "back/p0.png", scene(1, 60, 50)["image"])
    before = {path: path.read_bytes() for path in root.rglob("*.*")}
    base = (
        "predict", root / "pngs", "--trimap", root / "trimaps", "--model", "closed-form",
        "--overwrite", "--output",
    )  # fmt: skip
    for more in (
        (root / "pngs",),
        (root / "trimaps",),
        (root / "out", "--rgba", root / "pngs"),
        (root / "out", "--rgba", root / "trimaps"),
        (root / "out", "--composite", "white", root / "pngs"),
        (root / "out", "--composite", root / "back/p0.png", root / "back"),
    ):
        code, _, err = run(capsys, *base, *more)
        assert code == 1 and "would overwrite" in err and err.count("\n") == 1, (more, err)
    one = root / "one"
    for clash in ((one, "--rgba", one), (root / "out", "--rgba", one, "--composite", "red", one)):
        code, _, err = run(capsys, *base, *clash)
        assert code == 1 and "try: a folder for each" in err, (clash, err)
    assert {path: path.read_bytes() for path in root.rglob("*.*")} == before


@pytest.mark.parametrize(
    "raised", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")]
)
def test_a_picture_too_large_for_the_memory_is_named_and_the_others_go_on(
    root: Path, raised: Exception
) -> None:
    class Small:
        name, licence, needs_trimap = "small", "none", True

        def __call__(self, image: Any, trimap: Any = None) -> Any:
            if image.shape[0] > 60:
                raise raised
            return trimap

    write(root / "in/p1.png", scene(1, 80, 50)["image"])
    (root / "in/p1.jpg").unlink()
    write(root / "trimaps/p1.png", scene(1, 80, 50)["trimap"])
    jobs = plan([root / "in"], root / "out", trimaps=root / "trimaps")
    done = predict(jobs, Outputs(root / "out"), Small())
    assert sorted(done.written) == ["deep/p2", "p0"]
    says = f"{root / 'in/p1.png'}: not enough memory; try: a smaller picture"
    assert done.failed == {"p1": says}


def test_a_picture_that_cannot_be_read_is_named_and_the_others_go_on(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = root / "in/p1.jpg"
    lost.unlink()
    lost.symlink_to("nowhere.jpg")
    code, said, err = run(
        capsys, "predict", root / "in", "--trimap", root / "trimaps", "--output", root / "out",
        "--model", "closed-form",
    )  # fmt: skip
    assert code == 1 and "2 mattes" in said and "1 failed" in said
    assert err == f"error: {lost}: cannot be read (No such file or directory)\n"
    output = root / "keyed"
    code, said, err = run(capsys, "key", root / "in", "--output", output, "--screen", "green")
    assert code == 1 and "3 failed" in said and f"{lost}: cannot be read" in err


def test_results_below_the_pictures_are_no_pictures(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = root / "in/mattes"
    base = (
        "predict", root / "in", "--trimap", root / "trimaps", "--output", out, "--rgba",
        root / "in/rgba", "--model", "closed-form",
    )  # fmt: skip
    assert run(capsys, *base)[1] == f"3 mattes by closed-form in {out}, 0 there already, 0 failed\n"
    assert run(capsys, *base)[1] == f"0 mattes by closed-form in {out}, 3 there already, 0 failed\n"


def test_the_default_model_says_which_it_is(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, sentence = default_model()
    assert name in ("hint-unet", "closed-form") and name in sentence
    assert (name == "hint-unet") == (MODELS["hint-unet"].shipped is not None)
    code, said, err = run(
        capsys, "predict", root / "in/p0.jpg", "--trimap", root / "trimaps", "--output",
        root / "out",
    )  # fmt: skip
    assert code == 0 and sentence in err and name in said
    assert error_of(root / "out/p0.png", 0) < 25


def test_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "models", "--json")
    rows = {row["name"]: row for row in json.loads(out)["models"]}
    assert code == 0 and set(rows) == set(MODELS)
    assert rows["vitmatte-small"]["parameters"] > 25e6
    assert "no commercial use" in rows["vitmatte-base"]["published"]
    assert rows["guided-filter"]["installed"] and not rows["portrait-unet"]["needs_trimap"]
    assert sum(row["default"] for row in rows.values()) == 1
    code, out, _ = run(capsys, "models")
    assert code == 0 and all(name in out for name in MODELS)


def test_loading_unknown_models_says_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(PortraitError, match="closed-form, guided-filter"):
        load("nothing")
    assert load("guided-filter").needs_trimap


@pytest.mark.parametrize("name", ["portrait-unet", "vitmatte-small", "vitmatte-base"])
def test_a_network_that_nothing_has_trained_predicts_nothing(
    name: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its fresh weights gave mattes of noise and exit code 0."""
    code, _, err = run(
        capsys, "predict", root / "in/p0.jpg", "--trimap", root / "trimaps", "--model", name,
        "--output", tmp_path / "out",
    )  # fmt: skip
    assert code == 1 and f"{name} has no weights yet; try: " in err
    assert not (tmp_path / "out").exists()


def test_masks_become_trimaps() -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[20:, 20:44] = 255
    trimap = mask_to_trimap(mask, 4)
    assert trimap[40, 32] == 255 and trimap[40, 5] == 0 and trimap[40, 20] == 128
    assert (trimap[40] == 128).sum() == pytest.approx(16, abs=4)
    soft = mask.copy()
    soft[5:8, 5:8] = 130
    assert mask_to_trimap(soft, 4)[6, 6] == 128
    thin = np.zeros((64, 64), np.uint8)
    thin[:, 30:34] = 255
    assert (mask_to_trimap(thin, 16) == 255).any()


def test_help_is_cheap_and_teaches() -> None:
    code = (
        "import sys\nfrom ld_portrait_20k.matting.cli import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit as stop: assert not stop.code\n"
        "heavy = {'torch', 'transformers', 'pymatting', 'numba', 'diffusers'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    for command in ("", *COMMANDS):
        done = subprocess.run(
            [sys.executable, "-c", code, *([command] if command else []), "--help"],
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "python -m ld_portrait_20k.matting" in done.stdout


@pytest.mark.parametrize(
    "name", [name for name, entry in MODELS.items() if entry.create is not None]
)
def test_the_registry_states_the_true_number_of_parameters(name: str) -> None:
    pytest.importorskip("torch", reason="the extra 'matting' is not installed")
    entry = MODELS[name]
    assert entry.create is not None
    module = resolve(entry.create)(name)
    counted = sum(parameter.numel() for parameter in module.parameters())
    assert counted == pytest.approx(entry.parameters, rel=0.005)
    assert bool(module.needs_trimap) == entry.needs_trimap
