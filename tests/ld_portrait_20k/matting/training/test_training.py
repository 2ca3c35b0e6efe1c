"""Runs: every layout, exact resume after SIGKILL, several processes, what is written."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import pytest
import yaml

from ld_portrait_20k.matting import load
from ld_portrait_20k.matting.cli import main
from ld_portrait_20k.matting.models.saving import save_pretrained
from ld_portrait_20k.matting.models.vitmatte import VitMatte
from ld_portrait_20k.matting.training.checkpoints import checkpoints
from ld_portrait_20k.matting.training.config import build
from ld_portrait_20k.matting.training.loading import Positions
from ld_portrait_20k.matting.training.loop import train
from tests.ld_portrait_20k.samples import build as build_dataset

from .conftest import write_pairs

SMALL: dict[str, Any] = {
    "model": "hint-unet", "crop": 32, "batch_size": 2, "workers": 0, "validation_samples": 2,
    "precision": "fp32", "device": "cpu", "log_every": 5,
}  # fmt: skip
FLAGS = ["--model", "hint-unet", "--crop", "32", "--batch-size", "2", "--precision", "fp32",
         "--device", "cpu"]  # fmt: skip


def settings(data: Path, steps: int, **more: Any) -> Any:
    return build(SMALL, {"data": [f"d={data}"], "steps": steps, **more})


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


LAYOUTS = {
    "P3M-10k": ("train/blurred_image", "train/mask", ""),
    "AIM-500": ("original", "mask", "trimap"),
    "PPM-100": ("image", "matte", ""),
    "Composition-1k": ("Training_set/Other/fg", "Training_set/Other/alpha", ""),
    "Distinctions-646": ("Train/FG", "Train/GT", ""),
    "AM-2k": ("train/original", "train/mask", ""),
    "VideoMatte240K": ("train/fgr/0000", "train/pha/0000", ""),
    "image and alpha": ("image", "alpha", "trimap"),
    "foreground and alpha": ("fg", "alpha", ""),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_trains_on_a_folder_in_each_published_layout(layout: str, tmp_path: Path) -> None:
    colours, alphas, trimaps = LAYOUTS[layout]
    data = write_pairs(tmp_path / "data", colours, alphas, trimaps=trimaps)
    summary = train(settings(data, 20), tmp_path / "run")
    assert summary.steps == 20 and summary.loss is not None and 0 < summary.loss < 100
    assert load(tmp_path / "run").needs_trimap


@pytest.mark.parametrize("subset", ["refined", "raw", "truth"])
def test_trains_on_our_subsets(subset: str, tmp_path: Path) -> None:
    build_dataset(
        tmp_path / "data", {"train": (1, 3)}, subsets=("default", "raw", "truth"), size=(64, 64)
    )
    config = settings(tmp_path / "data", 20)
    config = build(config.to_dict(), {"data": [f"d={tmp_path / 'data'}#{subset}"]})
    assert train(config, tmp_path / "run").steps == 20


def test_a_run_leaves_a_model_logs_and_pictures(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    flags = ["--output", str(run), "--steps", "6", *FLAGS, "--log-every", "2", "--workers", "0"]
    code = main(["train", "--data", f"p={pairs}:2", *flags, "--licence", "CC-BY-4.0", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert code == 0 and told["steps"] == 6 and 0 <= told["waiting"] <= 1
    rows = list(csv.DictReader((run / "log.csv").open()))
    assert [row["step"] for row in rows] == ["2", "4", "6"]
    assert {"loss", "unknown", "gradient", "learning_rate", "waiting"} <= rows[0].keys()
    judged = list(csv.DictReader((run / "validation.csv").open()))
    assert float(judged[0]["unknown_mad"]) == pytest.approx(
        told["validation"]["unknown_mad"], rel=1e-4
    )
    sheet = cv2.imread(str(run / "validation/step-00000006.png"))
    assert sheet is not None and sheet.shape[1] == 5 * 32 and sheet.std() > 5
    assert list((run / "tensorboard").iterdir())
    card = (run / "README.md").read_text()
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["license"] == "cc-by-4.0"
    assert f"3 samples of p={pairs}:2" in card and "generated" in card and "--steps 6" in card
    assert f"{told['validation']['unknown_mad'] * 1e3:.3f}" in card
    assert load(run).licence == "cc-by-4.0"
    saved = yaml.safe_load((run / "training.yaml").read_text())
    assert saved["crop"] == 32 and saved["data"] == [f"p={pairs}:2"]


def test_the_same_seed_gives_the_same_weights_with_any_workers(pairs: Path, tmp_path: Path) -> None:
    train(settings(pairs, 4, workers=0), tmp_path / "a")
    train(settings(pairs, 4, workers=2), tmp_path / "b")
    train(settings(pairs, 4, seed=1), tmp_path / "c")
    assert weights(tmp_path / "a") == weights(tmp_path / "b") != weights(tmp_path / "c")


@pytest.mark.slow
def test_killed_and_started_again_it_comes_to_the_same_weights(pairs: Path, tmp_path: Path) -> None:
    steps = 30
    command = [
        sys.executable, "-m", "ld_portrait_20k.matting", "train", "--data", f"p={pairs}",
        "--steps", str(steps), *FLAGS, "--checkpoint-every", "4", "--workers", "1",
        "--precision", "auto", "--resume",
    ]  # fmt: skip
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    straight = subprocess.run([*command, "--output", str(tmp_path / "straight")], **quiet)
    assert straight.returncode == 0, straight.stderr.decode()[-2000:]
    killed = tmp_path / "killed"
    with subprocess.Popen([*command, "--output", str(killed)], **quiet) as process:
        while process.poll() is None and max(checkpoints(killed), default=0) < 8:
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -9 and 8 <= max(checkpoints(killed)) < steps
    assert not (killed / "model.safetensors").exists()
    again = subprocess.run([*command, "--output", str(killed)], **quiet)
    assert again.returncode == 0, again.stderr.decode()[-2000:]
    assert b"going on after step" in again.stderr
    assert weights(tmp_path / "straight") == weights(killed)
    for name in ("model", "average", "optimizer"):
        file = f"checkpoints/step-{steps:08d}/{name}.safetensors"
        assert (tmp_path / "straight" / file).read_bytes() == (killed / file).read_bytes()
    logs = [[(row["step"], row["loss"]) for row in csv.DictReader((folder / "log.csv").open())]
            for folder in (tmp_path / "straight", killed)]  # fmt: skip
    assert logs[0] == logs[1]


def test_stopped_by_a_signal_it_keeps_what_is_done(pairs: Path, tmp_path: Path) -> None:
    asked = iter([False, False, True])
    with pytest.raises(KeyboardInterrupt):
        train(settings(pairs, 9), tmp_path / "run", stopped=lambda: next(asked))
    assert list(checkpoints(tmp_path / "run")) == [3]
    train(settings(pairs, 9), tmp_path / "run", resume=True)
    train(settings(pairs, 9), tmp_path / "straight")
    assert weights(tmp_path / "run") == weights(tmp_path / "straight")


def test_more_steps_go_on_from_the_end_and_old_checkpoints_go(pairs: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(settings(pairs, 4, checkpoint_every=1), run)
    assert list(checkpoints(run)) == [3, 4]
    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.getsignal(number) for number in numbers]
    code = main(["train", "--output", str(run), "--resume", "--steps", "6"])
    assert code == 0 and list(checkpoints(run)) == [5, 6]
    assert [signal.getsignal(number) for number in numbers] == handlers
    assert "6 steps" in (run / "README.md").read_text()


def test_a_run_is_not_overwritten_nor_mixed(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    train(settings(pairs, 2), run)
    before = weights(run)
    same = ["train", "--data", f"d={pairs}", "--steps", "2", *FLAGS, "--output", str(run)]
    assert main(same) == 1 and "--resume" in one_line(capsys)
    assert main([*same, "--resume", "--seed", "7"]) == 1 and "seed" in one_line(capsys)
    assert weights(run) == before


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    text = capsys.readouterr().err
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "Traceback" not in text
    return lines[0]


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_broken_folder_is_one_clear_line_and_leaves_nothing(
    workers: str, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    for path in (pairs / "alpha").iterdir():
        path.write_bytes(path.read_bytes()[:60])
    flags = ["--steps", "3", *FLAGS, "--output", str(run), "--workers", workers]
    assert main(["train", "--data", f"d={pairs}", *flags]) == 1
    assert str(pairs / "alpha") in one_line(capsys) and not run.exists()
    shutil.rmtree(pairs / "alpha")
    assert main(["train", "--data", f"d={pairs}", *flags]) == 1
    assert str(pairs) in one_line(capsys) and not run.exists()
    assert main(["train", "--data", f"d={tmp_path / 'none'}", *flags]) == 1
    assert "none" in one_line(capsys) and not run.exists()


def test_wrong_models_are_named(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = ["--data", f"d={pairs}", "--steps", "1", "--output", str(tmp_path / "run")]
    assert main(["train", "--model", "closed-form", *rest]) == 1
    assert "not trained" in one_line(capsys)
    assert main(["train", "--model", "vitmatte", *rest]) == 1
    assert "vitmatte-small" in one_line(capsys)


def test_starts_from_a_folder_and_refuses_another_kind(
    pairs: Path, tiny: VitMatte, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_pretrained(tiny, tmp_path / "tiny", card="---\nlicense: other\n---\n")
    rest = ["--data", f"d={pairs}", "--init", str(tmp_path / "tiny"), "--steps", "2",
            *FLAGS[2:], "--output", str(tmp_path / "run"), "--workers", "0"]  # fmt: skip
    assert main(["train", "--model", "hint-unet", *rest]) == 1
    assert "vitmatte" in one_line(capsys)
    assert main(["train", "--model", "vitmatte-small", *rest]) == 0
    assert str(tmp_path / "tiny") in (tmp_path / "run/README.md").read_text()


def test_a_dry_run_times_and_writes_nothing(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(["train", "--data", f"d={pairs}", "--steps", "50", *FLAGS, "--output", str(run),
                 "--dry-run", "--json"]) == 0  # fmt: skip
    told = json.loads(capsys.readouterr().out)
    assert told["seconds_a_step"] > 0 and "left" in told and not run.exists()


def test_processes_share_out_the_crops_of_one() -> None:
    alone = Positions(2, 5, 6)
    both = [Positions(2, 5, 3, rank, 2) for rank in range(2)]
    assert len(alone) == 3
    for step in range(3):
        assert alone[step] == both[0][step] + both[1][step]


@pytest.mark.slow
def test_two_processes_come_to_what_one_does_with_twice_the_batch(
    pairs: Path, tiny: VitMatte, tmp_path: Path
) -> None:
    save_pretrained(tiny, tmp_path / "tiny", card="---\nlicense: other\n---\n")
    flags = [
        "-m", "ld_portrait_20k.matting", "train", "--data", f"p={pairs}", "--model",
        "vitmatte-small", "--init", str(tmp_path / "tiny"), "--steps", "3", "--crop", "64",
        "--precision", "fp32", "--device", "cpu", "--log-every", "1", "--workers", "0",
    ]  # fmt: skip
    runs = {
        "one": [sys.executable, *flags, "--batch-size", "4"],
        "two": [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2",
                "--master_port", "0", "--standalone", *flags, "--batch-size", "2"],
    }  # fmt: skip
    losses = {}
    for name, command in runs.items():
        done = subprocess.run(
            [*command, "--output", str(tmp_path / name)], capture_output=True, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        rows = csv.DictReader((tmp_path / name / "log.csv").open())
        losses[name] = [float(row["loss"]) for row in rows]
    assert losses["two"] == pytest.approx(losses["one"], rel=2e-4)


@pytest.mark.parametrize("name", ["README.md", "config.json", "model.safetensors"])
def test_a_folder_with_files_of_others_is_no_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    data = write_pairs(tmp_path / "data", "fg", "alpha")
    (data / name).write_text("mine")
    before = sorted(path.name for path in data.iterdir())
    for more in ([], ["--resume"], ["--dry-run"]):
        arguments = ["--data", str(data), "--steps", "1", "--output", str(data), *FLAGS, *more]
        assert main(["train", *arguments]) == 1
        problem = capsys.readouterr().err
        assert f"{data / name}: would be replaced" in problem and "; try: " in problem
    assert (data / name).read_text() == "mine"
    assert sorted(path.name for path in data.iterdir()) == before


@pytest.mark.parametrize(
    "raised",
    [
        MemoryError("Unable to allocate 112. GiB"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("Caught MemoryError in DataLoader worker process 0.\nOriginal Traceback"),
        RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."),
    ],
)
def test_a_lack_of_memory_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    raised: Exception,
) -> None:  # fmt: skip
    def fail(*_: Any) -> None:
        raise raised

    monkeypatch.setattr("ld_portrait_20k.matting.training.loop.Run.step", fail)
    data = write_pairs(tmp_path / "data", "fg", "alpha")
    arguments = ["train", "--data", str(data), "--steps", "1", "--workers", "0", *FLAGS]
    assert main([*arguments, "--output", str(tmp_path / "run")]) == 1
    problem = capsys.readouterr().err.splitlines()[-1]
    assert problem.startswith("error: not enough memory for batches of 2 at 32 px; try: ")
    assert main([*arguments, "--output", str(tmp_path / "run2"), "--crop", "102400"]) == 1
    assert "crop is 102400; it must be at most" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["pairs", "pairs/run", "photos/run", "held/run"])
def test_no_run_lies_in_its_data(
    place: str, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its pictures of validation were taken for data when it went on, which then failed."""
    photos = write_pairs(tmp_path / "photos", ".", "a").resolve()
    held = write_pairs(tmp_path / "held", "foreground", "alpha")
    before = sorted(tmp_path.rglob("*"))
    data = ["--data", f"p={pairs}:2", "--validation", str(held), "--backgrounds", str(photos)]
    command = ["train", *data, "--output", str(tmp_path / place), "--steps", "1", *FLAGS]
    assert main(command) == 1
    assert "would be taken for data; try: an --output elsewhere" in one_line(capsys)
    assert main(["reproduce", *data[:2], "--test", str(held), "--backgrounds", str(photos),
                 "--output", str(tmp_path / place)]) == 1  # fmt: skip
    assert "would be taken for data; try: an --output elsewhere" in one_line(capsys)
    assert sorted(tmp_path.rglob("*")) == before
