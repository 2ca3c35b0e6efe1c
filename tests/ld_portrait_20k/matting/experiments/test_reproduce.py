"""``reproduce`` as a person runs it: killed, resumed, repeated, refused."""

from __future__ import annotations

import csv
import itertools
import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ld_portrait_20k.matting.cli import main
from ld_portrait_20k.matting.experiments.cells import read_result, result_path
from ld_portrait_20k.matting.experiments.dealing import claimed, work_off
from ld_portrait_20k.matting.experiments.prepared import nested, read
from ld_portrait_20k.matting.experiments.run_cell import run_cell
from ld_portrait_20k.matting.experiments.study import Study, load_study
from tests.ld_portrait_20k.matting.experiments.conftest import TINY
from tests.processes import run_module, start_module

MODULE = "ld_portrait_20k.matting"


def reproduce(*arguments: object) -> int:
    return main(["reproduce", *map(str, arguments), *TINY])


def figures(study: Study) -> dict[str, Any]:
    return {name: result["tests"] for name, result in study.results().items()}


@pytest.fixture(scope="session")
def prepared(portraits: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Two seeds of a few steps: prepared, not run."""
    output = tmp_path_factory.mktemp("study") / "report"
    code = reproduce("--data", portraits, "--output", output, "--steps", 4, "--seeds", 2,
                     "--prepare-only")  # fmt: skip
    assert code == 0
    return load_study(output)


def test_a_study_is_described_before_it_runs(prepared: Study) -> None:
    tables = {place.table for place in prepared.places}
    assert tables == {"source", "capacity", "refinement"}
    arms = {place.arm for place in prepared.places if place.table == "source"}
    assert arms == {"truth", "refined", "raw", "keyed", "lcc"}
    # The whole of the refined mattes stands in all three tables and is trained once a seed.
    whole = {p.cell.hash for p in prepared.places
             if p.fraction == 1 and p.arm in ("refined", "all parts")
             and p.protocol != "in place"}  # fmt: skip
    assert len(whole) == 2
    # Levels have nothing to do on these mattes: then the arm is the whole refinement's cell.
    assert len(prepared.cells) in (2 * 18, 2 * 19)
    assert len(prepared.places) == 2 * 22
    assert prepared.results() == {}


def test_arms_are_of_the_same_foregrounds_and_none_is_tested_on(prepared: Study) -> None:
    ids = {}
    for place in prepared.places:
        folder = read(prepared.work / place.cell.data.where)
        ids[place.table, place.arm, place.protocol, place.fraction] = {
            entry.source_id for entry in folder.entries
        }
    whole = ids["source", "truth", "recomposited", 1.0]
    assert all(found == whole for key, found in ids.items() if key[3] == 1.0)
    tested = read(prepared.work / prepared.cells[0].tests[0].where)
    assert not whole & {entry.source_id for entry in tested.entries}
    shares = [ids["capacity", "refined", "equal steps", f] for f in (0.125, 0.25, 0.5, 1.0)]
    assert all(small <= large for small, large in itertools.pairwise(shares))


def test_the_truths_mattes_are_nearest_to_the_truth(prepared: Study) -> None:
    mad = {arm: float(np.mean(found["whole"]["mad"]))
           for arm, found in prepared.matte_errors.items()}  # fmt: skip
    assert "truth" not in mad
    assert 0 < mad["refined"] < mad["raw"]
    assert mad["keyed"] > mad["refined"]


def test_in_place_shows_the_same_picture_under_every_label(prepared: Study) -> None:
    folders = {place.arm: read(prepared.work / place.cell.data.where)
               for place in prepared.places if place.protocol == "in place"}  # fmt: skip
    name = folders["truth"].entries[0].sample_id
    images = {folder.file("image", name).read_bytes() for folder in folders.values()}
    labels = {folder.file("alpha", name).read_bytes() for folder in folders.values()}
    assert len(images) == 1
    assert len(labels) > 2


def test_the_same_cell_twice_gives_the_same_figures(prepared: Study) -> None:
    cell = prepared.cells[2]
    first = run_cell(cell, prepared.work)
    path = result_path(prepared.work, cell)
    before = path.stat().st_mtime_ns
    assert run_cell(cell, prepared.work) == first
    assert path.stat().st_mtime_ns == before
    moved = prepared.work / "elsewhere"
    path.parent.rename(moved)
    second = run_cell(cell, prepared.work)
    assert second["tests"] == first["tests"]
    assert json.loads((moved / path.name).read_text())["tests"] == second["tests"]


def test_another_test_set_needs_no_second_training(prepared: Study) -> None:
    from dataclasses import replace

    cell = prepared.cells[3]
    run_cell(cell, prepared.work)
    again = replace(cell, tests=(replace(cell.tests[0], name="another"),))
    weights = result_path(prepared.work, cell).parent / "model.safetensors"
    before = weights.stat().st_mtime_ns
    result = run_cell(again, prepared.work)
    assert set(result["tests"]) == {"another"}
    assert weights.stat().st_mtime_ns == before
    assert read_result(prepared.work, cell) is not None


def test_ranks_share_the_cells_and_a_locked_one_is_left(prepared: Study) -> None:
    cells = prepared.cells
    own = cells[5::19]
    with claimed(prepared.work, own[0]) as free:
        assert free
        ran = work_off(prepared, rank=5, world_size=19)
    assert ran == len(own) - 1
    assert read_result(prepared.work, own[0]) is None
    assert read_result(prepared.work, own[1]) is not None


def test_datatrove_runs_cells(prepared: Study, tmp_path: Path) -> None:
    executor = pytest.importorskip("datatrove.executor")
    from ld_portrait_20k.matting.experiments.steps import RunCells

    executor.LocalPipelineExecutor(
        [RunCells(str(prepared.output))], tasks=len(prepared.cells), logging_dir=str(tmp_path),
        local_tasks=1, local_rank_offset=7,
    ).run()  # fmt: skip
    assert read_result(prepared.work, prepared.cells[7]) is not None


def test_killed_at_any_moment_it_ends_with_the_same_figures(
    portraits: Path, tmp_path: Path
) -> None:
    options = ("reproduce", "capacity", "--data", portraits, "--steps", 6, "--seeds", 1, *TINY)
    whole = tmp_path / "whole"
    assert run_module(MODULE, *options, "--output", whole).returncode == 0
    expected = figures(load_study(whole))
    assert len(expected) == 7
    output = tmp_path / "killed"
    for delay in (1.5, 6.0, 8.0):
        process = start_module(MODULE, *options, "--output", output, start_new_session=True)
        time.sleep(delay)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    done = run_module(MODULE, *options, "--output", output)
    assert done.returncode == 0, done.stderr
    assert figures(load_study(output)) == expected
    assert (output / "cells.csv").read_bytes() == (whole / "cells.csv").read_bytes()
    again = run_module(MODULE, *options, "--output", output)
    assert again.returncode == 0
    assert "7 cells, 0 to do" in again.stderr


def test_the_report_of_what_is_done(prepared: Study, capsys: pytest.CaptureFixture[str]) -> None:
    work_off(prepared, rank=0, world_size=len(prepared.cells))
    work_off(prepared, rank=1, world_size=len(prepared.cells))
    assert main(["reproduce", "--report-only", "--output", str(prepared.output), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["cells"] == len(prepared.cells)
    assert 2 <= said["done"] < said["cells"]
    output = prepared.output
    rows = list(csv.DictReader((output / "cells.csv").open()))
    wanted = ["table", "arm", "fraction", "seed", "steps", "test", "sad", "mse", "mad", "grad",
              "conn"]  # fmt: skip
    assert list(rows[0])[:11] == wanted
    markdown, html = (output / "report.md").read_text(), (output / "report.html").read_text()
    assert f"Only {said['done']} of {said['cells']} cells are done" in markdown
    assert prepared.command.split()[-1] in html
    assert prepared.cells[0].data.fingerprint in html
    assert all((output / name).is_file() for name in re.findall(r"\]\((figures/.+?)\)", markdown))
    before = (output / "report.html").read_bytes()
    main(["reproduce", "--report-only", "--output", str(output)])
    assert (output / "report.html").read_bytes() == before


def test_a_model_without_a_trimap_is_judged_on_whole_pictures(
    portraits: Path, tmp_path: Path
) -> None:
    network = json.dumps({"widths": [4, 4, 4, 4, 4], "depths": [1, 1, 1, 1, 1]})
    options = [*TINY, "--model", "portrait-unet", "--network", network, "--steps", "1",
               "--seeds", "1", "--note", "A *note* for readers."]  # fmt: skip
    output = tmp_path / "report"
    arguments = ["--data", str(portraits), "--output", str(output), *options]
    assert main(["reproduce", "source", *arguments, "--prepare-only"]) == 0
    study = load_study(output)
    result = run_cell(study.cells[0], study.work)
    assert result["region"] == "whole"
    whole = result["tests"]["held-out"]["pictures"][0]
    assert main(["reproduce", "--report-only", "--output", str(output)]) == 0
    markdown = (output / "report.md").read_text()
    assert "over the whole of their test pictures" in markdown
    assert "A \\*note\\* for readers." in markdown
    test = read(study.work / study.cells[0].tests[0].where)
    alpha = cv2.imread(str(test.file("alpha", whole["name"])), cv2.IMREAD_GRAYSCALE)
    assert alpha is not None
    # SAD counts thousands of pixels, MAD is their mean: the region is every pixel.
    assert whole["sad"] * 1000 / whole["mad"] == pytest.approx(alpha.size)


def test_the_page_loads_nothing(prepared: Study) -> None:
    main(["reproduce", "--report-only", "--output", str(prepared.output)])
    html = (prepared.output / "report.html").read_text()
    for place in re.findall(r"(?:src|href|url|srcset|data)\s*[=(]\s*[\"']?([^\"'\s>)]*)", html):
        assert place.startswith(("data:", "#")), place
    assert "<script" not in html
    assert "@import" not in html


def write_portraits(root: Path, source: Path, mirror: bool) -> Path:
    """Finished pictures of a prepared test set's, as a foreign folder."""
    for role in ("image", "alpha"):
        for path in (source / role).glob("*.png"):
            picture = np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
            target = root / role / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(target), cv2.flip(picture, 1) if mirror else picture)
    return root


