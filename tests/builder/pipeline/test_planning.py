"""A build is planned once, and planning needs neither weights nor GPU nor network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from builder.cli import main
from builder.config import BuildConfig
from builder.engines import tasks
from builder.engines.devices import run_on_devices
from builder.engines.tasks import TaskSpec
from builder.pipeline import planner
from builder.pipeline.build import build
from builder.pipeline.disk import HEADROOM, disk_need
from builder.pipeline.output_folder import freeze
from builder.pipeline.planner import make_plan, plan_for_output
from builder.pipeline.run_options import RunOptions
from builder.plan import PlanRow
from builder.plan import rows as plan_rows
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import manifest
from tests.builder.building import plan_and_build
from tests.builder.pictures import save_cutouts

Digest = Callable[[Path], dict[str, str]]
ROOT = Path(__file__).parents[3]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return save_cutouts(tmp_path / "people", 6)


@pytest.fixture
def hashed(source: Path, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Name of a source file to the bytes of it that planning hashed."""
    found: Counter[str] = Counter()
    file_sha256 = manifest.file_sha256

    def count(path: Path, *rest: object) -> str:
        if path.parent == source:
            found[path.name] += path.stat().st_size
        return file_sha256(path, *rest)

    monkeypatch.setattr(manifest, "file_sha256", count)
    return found


def test_a_source_is_hashed_once_whoever_works_on_it(
    source: Path, hashed: Counter[str], tmp_path: Path, digest: Digest
) -> None:
    """Planning, ranks, tasks of a cluster, finishing and the same command again."""
    sizes = {path.name: path.stat().st_size for path in source.glob("*.png")}
    config = BuildConfig(generator="folder", source=source, count=None, shards=3)
    for rank in range(3):
        plan_and_build(config, tmp_path / "ranks", rank=rank, world_size=3)
    assert hashed == sizes
    assert plan_and_build(config, tmp_path / "ranks").was_complete
    assert hashed == sizes

    hashed.clear()
    output = tmp_path / "tasks"
    run = RunOptions.for_config(config, workers=0)
    plan = plan_for_output(config, output, run)
    freeze(output, plan, run.source)
    spec = TaskSpec.from_dict(TaskSpec(output, plan.hash, 3, run).to_dict())
    for rank in range(3):
        tasks.run_task(spec, rank)
    tasks.finish_tasks(spec)
    assert hashed == sizes
    assert digest(output) == digest(tmp_path / "ranks")


def test_only_what_changed_is_hashed_again(
    source: Path, hashed: Counter[str], tmp_path: Path
) -> None:
    config = BuildConfig(generator="folder", source=source, count=None, shards=3)
    plan_and_build(config, tmp_path / "out")
    hashed.clear()
    picture = source / "person_002.png"
    times = picture.stat()
    content = bytearray(picture.read_bytes())
    content[-20] ^= 1
    picture.write_bytes(bytes(content))
    os.utime(picture, ns=(times.st_atime_ns, times.st_mtime_ns))  # as a copy that keeps times
    with pytest.raises(PortraitError, match="source of ldp-0000002 was"):
        plan_and_build(config, tmp_path / "out")
    assert list(hashed) == ["person_002.png"]
    # Of another folder nothing is known, whatever its files are called.
    other = save_cutouts(tmp_path / "others" / "people", 6)
    with pytest.raises(PortraitError, match="source of ldp-0000002 was") as caught:
        plan_and_build(replace(config, source=source), tmp_path / "out")
    assert "planned otherwise" in str(caught.value)
    (other / "person_000.png").write_bytes((other / "person_001.png").read_bytes())
    with pytest.raises(PortraitError, match="source of ldp-0000000 was"):
        plan_and_build(replace(config, source=other), tmp_path / "out")


