"""Generators and quality rules that users add: the page's own, installed ones, and bad ones."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from builder.config import GENERATORS, BuildConfig
from builder.generation.built_in import BUILT_IN
from builder.generation.registry import entry_named
from builder.pipeline.planner import make_plan
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format.integrity import verify
from ld_portrait_20k.format.manifest import Manifest
from tests.builder.building import plan_and_build

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "builder" / "generation" / "README.md"
GENERATOR_LINES, RULE_LINES = 20, 10


def code_of_the_page() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def save_code(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    generator, rule = code_of_the_page()
    (folder / "egg.py").write_text(generator)
    (folder / "taste.py").write_text(rule)
    return folder


def builder(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """``python -m builder`` from a folder, as a user runs it."""
    paths = os.pathsep.join([str(ROOT), *filter(None, [environment.pop("PYTHONPATH", "")])])
    return subprocess.run(
        [sys.executable, "-m", "builder", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
    )


def header_of(output: Path) -> dict[str, Any]:
    header: dict[str, Any] = Manifest.load(output).about["plan"]
    return header


def test_the_command_line_names_the_generators_of_the_registry() -> None:
    assert set(GENERATORS) == set(BUILT_IN)


def test_the_page_keeps_its_promise_of_length() -> None:
    generator, rule = ([line for line in c.splitlines() if line] for c in code_of_the_page())
    assert len(generator) <= GENERATOR_LINES
    assert len(rule) <= RULE_LINES


def test_the_code_of_the_page_builds_a_dataset_in_worker_processes(tmp_path: Path) -> None:
    folder = save_code(tmp_path / "mine")
    done = builder(
        folder,
        *("regenerate", "--generator", "egg:Egg", "--generator-option", "size=0.6"),
        *("--quality-rule", "taste:upright", "--quality", "min_coverage=0.05"),
        *("--count", "8", "--size", "128", "--workers", "1", "--output", "eggs", "--json"),
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["generator"] == "egg"
    assert figures["samples"] + figures["rejected"].get("too-wide", 0) == 8
    assert figures["retried"]["too-wide"] >= 1
    header = header_of(folder / "eggs")
    assert header["generator"] == {
        "name": "egg",
        "version": "1",
        "import": "egg:Egg",
        "runs_on": "workers",
        "options": {"size": 0.6, "softness": 2},
    }
    assert header["quality"]["added_rules"] == [{"path": "taste:upright", "version": "1"}]
    assert header["quality"]["thresholds"]["min_coverage"] == 0.05
    card = (folder / "eggs" / "README.md").read_text(encoding="utf-8")
    assert "made by the generator egg" in card
    assert "Rules of other packages took part: taste" in card
    assert "too-wide" in card
    assert verify(folder / "eggs", deep=True).ok


def test_installed_ones_go_by_name(tmp_path: Path) -> None:
    site = save_code(tmp_path / "site")
    info = site / "eggs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: eggs\nVersion: 1.0\n")
    declared = re.search(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert declared is not None
    text = declared[1].replace('[project.entry-points."', "[").replace('"]', "]").replace('"', "")
    (info / "entry_points.txt").write_text(text)
    listed = builder(tmp_path, "generators", "--json", PYTHONPATH=str(site))
    assert listed.returncode == 0, listed.stderr
    found = json.loads(listed.stdout)
    generators = {item["name"]: item for item in found["generators"]}
    assert list(generators) == ["folder", "procedural", "layer-diffusion", "dataset", "egg"]
    assert generators["egg"]["import"] == "egg:Egg"
    assert generators["egg"]["options"] == {"size": "float = 0.4", "softness": "int = 2"}
    rules = {item["name"]: item["import"] for item in found["quality_rules"]}
    assert rules["upright"] == "taste:upright" and rules["all-hard"] is None
    arguments = (
        *("regenerate", "--generator", "egg", "--quality-rule", "upright", "--count", "4"),
        *("--size", "96", "--workers", "1", "--output", "eggs"),
    )
    done = builder(tmp_path, *arguments, PYTHONPATH=str(site))
    assert done.returncode == 0, done.stderr
    assert header_of(tmp_path / "eggs")["generator"]["import"] == "egg:Egg"
    # The same, by path, is the same plan.
    by_path = [{"egg": "egg:Egg", "upright": "taste:upright"}.get(item, item) for item in arguments]
    again = builder(tmp_path, *by_path, PYTHONPATH=str(site))
    assert again.returncode == 0 and "already complete" in again.stdout
    # Without the package: one line, and nothing built.
    missing = builder(tmp_path, *arguments)
    assert missing.returncode == 1
    assert missing.stderr.startswith("error: --generator is one of folder, procedural,")
    assert missing.stderr.count("\n") == 1


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path, for modules of a test's own."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


HEAD = """
import numpy as np
from builder.generation.protocol import Generated, Rejection
class Bad:
    name, version = "bad", "1"
    def generate(self, requests):
        for request in requests:
            shape = (request.row.height, request.row.width)
            alpha = np.full(shape, 255, np.uint8)
            foreground = np.zeros((*shape, 3), np.uint8)
