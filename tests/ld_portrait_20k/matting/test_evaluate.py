"""``evaluate`` through its command line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ld_portrait_20k.matting import metrics
from ld_portrait_20k.matting.cli import main

from .fixtures import scene, write

COUNT = 12


Folders = tuple[Path, dict[str, Any]]


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """Predictions (one of 16 bit, one RGBA), truths (RGBA), trimaps and inputs."""
    rng = np.random.default_rng(0)
    expected = {}
    for index in range(COUNT):
        parts = scene(index)
        name = f"person {index:02d}"
        noise = rng.normal(0, 4 + 3 * index, parts["alpha"].shape)
        predicted = np.clip(parts["alpha"] + noise, 0, 255).astype(np.uint8)
        stored: Any = predicted
        if index == 3:
            stored = predicted.astype(np.uint16) * 257
        if index == 4:
            stored = np.dstack([parts["image"], predicted])
        write(tmp_path / "pred" / f"{name}.png", stored)
        write(tmp_path / "truth" / f"{name}.png", np.dstack([parts["foreground"], parts["alpha"]]))
        write(tmp_path / "trimap" / f"{name}.png", parts["trimap"])
        write(tmp_path / "input" / f"{name}.jpg", parts["image"])
        unknown = parts["trimap"] == 128
        expected[name] = metrics.score(
            predicted / 255, parts["alpha"] / 255, {"mean": None, "unknown": unknown}
        )
    return tmp_path, expected


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["evaluate", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_json_has_the_shape_that_was_promised(
    folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    root, expected = folders
    where = ("--pred", root / "pred", "--truth", root / "truth")
    code, out, _ = run(capsys, *where, "--json")
    body = json.loads(out)
    assert code == 0
    assert list(body)[:2] == ["samples", "mean"] and "unknown" not in body
    assert body["samples"] == COUNT
    assert list(body["mean"]) == ["sad", "mse", "mad", "grad", "conn"]
    code, out, _ = run(capsys, *where, "--trimap", root / "trimap", "--json")
    body = json.loads(out)
    assert list(body)[:3] == ["samples", "mean", "unknown"]
    assert body["grad_convention"] == "normalised"
    for region in ("mean", "unknown"):
        for metric, value in body[region].items():
            figures = [picture[region][metric] for picture in expected.values()]
            assert value == pytest.approx(np.mean(figures)), (region, metric)
    named = {picture["name"]: picture for picture in body["pictures"]}
    assert named["person 03"]["mean"] == pytest.approx(expected["person 03"]["mean"])
    assert named["person 04"]["unknown"] == pytest.approx(expected["person 04"]["unknown"])


def test_tables_name_region_and_convention(
    folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    root, expected = folders
    where = ("--pred", root / "pred", "--truth", root / "truth", "--trimap", root / "trimap")
    sad = np.mean([picture["mean"]["sad"] for picture in expected.values()])
    for form in ((), ("--markdown",)):
        code, out, _ = run(capsys, *where, *form)
        assert code == 0
        assert f"whole picture, {COUNT} pictures; Grad normalised" in out
        assert f"unknown region of the trimap, {COUNT} pictures" in out
        assert out.count("person 07") == 2 and f"{sad:.3f}" in out
    _, out, _ = run(capsys, *where, "--grad", "plain")
    assert "Grad plain" in out and "Grad normalised" not in out
    _, out, _ = run(capsys, *where, "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == 2 * (COUNT + 1)
    assert {row["region"] for row in rows} == {"whole", "unknown"}
    mean = next(row for row in rows if row["name"] == "(mean)" and row["region"] == "whole")
    assert float(mean["sad"]) == pytest.approx(sad)


def test_worst_ten_as_pictures(folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    root, expected = folders
    code, _, err = run(
        capsys, "--pred", root / "pred", "--truth", root / "truth", "--worst", root / "worst",
        "--input", root / "input",
    )  # fmt: skip
    assert code == 0 and "worst 10" in err
    order = sorted(expected, key=lambda name: -expected[name]["mean"]["sad"])[:10]
    found = sorted(path.name for path in (root / "worst").iterdir())
    assert found == [f"{rank:02d}-{name}.png" for rank, name in enumerate(order, 1)]


def test_problems_are_one_line_that_names_the_file(
    folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    root, _ = folders
    where = ["--pred", root / "pred", "--truth", root / "truth"]
    small = root / "pred" / "person 05.png"
    content = small.read_bytes()
    write(small, np.zeros((20, 30), np.uint8))
    code, out, err = run(capsys, *where, "--json")
    assert code == 1 and out == "" and err.count("\n") == 1
    assert "person 05.png is 30x20" in err and "is 40x48" in err
    small.write_bytes(content[:60])
    code, _, err = run(capsys, *where)
    assert code == 1 and "person 05.png" in err
    small.unlink()
    code, _, err = run(capsys, *where)
    assert code == 1 and "missing for person 05" in err and "--partial" in err
    code, out, _ = run(capsys, *where, "--partial", "--json")
    assert code == 0 and json.loads(out)["samples"] == COUNT - 1
    (root / "trimap" / "person 01.png").unlink()
    code, _, err = run(capsys, *where, "--partial", "--trimap", root / "trimap")
    assert code == 1 and "trimaps missing for person 01" in err
    code, _, err = run(capsys, "--pred", root / "nowhere", "--truth", root / "truth")
    assert code == 1 and "no such folder" in err
    code, _, err = run(capsys, "--pred", root / "input", "--truth", root / "truth")
    assert code == 1 and "not a matte" in err


def test_video_takes_folders_as_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for clip in ("a", "b"):
        for frame in range(3):
            parts = scene(frame)
            predicted = parts["alpha"] if frame != 1 else 255 - parts["alpha"]
            write(tmp_path / "pred" / clip / f"{frame:05d}.png", predicted)
            write(tmp_path / "truth" / clip / f"{frame:05d}.png", parts["alpha"])
    where = ("--pred", tmp_path / "pred", "--truth", tmp_path / "truth")
    code, out, _ = run(capsys, *where, "--video", "--json")
    mattes = [scene(frame)["alpha"] / 255 for frame in range(3)]
    wrong = [mattes[0], 1 - mattes[1], mattes[2]]
    pairs = [metrics.dtssd(wrong[i], mattes[i], wrong[i + 1], mattes[i + 1]) for i in (0, 1)]
    assert code == 0
    # Two pairs in each clip; none from the last frame of one to the first of the next.
    assert json.loads(out)["video"]["dtssd"] == pytest.approx(np.mean(pairs))
    code, out, _ = run(capsys, *where, "--video")
    assert code == 0 and "dtSSD e-2" in out and "MESSDdt e-3" in out


def test_frames_of_a_clip_are_neighbours_as_they_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for frame in range(11):
        true = np.full((20, 20), 20 * frame, np.uint8)
        for where, name in (("truth", f"f{frame}"), ("padded", f"f{frame:02d}")):
            write(tmp_path / where / f"{name}.png", true)
        for where, name in (("pred", f"f{frame}"), ("padded-pred", f"f{frame:02d}")):
            write(tmp_path / where / f"{name}.png", true // 2)
    figures = []
    for pred, truth in (("pred", "truth"), ("padded-pred", "padded")):
        code, out, _ = run(
            capsys, "--pred", tmp_path / pred, "--truth", tmp_path / truth, "--video", "--json"
        )
        assert code == 0
        figures.append(json.loads(out)["video"])
    assert figures[0] == figures[1]


def test_masks_are_no_trimaps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(2):
        alpha = scene(number)["alpha"]
        hard = np.where(alpha > 127, 255, 0).astype(np.uint8)
        for kind, picture in (("pred", 255 - alpha), ("truth", alpha), ("masks", hard)):
            write(tmp_path / kind / f"{number}.png", picture)
    where = ("--pred", tmp_path / "pred", "--truth", tmp_path / "truth")
    code, out, err = run(capsys, *where, "--trimap", tmp_path / "masks")
    assert code == 1 and not out and "no trimap there has unknown pixels; try: " in err
    # A picture without unknown pixels among others that have some is judged as ever.
    write(tmp_path / "masks/0.png", np.full_like(scene(0)["alpha"], 128))
    assert run(capsys, *where, "--trimap", tmp_path / "masks")[0] == 0