def test_a_plan_hashes_its_rows_once(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan(BuildConfig(count=40, shards=4))
    lines: list[PlanRow] = []
    line = plan_rows._encode_row

    def noted(row: PlanRow) -> bytes:
        lines.append(row)
        return line(row)

    monkeypatch.setattr(plan_rows, "_encode_row", noted)
    for _ in range(3):
        assert plan.hash == plan.hash
        assert plan.units() is plan.units()
    assert len(lines) == 2 * 40  # for the plan's hash and for its units'


def test_devices_read_the_saved_plan(
    source: Path, hashed: Counter[str], tmp_path: Path, digest: Digest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    planned = []
    make = planner.make_plan

    def counted(*args: object, **more: object) -> object:
        planned.append(args)
        return make(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(planner, "make_plan", counted)
    config = BuildConfig(generator="folder", source=source, count=None, shards=3)
    output = tmp_path / "out"
    run = RunOptions.for_config(config, workers=0)
    plan = plan_for_output(config, output, run)
    run_on_devices(plan, output, ["cpu", "cpu"], run)
    assert len(list((output / ".work" / "units").glob("*.json"))) == 3
    assert not (output / "manifest.json").exists()
    build(plan, output, run, part="finish")
    assert len(planned) == 1
    assert sum(hashed.values()) == sum(path.stat().st_size for path in source.glob("*.png"))
    plan_and_build(config, tmp_path / "alone")
    assert digest(output) == digest(tmp_path / "alone")


def test_the_device_is_no_part_of_a_plan(tmp_path: Path) -> None:
    with pytest.raises(PortraitError, match="device is no part of a plan"):
        BuildConfig(generator="layer-diffusion", count=1, layer_diffusion={"device": "cpu"})


DRY_RUN = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "diffusers", "transformers", "safetensors"):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
from builder.cli import main
sys.exit(main(sys.argv[1:]))
"""


def dry_run(tmp_path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """A dry run of the large preset with the base install: no torch, no network, no cache."""
    return subprocess.run(
        [
            *(sys.executable, "-c", DRY_RUN, "regenerate", "--preset", "ld-portrait-20k"),
            *("--dry-run", "--output", str(tmp_path / "out"), *more),
        ],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(tmp_path / "home"),
        },
        capture_output=True,
        text=True,
        timeout=240,
    )


def test_the_large_preset_is_planned_without_torch_gpu_or_network(tmp_path: Path) -> None:
    done = dry_run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "20051 samples in 96 shards" in done.stdout
    assert "9.2 GB to download" in done.stdout
    assert "hashes resolved when the run begins" in done.stdout
    assert "7.1 GB for the weights (counted)" in done.stdout
    assert "in float16" in done.stdout
    assert "estimated:" in done.stdout
    assert not (tmp_path / "out").exists()

    done = dry_run(tmp_path, "--json", "--device", "cpu", "--no-raw", "--count", "30")
    found = json.loads(done.stdout)
    assert (found["samples"], found["subsets"]) == (30, ["default"])
    assert found["needs"]["disk_bytes"]["final"] < found["needs"]["disk_bytes"]["peak"]
    # In float32 the base model's own VAE does.
    assert len(found["needs"]["downloads"]) == 2
    assert not any(item["resolved"] or item["cached"] for item in found["needs"]["downloads"])


@pytest.fixture
def no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No Hub can be reached, and nothing of it is on this machine."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()


@pytest.mark.usefixtures("no_hub")
def test_what_is_not_resolved_cannot_be_built(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = BuildConfig(generator="layer-diffusion", count=2)
    plan = make_plan(config, allow_unresolved=True)
    assert {model["sha256"] for model in plan.models} == {None}
    with pytest.raises(PortraitError, match="are not known yet, so nothing can be built"):
        freeze(tmp_path / "out", plan)
    command = ["regenerate", "--preset", "ld-portrait-20k", "--output", str(tmp_path / "out")]
    assert main(command) == 1
    assert "are not in the cache and the Hub cannot be reached" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("no_hub")
def test_a_dry_run_without_the_hub_compares_all_but_the_hashes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    awaited = make_plan(BuildConfig(generator="layer-diffusion", count=2), allow_unresolved=True)
    models = [{**model, "file": "x", "sha256": "0" * 64} for model in awaited.models]
    spec = {**awaited.header["generator"], "models": models}
    known = replace(awaited, header={**awaited.header, "generator": spec})
    freeze(tmp_path / "same", known)
    freeze(tmp_path / "other", make_plan(BuildConfig(generator="procedural", count=2)))

    def rehearse(folder: str, *options: str) -> tuple[int, str]:
        words = ("--generator", "layer-diffusion", "--count", "2", "--size", "512", "--dry-run")
        code = main(["regenerate", *words, *options, "--output", str(tmp_path / folder)])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    assert rehearse("new")[0] == 0
    code, said = rehearse("same")
    assert code == 0 and "(begun)" in said
    for folder, *options in (("same", "--steps", "9"), ("same", "--base-model", "a/b"), ("other",)):
        code, said = rehearse(folder, *options)
        assert code == 1 and "was planned otherwise" in said


@pytest.mark.usefixtures("no_hub")
def test_auto_is_half_precision_unless_the_cpu_computes(tmp_path: Path) -> None:
    config = BuildConfig(generator="layer-diffusion", count=1)
    found = {
        device: make_plan(config, device, allow_unresolved=True).header["generator"]["dtype"]
        for device in ("auto", "cuda", "cuda:1", "cpu")
    }
    assert found == {
        "auto": "float16", "cuda": "float16", "cuda:1": "float16", "cpu": "float32"
    }  # fmt: skip


def folder_prompts(source: Path, prompts: dict[str, str]) -> list[str]:
    path = source.parent / "given.json"
    path.write_text(json.dumps(prompts))
    config = BuildConfig(generator="folder", source=source, count=None, prompts=path)
    return [row.prompt for row in make_plan(config).rows]


def test_prompts_find_their_pictures_however_they_are_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = save_cutouts(tmp_path / "people", 4)
    (source / "person_000.png").rename(source / "Zo\u00e9.png")
    (source / "inner").mkdir()
    (source / "person_001.png").rename(source / "inner" / "b.v2.png")
    found = folder_prompts(
        source,
        {
            "Zoe\u0301": "accent in two characters",
            "inner/b.v2.png": "path with extension",
            "person_002.png": "name with extension",
            "person_003": "stem",
            "b.v2": "the longer key wins",
        },
    )
    assert found == [
        "accent in two characters", "path with extension", "name with extension", "stem"
    ]  # fmt: skip
    assert not caplog.records


def test_prompts_that_match_no_picture_are_told(
    source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert folder_prompts(source, {"person_000": "a", "persn_001": "b"})[:2] == ["a", ""]
    assert "1 of 2 prompts match no picture: 'persn_001'" in caplog.text
    with pytest.raises(PortraitError, match=r"2 of 2 prompts match no picture.*'person_000\.png'"):
        folder_prompts(source, {"one": "a", "two": "b"})
    with pytest.raises(PortraitError, match="encoded in two ways"):
        folder_prompts(source, {"Zo\u00e9": "a", "Zoe\u0301": "b"})


def test_options_that_a_folder_cannot_follow_are_refused(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["plan", "--generator", "folder", "--source", str(source)]
    assert main([*command, "--size", "512"]) == 1
    assert "--size goes with generators that draw" in capsys.readouterr().err
    assert main([*command, "--count", "7"]) == 1
    assert "6 pictures for 7 samples; try: --count 6" in capsys.readouterr().err
    assert main([*command, "--count", "6"]) == 0


def test_a_split_without_samples_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    options = ["--count", "3", "--splits", "train=0.98,validation=0.01,test=0.01"]
    assert main(["plan", "--json", *options]) == 0
    assert json.loads(capsys.readouterr().out)["splits"] == {
        "train": {"samples": 3, "shards": 1},
        "validation": {"samples": 0, "shards": 0},
        "test": {"samples": 0, "shards": 0},
    }
    assert "--splits: no sample for validation and test among 3" in caplog.text


def test_the_disk_must_hold_the_peak(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = make_plan(BuildConfig(count=8, width=512, height=512, shards=4, damage=1.0))
    need = disk_need(plan)
    a_unit = (need.final - HEADROOM) / 4
    assert need.peak == pytest.approx(need.final + a_unit, abs=4)
    assert disk_need(plan, at_once=2).peak == pytest.approx(need.final + 2 * a_unit, abs=4)
    assert disk_need(plan, at_once=99).peak == pytest.approx(need.final + 4 * a_unit, abs=4)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=need.peak - 1))
    with pytest.raises(PortraitError, match=r"GiB needed while it is built, .* when finished"):
        freeze(tmp_path / "out", plan)
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=need.peak))
    freeze(tmp_path / "out", plan)
    options = ["--count", "8", "--size", "512", "--shards", "4", "--json"]
    assert main(["regenerate", "--dry-run", "--output", str(tmp_path / "new"), *options]) == 0
    found = json.loads(capsys.readouterr().out)["needs"]["disk_bytes"]
    assert found["final"] < found["peak"] < 2 * found["final"]