@pytest.mark.parametrize("mirror", [False, True])
def test_a_test_set_that_was_trained_on_is_refused(
    portraits: Path, prepared: Study, tmp_path: Path, mirror: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    trained = next(p for p in prepared.places if p.protocol == "in place").cell.data
    stolen = write_portraits(tmp_path / "stolen", prepared.work / trained.where, mirror)
    code = reproduce("source", "--data", portraits, "--test", f"stolen={stolen}",
                     "--output", tmp_path / "report", "--prepare-only")  # fmt: skip
    assert code == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: test set stolen: ")
    assert "training set" in error
    assert "try:" in error


def test_a_rival_is_trained_and_its_own_test_set_refused(
    portraits: Path, prepared: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = prepared.work / prepared.cells[0].tests[0].where
    rival = write_portraits(tmp_path / "rival", held, mirror=False)
    options = ("datasets", "--data", portraits, "--rival", f"other={rival}", "--prepare-only",
               "--output", tmp_path / "report")  # fmt: skip
    assert reproduce(*options) == 1
    assert "training set other" in capsys.readouterr().err
    other = write_portraits(tmp_path / "unlike", Path(_blobs(tmp_path / "blobs")), mirror=False)
    assert reproduce("datasets", "--data", portraits, "--rival", f"other={other}",
                     "--output", tmp_path / "second", "--steps", 2, "--seeds", 2) == 0  # fmt: skip
    study = load_study(tmp_path / "second")
    assert {place.arm for place in study.places} == {"ours", "other"}
    assert "other less ours" in (tmp_path / "second/report.md").read_text()


def _blobs(root: Path) -> str:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:64, :64]
    for number in range(3):
        alpha = np.clip(300 - 14 * np.hypot(y - 20 - 8 * number, x - 15 - 12 * number), 0, 255)
        for role, picture in (("alpha", alpha), ("image", rng.integers(0, 255, (64, 64, 3)))):
            (root / role).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(root / role / f"{number}.png"), picture.astype(np.uint8))
    return str(root)


