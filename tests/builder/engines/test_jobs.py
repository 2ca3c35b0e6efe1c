"""HF Jobs: the real executor and exchange, the Hub's part played in this process.

What starts a Job and tells its state is replaced; a Job itself is datatrove's own entry
point, run on the pickled executor with the variables that a Job has, seeing nothing of the
submitting side but the exchange.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from builder.config import BuildConfig
from builder.engines import jobs as jobs_engine
from builder.engines.options import ClusterOptions
from builder.pipeline.build import BuildReport
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.version import __version__
from tests.builder.building import plan_and_build
from tests.builder.engines.job_service import JobService
from tests.builder.engines.launching import explain, launch

pytest.importorskip("datatrove", reason="the extra 'cluster' is not installed")

Digest = Callable[[Path], dict[str, str]]
TOKEN = "hf_of_the_test"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> JobService:
    import huggingface_hub

    hub = JobService()
    monkeypatch.setattr(huggingface_hub, "run_uv_job", hub.run_uv_job)
    monkeypatch.setattr(huggingface_hub, "inspect_job", hub.inspect_job)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: TOKEN)
    monkeypatch.setattr(jobs_engine, "POLL_SECONDS", 0)
    return hub


@pytest.fixture
def config(tmp_path: Path) -> BuildConfig:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a woman with curly red hair\na man with a beard\na young woman in a hat\n")
    return BuildConfig(
        generator="procedural", count=3, width=96, height=96, shards=3, prompts=prompts, attempts=2
    )


def test_shards_come_home_and_make_the_same_bytes(
    config: BuildConfig, tmp_path: Path, hub: JobService, digest: Digest
) -> None:
    plan_and_build(config, tmp_path / "plain")
    output = tmp_path / "out"
    options = ClusterOptions(
        "jobs", workers=0, exchange=f"memory://{tmp_path.name}/bucket", packages=("x",)
    )
    hub.fail = {1, 3}  # task 1, and its second try
    with pytest.raises(PortraitError, match=r"1 of 3 tasks are not done \(1\)"):
        launch(config, output, options)
    assert len(hub.submitted) == 4
    first = hub.submitted[0]
    assert first["dependencies"] == ["x"]
    assert first["secrets"] == {"HF_TOKEN": TOKEN}

    # What came home stays; what rotted at home is fetched, not made again.
    shard = sorted((output / ".work" / "units").glob("*.default.tar"))[0]
    shard.write_bytes(shard.read_bytes()[:-512])
    report = launch(config, output, options)
    assert isinstance(report, BuildReport)
    assert len(hub.submitted) == 5
    assert digest(output) == digest(tmp_path / "plain")
    import fsspec

    memory = fsspec.filesystem("memory")
    for path in memory.find(f"/{tmp_path.name}"):
        assert TOKEN.encode() not in memory.cat_file(path)
    assert not [p for p in output.rglob("*") if p.is_file() and TOKEN.encode() in p.read_bytes()]


def test_a_shard_that_arrives_altered_does_not_count(
    config: BuildConfig, tmp_path: Path, hub: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec

    options = ClusterOptions(
        "jobs", workers=0, exchange=f"memory://{tmp_path.name}/altered", packages=("x",)
    )
    run = hub.run_uv_job

    def altering(script: str, **asked: Any) -> SimpleNamespace:
        job = run(script, **asked)
        memory = fsspec.filesystem("memory")
        for path in memory.glob(f"/{tmp_path.name}/altered/*/units/*.default.tar"):
            content = bytearray(memory.cat_file(path))
            content[700] ^= 1
            memory.pipe_file(path, bytes(content))
        return job

    monkeypatch.setattr("huggingface_hub.run_uv_job", altering)
    with pytest.raises(PortraitError, match="tasks are not done"):
        launch(config, tmp_path / "out", options)


def test_what_jobs_cannot_see_is_refused(
    people: BuildConfig, config: BuildConfig, tmp_path: Path, hub: JobService
) -> None:
    options = ClusterOptions("jobs", exchange=f"memory://{tmp_path.name}/refused", packages=("x",))
    with pytest.raises(PortraitError, match="Jobs cannot see this folder"):
        launch(people, tmp_path / "a", options)
    with pytest.raises(PortraitError, match="--exchange hf://buckets"):
        launch(config, tmp_path / "b", replace(options, exchange=None))
    text = explain(config, tmp_path / "c", replace(options, flavor="a10g-small"))
    assert "hardware   a10g-small" in text
    assert f"exchange   memory://{tmp_path.name}/refused/" in text
    assert "installs   x" in text
    assert json.dumps(hub.submitted) == "[]"


@pytest.mark.parametrize(
    ("origin", "installs"),
    [
        (None, f"installs   ld-portrait-20k[generate,cluster]=={__version__}"),
        ("git+https://host/repo@abc", "installs   ld-portrait-20k[generate,cluster] @ git+https"),
        ("/home/me/checkout", None),
    ],
)
def test_jobs_install_what_they_can_reach(
    origin: str | None, installs: str | None, config: BuildConfig, tmp_path: Path, hub: JobService,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("ld_portrait_20k.errors._origin", lambda: (origin, False))
    options = ClusterOptions("jobs", exchange=f"memory://{tmp_path.name}/origin")
    if installs is not None:
        assert installs in explain(config, tmp_path / "out", options)
        return
    for call in (explain, launch):
        with pytest.raises(
            PortraitError, match=r"from a folder of this machine \(.*\); try: --package"
        ):
            call(config, tmp_path / "out", options)
    assert hub.submitted == []


def test_a_job_says_what_stopped_it(
    config: BuildConfig, tmp_path: Path, hub: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec

    put_plan = jobs_engine.exchange.put_plan
    rows = f"/{tmp_path.name}/stopped/*/plan/plan.jsonl"

    def damaged_plan(spec: Any) -> None:
        put_plan(spec)
        memory = fsspec.filesystem("memory")
        path = memory.glob(rows)[0]
        memory.pipe_file(path, memory.cat_file(path).replace(b"curly red hair", b"curly blue hair"))

    monkeypatch.setattr(jobs_engine.exchange, "put_plan", damaged_plan)
    options = ClusterOptions(
        "jobs", workers=0, exchange=f"memory://{tmp_path.name}/stopped", packages=("x",)
    )
    with pytest.raises(PortraitError, match=r"3 of 3 tasks .* task 0: .*damaged plan"):
        launch(config, tmp_path / "out", options)
    monkeypatch.setattr(jobs_engine.exchange, "put_plan", put_plan)
    assert isinstance(launch(config, tmp_path / "out", options), BuildReport)