"""


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("yield Generated(request, foreground, alpha[:9])", "is 64x9 pixels, planned were 64x64"),
        ("yield Generated(request, foreground, alpha / 255)", "alpha is float64 (64, 64), not"),
        ("yield Generated(request, foreground[..., :1], alpha)", "foreground is uint8 (64, 64, 1)"),
        ("yield foreground", "gave ndarray, no Generated or Rejection"),
        ("return", "gave 0 results for 1"),
        ("yield Generated(request, foreground, alpha)", "gave more results than 1"),
        ("raise SystemExit('no key')", "failed: SystemExit: no key ("),
        ("yield 1 / 0", "failed: ZeroDivisionError: division by zero ("),
        ("yield Generated(request, foreground, alpha, {'colour': 'red'})", "not in the schema: co"),
    ],
)
def test_what_a_generator_does_wrong_is_one_line(
    module: Path, request: pytest.FixtureRequest, body: str, message: str
) -> None:
    name = f"bad_{abs(hash(request.node.name))}"
    (module / f"{name}.py").write_text(f"{HEAD}            {body}\n            yield\n")
    config = BuildConfig(generator=f"{name}:Bad", count=2, width=64, height=64)
    with pytest.raises(PortraitError) as caught:
        plan_and_build(config, module / "out")
    text = str(caught.value)
    assert text.startswith(f"generator {name}:Bad, sample ldp-0000000: ") and message in text
    assert "\n" not in text


GOOD_CLASS = """
class Mine:
    name, version = "{name}", "{version}"
    def __init__(self, radius: float = 0.5, *, thin: bool = False, count: int | None = 3):
        if radius > 1:
            raise ValueError("radius is at most 1")
    def generate(self, requests):
        return iter(())