def test_a_growing_dataset_keeps_its_subsets() -> None:
    names = [f"ldp-{number:07d}" for number in range(64)]
    few, many = nested(names[:32]), nested(names)
    assert [name for name in many if name in few] == few


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("datasets",), "needs a rival; try: --rival"),
        (("matte",), "no table 'matte'; try: source capacity"),
        (("--hold-out", "0"), "nothing to test on; try: --test"),
        (("--model", "closed-form"), "is not trained; try: --model"),
        (("--devices", "tpu"), "--devices tpu: no devices; try: cpu:2"),
        (("--devices", "cpu:0"), "--devices cpu:0: no devices; try: cpu:2"),
        (("--side", "0"), "--side 0: test pictures need 32 pixels"),
        (("--side", "-5"), "--side -5: test pictures need 32 pixels"),
        (("--steps", "0"), "--steps must be at least 1"),
    ],
)
def test_what_cannot_be_is_one_line(
    portraits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...], message: str,
) -> None:  # fmt: skip
    output = tmp_path / "report"
    code = main(["reproduce", "--data", str(portraits), "--output", str(output), *arguments,
                 "--dry-run"])  # fmt: skip
    assert code == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert message in error
    assert not (output / ".work" / "study.json").exists()


def test_a_network_that_is_no_object_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in ("x", "[1]", "3", ""):
        with pytest.raises(SystemExit) as end:
            main(["reproduce", "--output", str(tmp_path / "o"), "--network", text])
        assert end.value.code == 2
        assert "is no JSON object; try: " in capsys.readouterr().err
