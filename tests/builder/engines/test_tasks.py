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
from builder.pipeline.output_folder import freeze
from builder.pipeline.planner import plan_for_output
from builder.pipeline.run_options import RunOptions
from builder.plan import Plan
from ld_portrait_20k.errors import PortraitError

Digest = Callable[[Path], dict[str, str]]


def freeze_plan(config: BuildConfig, output: Path, count: int) -> tuple[TaskSpec, Plan]:
    run = RunOptions.for_config(config, workers=0)
    plan = plan_for_output(config, output, run)
    freeze(output, plan, run.source)
    return TaskSpec(output, plan.hash, count, run), plan


@pytest.mark.parametrize("count", [1, 2, 3])
def test_tasks_in_any_order_and_a_finish_make_the_same_bytes(
    people: BuildConfig, tmp_path: Path, undisturbed: dict[str, str], digest: Digest, count: int
) -> None:
    spec, plan = freeze_plan(people, tmp_path / "out", count)
    for rank in reversed(range(count)):
        with pytest.raises(PortraitError, match="not done"):
            tasks.finish_tasks(spec)
        assert tasks.run_task(spec, rank) == len(tasks.units_of(plan, rank, count))
        assert tasks.run_task(spec, rank) == 0
        assert not (spec.output / "manifest.json").exists()
    assert tasks.missing_units(spec.output, plan) == []
    tasks.finish_tasks(spec)
    assert digest(spec.output) == undisturbed
    assert tasks.missing_units(spec.output, plan) == []


def test_a_spec_travels_as_json(people: BuildConfig, tmp_path: Path) -> None:
    run = RunOptions.for_config(people, device="cuda:1", decode_memory_gib=2.5, workers=3)
    spec = TaskSpec(tmp_path / "out", "0" * 64, 7, run, tmp_path / "beats", "memory://x")
    assert TaskSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_a_shard_that_rotted_is_pending_again(
    people: BuildConfig, tmp_path: Path, undisturbed: dict[str, str], digest: Digest
) -> None:
    spec, plan = freeze_plan(people, tmp_path / "out", 3)
    for rank in range(3):
        tasks.run_task(spec, rank)
    shard = sorted((spec.output / ".work" / "units").glob("*.default.tar"))[1]
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(bytes(content))
    missing = tasks.missing_units(spec.output, plan)
    assert tasks.pending_ranks(plan, missing, 3) == [1]
    with pytest.raises(PortraitError, match=r"1 of 3 tasks are not done \(1\)"):
        tasks.finish_tasks(spec)
    assert tasks.run_task(spec, 1) == 1
    tasks.finish_tasks(spec)
    assert digest(spec.output) == undisturbed


def test_a_task_refuses_another_plan(people: BuildConfig, tmp_path: Path) -> None:
    spec, _ = freeze_plan(people, tmp_path / "out", 3)
    with pytest.raises(PortraitError, match="the plan changed since"):
        tasks.run_task(replace(spec, plan_hash="f" * 64), 0)
    with pytest.raises(PortraitError, match="no plan there"):
        tasks.run_task(replace(spec, output=tmp_path / "elsewhere"), 0)


def test_what_stopped_a_task_is_told(people: BuildConfig, tmp_path: Path) -> None:
    spec, _ = freeze_plan(people, tmp_path / "out", 3)
    units = spec.output / ".work" / "units"
    units.write_text("in the way")
    with pytest.raises(PortraitError):
        tasks.run_task(spec, 2)
    assert list(tasks.failures(spec, [0, 1, 2])) == [2]
    units.unlink()
    with pytest.raises(PortraitError, match=r"3 of 3 tasks are not done.*task 2: .*units"):
        tasks.finish_tasks(spec)
    tasks.run_task(spec, 2)
    assert tasks.failures(spec, [0, 1, 2]) == {}


def test_paths_do_not_depend_on_the_working_folder(
    people: BuildConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert people.source is not None
    monkeypatch.chdir(people.source.parent)
    (people.source.parent / "weights").mkdir(exist_ok=True)
    run = RunOptions.for_config(replace(people, source=Path(people.source.name)))
    assert run.source == people.source.resolve()
    config = BuildConfig(
        generator="layer-diffusion",
        count=3,
        layer_diffusion={"weights": "weights", "vae": "auto", "steps": 3},
    )
    run = RunOptions.for_config(config)
    assert run.model_folders == {"weights": str((people.source.parent / "weights").resolve())}
