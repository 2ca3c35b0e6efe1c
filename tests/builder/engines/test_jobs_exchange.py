"""HF Jobs with their exchange on a Hub: the loopback one, through huggingface_hub itself."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfFileSystem, constants, hf_hub_download

from builder.config import BuildConfig
from builder.engines import jobs as jobs_engine
from builder.engines.hub_place import HubPlace, hub_place
from builder.engines.options import ClusterOptions
from builder.pipeline.build import BuildReport
from ld_portrait_20k.errors import PortraitError
from tests.builder.building import plan_and_build
from tests.builder.engines.job_service import JobService
from tests.builder.engines.launching import explain, launch
from tests.hub import HubServer
from tests.hub.stand_in import take_for_the_hub

pytest.importorskip("datatrove", reason="the extra 'cluster' is not installed")

Digest = Callable[[Path], dict[str, str]]
REPO = "tester/exchange"
OPTIONS = ClusterOptions("jobs", workers=0, exchange=f"hf://datasets/{REPO}", packages=("x",))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A Hub on loopback that this process takes for the Hub, with a token that may write."""
    with HubServer() as server:
        take_for_the_hub(monkeypatch, server)
        HfFileSystem.clear_instance_cache()
        yield server
        HfFileSystem.clear_instance_cache()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> JobService:
    service = JobService()
    monkeypatch.setattr("huggingface_hub.run_uv_job", service.run_uv_job)
    monkeypatch.setattr("huggingface_hub.inspect_job", service.inspect_job)
    # datatrove's own check of the repository asks the endpoint that was set at import.
    monkeypatch.setattr("huggingface_hub.create_repo", lambda *_, **__: None)
    monkeypatch.setattr("huggingface_hub.create_bucket", lambda *_, **__: None)
    monkeypatch.setattr(jobs_engine, "POLL_SECONDS", 0)
    return service


@pytest.fixture
def config(tmp_path: Path) -> BuildConfig:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a woman with curly red hair\na man with a beard\n")
    return BuildConfig(
        generator="procedural", count=2, width=64, height=64, shards=2, prompts=prompts, attempts=2
    )


@pytest.mark.parametrize(
    ("exchange", "place"),
    [
        ("hf://buckets/me/b", HubPlace("bucket", "me/b", "main", "")),
        ("hf://buckets/me/b/in/here/", HubPlace("bucket", "me/b", "main", "in/here")),
        ("hf://datasets/me/d@dev/x", HubPlace("dataset", "me/d", "dev", "x")),
        ("hf://me/model", HubPlace("model", "me/model", "main", "")),
        ("s3://bucket/x", None),
    ],
)
def test_where_an_exchange_lies(exchange: str, place: HubPlace | None) -> None:
    assert hub_place(exchange) == place


def test_a_file_is_downloaded_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "https://hub")
    for exchange, url in (
        ("hf://buckets/me/b/in", "https://hub/buckets/me/b/resolve/in/a%20b.whl"),
        ("hf://datasets/me/d@v/1", "https://hub/datasets/me/d/resolve/v/1/a%20b.whl"),
        ("hf://me/m", "https://hub/me/m/resolve/main/a%20b.whl"),
    ):
        place = hub_place(exchange)
        assert place is not None and place.url("a b.whl") == url


@pytest.mark.parametrize("exchange", ["hf://buckets/me", "hf://", "hf://datasets/me/", "bucket"])
def test_what_names_no_bucket_is_refused(
    config: BuildConfig, tmp_path: Path, exchange: str
) -> None:
    options = ClusterOptions("jobs", exchange=exchange, packages=("x",))
    with pytest.raises(PortraitError, match=r"--exchange hf://buckets/NAME/BUCKET"):
        explain(config, tmp_path / "out", options)


def test_a_build_through_a_repository_that_is_made(
    config: BuildConfig, tmp_path: Path, server: HubServer, service: JobService, digest: Digest
) -> None:
    plan_and_build(config, tmp_path / "plain")
    report = launch(config, tmp_path / "out", OPTIONS)
    assert isinstance(report, BuildReport)
    assert server.repo(REPO).private
    assert len(service.submitted) == 2
    assert digest(tmp_path / "out") == digest(tmp_path / "plain")


def test_a_checkout_travels_as_a_wheel(
    config: BuildConfig, tmp_path: Path, server: HubServer, service: JobService,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """It lies beside the plan, and is what a Job is told to install."""
    monkeypatch.setattr("ld_portrait_20k.errors._origin", lambda: ("/home/me/checkout", True))
    options = ClusterOptions("jobs", workers=0, exchange=f"hf://datasets/{REPO}/some where")
    assert "installs   a wheel of" in explain(config, tmp_path / "out", options)
    launch(config, tmp_path / "out", options)
    (requirement,) = service.submitted[0]["dependencies"]
    named, _, url = requirement.partition(" @ ")
    assert named == "ld-portrait-20k[generate,cluster]"
    path = next(path for path in server.repo(REPO).files() if path.endswith(".whl"))
    assert url == f"{server.url}/datasets/{REPO}/resolve/main/{path.replace(' ', '%20')}"
    assert path.split("/")[2] == "package"
    local = hf_hub_download(
        REPO, path, repo_type="dataset", local_dir=tmp_path / "got", endpoint=server.url
    )
    names = zipfile.ZipFile(local).namelist()
    assert {"builder/__main__.py", "refinement/__init__.py", "dataset_card/__init__.py"} <= {*names}
    assert not [name for name in names if name.startswith("tests/") or "__pycache__" in name]


def test_a_bucket_is_made_and_what_it_lacks_is_one_line(
    config: BuildConfig, tmp_path: Path, server: HubServer, service: JobService
) -> None:
    """The loopback Hub has no storage behind its buckets, so the plan cannot be put there."""
    options = ClusterOptions("jobs", workers=0, exchange="hf://buckets/tester/new", packages=("x",))
    with pytest.raises(PortraitError, match=r"--exchange hf://buckets/tester/new: ") as caught:
        launch(config, tmp_path / "out", options)
    assert server.buckets == {"tester/new": "private"}
    assert "\n" not in str(caught.value)
    assert service.submitted == []


@pytest.mark.parametrize("kind", ["buckets", "datasets"])
def test_what_cannot_be_written_is_told(
    kind: str, config: BuildConfig, tmp_path: Path, server: HubServer, service: JobService,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    options = ClusterOptions(
        "jobs", workers=0, exchange=f"hf://{kind}/somebody/else", packages=("x",)
    )
    with pytest.raises(PortraitError, match=r"no right to write there \(.*; try: hf auth login"):
        launch(config, tmp_path / "out", options)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    HfFileSystem.clear_instance_cache()
    with pytest.raises(PortraitError, match=r"the Hub cannot be reached \(ConnectError\)"):
        launch(config, tmp_path / "out", options)
    assert service.submitted == []