"""


def write_class(module: Path, stem: str, name: str = "mine", version: str = "1") -> str:
    (module / f"{stem}.py").write_text(GOOD_CLASS.format(name=name, version=version))
    return f"{stem}:Mine"


def test_options_are_converted_and_defaults_are_in_the_plan(module: Path) -> None:
    path = write_class(module, "mine_a")
    options = {"radius": "0.25", "thin": "yes", "count": "7"}
    plan = make_plan(BuildConfig(generator=path, generator_options=options, count=2))
    assert plan.header["generator"]["options"] == {"radius": 0.25, "thin": True, "count": 7}
    assert plan.subsets == ("default", "raw")
    plain = make_plan(BuildConfig(generator=path, count=2))
    assert plain.header["generator"]["options"] == {"radius": 0.5, "thin": False, "count": 3}
    assert plain.hash != plan.hash


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"radus": "1"}, "--generator-option radus: mine_b:Mine has no such option; it has radius"),
        ({"radius": "wide"}, "--generator-option radius=wide: is a number"),
        ({"thin": "maybe"}, "--generator-option thin=maybe: is true or false"),
        ({"count": "1.5"}, "--generator-option count=1.5: is a whole number"),
        ({"radius": "2"}, "ValueError: radius is at most 1"),
    ],
)
def test_bad_options_are_refused_when_planned(
    module: Path, options: dict[str, str], message: str
) -> None:
    path = write_class(module, "mine_b")
    with pytest.raises(PortraitError) as caught:
        make_plan(BuildConfig(generator=path, generator_options=options, count=2))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_no_generator_is_refused(module: Path) -> None:
    (module / "broken_c.py").write_text("import nowhere_to_be_found\n")
    (module / "plain_c.py").write_text("class Plain:\n    name = 'plain'\nnumber = 3\n")
    taken = write_class(module, "taken_c", name="procedural")
    shouting = write_class(module, "shouting_c", name="Mine!")
    for name, message in {
        "absent_c:Mine": "absent_c cannot be imported (ModuleNotFoundError: No module named",
        "broken_c:Mine": "(ModuleNotFoundError: No module named 'nowhere_to_be_found')",
        "plain_c:Absent": "plain_c has no Absent",
        "plain_c:Plain": "has no version; builder/generation/README.md shows a generator",
        "plain_c:number": "has no name",
        taken: "its name 'procedural' is that of a generator of this package",
        shouting: "its name 'Mine!' is not like my-generator",
        "paint": "no such generator; there are folder, procedural, layer-diffusion",
    }.items():
        with pytest.raises(PortraitError) as caught:
            entry_named(name)
        assert message in str(caught.value) and "\n" not in str(caught.value)


def test_another_version_of_a_generator_does_not_go_on_with_a_plan(module: Path) -> None:
    path = write_class(module, "mine_d")
    spec = make_plan(BuildConfig(generator=path, count=2)).header["generator"]
    entry = entry_named(path)
    assert entry.open(spec, {}).name == "mine"
    with pytest.raises(PortraitError, match="version 1 here, the plan was made with 2; try:"):
        entry.open({**spec, "version": "2"}, {})


def test_workers_that_cannot_import_a_generator_say_so_on_one_line(
    module: Path,
) -> None:
    # The path of this process is not that of its workers, as on another machine.
    path = write_class(module, "mine_f")
    config = BuildConfig(generator=path, count=2, width=64, height=64)
    with pytest.raises(PortraitError) as caught:
        plan_and_build(config, module / "out", workers=1)
    text = str(caught.value)
    assert "mine_f cannot be imported" in text and "on every machine" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("return 3", "gave int; try: return a Verdict"),
        ("return Verdict('Too wide')", "failed (ValueError: reason 'Too wide': write it like"),
        ("return figures.width", "failed (AttributeError: "),
    ],
)
def test_what_a_rule_does_wrong_is_one_line(
    module: Path, request: pytest.FixtureRequest, code: str, message: str
) -> None:
    name = f"rule_{abs(hash(request.node.name))}"
    (module / f"{name}.py").write_text(
        "from builder.quality import Verdict\n"
        f"def rule(figures, report, attributes, thresholds):\n    {code}\n"
    )
    config = BuildConfig(count=1, width=128, height=128, quality_rules=[f"{name}:rule"])
    with pytest.raises(PortraitError) as caught:
        plan_and_build(config, module / "out")
    assert f"quality rule {name}:rule: " in str(caught.value) and message in str(caught.value)
    with pytest.raises(PortraitError, match="no such rule; installed: none; try: package"):
        make_plan(BuildConfig(count=1, quality_rules=["strictly"]))


DEVICE_CLASS = """
import numpy as np
from builder.generation.protocol import Generated
class OnDevice:
    name, version, runs_on, batch_size, gives_truth = "on-device", "1", "device", 3, True
    models = [{"role": "unet", "id": "me/mine", "revision": None, "file": "a", "sha256": "0" * 64}]
    def __init__(self, device: str = "nowhere"):
        self.device = device
    def generate(self, requests):
        assert len(requests) <= 3
        for request in requests:
            row, rng = request.row, np.random.default_rng(request.seed)
            alpha = np.zeros((row.height, row.width), np.uint8)
            left, right = rng.integers(5, 25), rng.integers(40, 60)
            alpha[8:, left:right] = 255
            alpha[8:, left - 1] = 100
            foreground = np.kron(rng.integers(0, 255, (4, 4, 3)), np.ones((16, 16, 1)))
            foreground = foreground.astype(np.uint8)
            record = {"software": self.device, "models": self.models}
            yield Generated(request, foreground, alpha, record, (foreground, alpha))
"""


def test_a_device_generator_runs_beside_the_workers_with_truth_and_models(module: Path) -> None:
    (module / "device_e.py").write_text(DEVICE_CLASS)
    config = BuildConfig(generator="device_e:OnDevice", count=6, width=64, height=64)
    plan = make_plan(config)
    assert plan.subsets == ("default", "raw", "truth")
    assert plan.header["generator"]["options"] == {}
    assert plan.header["generator"]["models"][0]["id"] == "me/mine"
    report = plan_and_build(config, module / "out", device="cuda:7", workers=1)
    assert report.manifest is not None and sum(report.manifest.splits.values()) >= 1
    assert "cuda:7" in (module / "out" / "README.md").read_text(encoding="utf-8")
    assert "me/mine" in (module / "out" / "README.md").read_text(encoding="utf-8")
    assert verify(module / "out", deep=True).ok
