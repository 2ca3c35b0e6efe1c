"""Tasks by themselves: no scheduler, no datatrove."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from builder.config import BuildConfig
from builder.engines import tasks
from builder.engines.tasks import TaskSpec
from builder.pipeline.build import build
from builder.pipeline.unit_builder import RunOptions
from builder.plan import Plan
from ld_portrait_20k.errors import PortraitError

Digest = Callable[[Path], dict[str, str]]


def freeze(config: BuildConfig, output: Path, count: int) -> tuple[TaskSpec, Plan]:
    report = build(config, output, RunOptions(workers=0), part="finish")
    assert report.manifest is None
    assert report.waiting_for == 3
    return TaskSpec(config, output, report.plan.hash, count, 0), report.plan


@pytest.mark.parametrize("count", [1, 2, 3])
def test_tasks_in_any_order_and_a_finish_make_the_same_bytes(
    people: BuildConfig, tmp_path: Path, undisturbed: dict[str, str], digest: Digest, count: int
) -> None:
    spec, plan = freeze(people, tmp_path / "out", count)
    for rank in reversed(range(count)):
        with pytest.raises(PortraitError, match="not done"):
            tasks.finish(spec)
        assert tasks.run_task(spec, rank) == len(tasks.units_of(plan, rank, count))
        assert tasks.run_task(spec, rank) == 0
        assert not (spec.output / "manifest.json").exists()
    assert tasks.missing_units(spec.output, plan) == []
    tasks.finish(spec)
    assert digest(spec.output) == undisturbed
    assert tasks.missing_units(spec.output, plan) == []


def test_a_spec_travels_as_json(people: BuildConfig, tmp_path: Path) -> None:
    config = replace(people, prompts=tmp_path / "prompts.json", splits={"train": 0.5, "test": 0.5})
    spec = TaskSpec(config, tmp_path / "out", "0" * 64, 7, None, tmp_path / "beats", "memory://x")
    assert TaskSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_a_shard_that_rotted_is_pending_again(
    people: BuildConfig, tmp_path: Path, undisturbed: dict[str, str], digest: Digest
) -> None:
    spec, plan = freeze(people, tmp_path / "out", 3)
    for rank in range(3):
        tasks.run_task(spec, rank)
    shard = sorted((spec.output / ".work" / "units").glob("*.default.tar"))[1]
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(bytes(content))
    missing = tasks.missing_units(spec.output, plan)
    assert tasks.pending_ranks(plan, missing, 3) == [1]
    with pytest.raises(PortraitError, match=r"1 of 3 tasks are not done \(1\)"):
        tasks.finish(spec)
    assert tasks.run_task(spec, 1) == 1
    tasks.finish(spec)
    assert digest(spec.output) == undisturbed


def test_a_task_refuses_another_plan(people: BuildConfig, tmp_path: Path) -> None:
    spec, _ = freeze(people, tmp_path / "out", 3)
    with pytest.raises(PortraitError, match="the plan changed since"):
        tasks.run_task(replace(spec, plan_hash="f" * 64), 0)
    with pytest.raises(PortraitError, match="was planned otherwise"):
        tasks.run_task(replace(spec, config=replace(people, attempts=2)), 0)
    with pytest.raises(PortraitError, match="no plan there"):
        tasks.run_task(replace(spec, output=tmp_path / "elsewhere"), 0)


def test_what_stopped_a_task_is_told(people: BuildConfig, tmp_path: Path) -> None:
    spec, _ = freeze(people, tmp_path / "out", 3)
    units = spec.output / ".work" / "units"
    units.write_text("in the way")
    with pytest.raises(PortraitError):
        tasks.run_task(spec, 2)
    assert list(tasks.failures(spec, [0, 1, 2])) == [2]
    units.unlink()
    with pytest.raises(PortraitError, match=r"3 of 3 tasks are not done.*task 2: .*units"):
        tasks.finish(spec)
    tasks.run_task(spec, 2)
    assert tasks.failures(spec, [0, 1, 2]) == {}


def test_paths_do_not_hang_on_the_working_folder(
    people: BuildConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert people.source is not None
    monkeypatch.chdir(people.source.parent)
    (people.source.parent / "weights").mkdir(exist_ok=True)
    config = replace(
        people,
        source=Path(people.source.name),
        layer_diffusion={"weights": "weights", "vae": "auto", "steps": 3},
    )
    found = tasks.absolute(config)
    assert found.source == people.source.resolve()
    assert found.layer_diffusion["weights"] == str((people.source.parent / "weights").resolve())
    assert (found.layer_diffusion["vae"], found.layer_diffusion["steps"]) == ("auto", 3)


def test_the_plan_of_gpu_tasks_is_drawn_up_without_a_gpu() -> None:
    config = BuildConfig(generator="layer-diffusion", count=3, layer_diffusion={"steps": 3})
    there = tasks.elsewhere(config)
    assert there.layer_diffusion == {"steps": 3, "dtype": "float16"}
    assert tasks.planning(there).layer_diffusion["device"] == "cpu"
    cpu = replace(config, layer_diffusion={"device": "cpu"})
    assert tasks.elsewhere(cpu) == cpu
