"""The pipeline from a folder of pictures to a dataset, with real worker processes."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from builder.api import regenerate
from builder.cli import main
from builder.config import BuildConfig
from builder.files import canonical_json
from builder.pipeline.build import BuildReport
from builder.pipeline.packing import Packer
from builder.pipeline.status import status
from builder.pipeline.work_folder import UnitLog, UnitResult, WorkFolder
from builder.plan import Plan, Unit
from ld_portrait_20k import codec
from ld_portrait_20k.common.locks import held
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format.integrity import verify
from ld_portrait_20k.format.manifest import Manifest
from ld_portrait_20k.format.shards import read_samples
from tests.builder.building import plan_and_build
from tests.builder.pictures import cutout, save_cutouts

Digest = Callable[[Path], dict[str, str]]


def folder_config(source: Path, **options: object) -> BuildConfig:
    fields = {"generator": "folder", "source": source, "count": None, **options}
    return BuildConfig(**fields)  # type: ignore[arg-type]


def run(config: BuildConfig, output: Path, workers: int = 0) -> BuildReport:
    return plan_and_build(config, output, workers=workers)


def test_pictures_become_a_sound_dataset(cutouts: Path, tmp_path: Path) -> None:
    config = folder_config(
        cutouts,
        prompts=cutouts.parent / "prompts.json",
        shards=5,
        splits={"train": 0.7, "validation": 0.15, "test": 0.15},
    )
    report = run(config, tmp_path / "out", workers=2)
    manifest = Manifest.load(tmp_path / "out")
    assert manifest == report.manifest
    assert sum(manifest.splits.values()) == 22
    assert manifest.subsets() == ["default", "raw"]
    assert verify(tmp_path / "out", deep=True).problems == []
    assert status(tmp_path / "out").state == "complete"
    for record in manifest.select():
        sizes = [other.samples for other in manifest.select(split=record.split)]
        assert max(sizes) - min(sizes) <= 1
        for sample in read_samples(tmp_path / "out" / record.path):
            number = int(sample.id[4:])
            assert sample.metadata["prompt"] == f"test person {number}"
            assert sample.metadata["generator"]["name"] == "folder"
            assert sample.metadata["source"]["id"] == f"person_{number:03d}"
            alpha = codec.decode_alpha(sample.alpha)
            assert alpha.shape == (160, 128)
    raw = {
        sample.id: sample
        for record in manifest.select("raw")
        for sample in read_samples(tmp_path / "out" / record.path)
    }
    for number in range(22):
        sample = raw[f"ldp-{number:07d}"]
        original = cutout(number)
        assert np.array_equal(codec.decode_foreground(sample.foreground), original[..., :3])
        assert np.array_equal(codec.decode_alpha(sample.alpha), original[..., 3])
        assert sample.metadata["refinement"]["version"] is None


@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    count=st.integers(1, 9),
    seed=st.integers(0, 2**40),
    shards=st.integers(1, 4),
    jpeg=st.booleans(),
    workers=st.sampled_from([1, 4]),
)
def test_bytes_do_not_depend_on_the_workers(
    cutouts: Path,
    tmp_path_factory: pytest.TempPathFactory,
    digest: Digest,
    count: int,
    seed: int,
    shards: int,
    jpeg: bool,
    workers: int,
) -> None:
    folder = tmp_path_factory.mktemp("same")
    config = folder_config(
        cutouts,
        count=count,
        seed=seed,
        shards=shards,
        foreground_format="jpeg" if jpeg else "png",
        splits={"train": 0.6, "test": 0.4},
    )
    run(config, folder / "a", 0)
    run(config, folder / "b", workers)
    assert digest(folder / "a") == digest(folder / "b")


def test_the_same_command_again_does_nothing(cutouts: Path, tmp_path: Path, digest: Digest) -> None:
    config = folder_config(cutouts, count=6, shards=2)
    run(config, tmp_path / "out")
    before = digest(tmp_path / "out")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.tar")}
    assert run(config, tmp_path / "out").was_complete
    assert digest(tmp_path / "out") == before
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.tar")}


def test_a_lost_shard_alone_is_built_again(cutouts: Path, tmp_path: Path, digest: Digest) -> None:
    config = folder_config(cutouts, count=8, shards=4)
    run(config, tmp_path / "out")
    before = digest(tmp_path / "out")
    shards = sorted((tmp_path / "out" / "data").glob("*.tar"))
    shards[1].unlink()
    shards[2].write_bytes(shards[2].read_bytes()[:-700])
    report = run(config, tmp_path / "out")
    assert (report.run.built, report.run.found) == (2, 2)
    assert digest(tmp_path / "out") == before


def test_another_plan_is_refused_by_name(cutouts: Path, tmp_path: Path, digest: Digest) -> None:
    config = folder_config(cutouts, count=4)
    run(config, tmp_path / "out")
    before = digest(tmp_path / "out")
    with pytest.raises(PortraitError, match=r"planned otherwise: seed was 0, now 5"):
        run(replace(config, seed=5), tmp_path / "out")
    with pytest.raises(PortraitError, match="count was 4, now 3"):
        run(replace(config, count=3), tmp_path / "out")
    with pytest.raises(PortraitError, match="shards was 1, now 2"):
        run(replace(config, shards=2), tmp_path / "out")
    assert digest(tmp_path / "out") == before


def test_a_build_begun_with_another_png_encoder_is_refused(
    cutouts: Path, tmp_path: Path, digest: Digest
) -> None:
    config = folder_config(cutouts, count=4, shards=2)
    plan_and_build(config, tmp_path / "out", part="units")
    plan = Plan.load(tmp_path / "out" / ".work")
    assert plan is not None
    # As a plan was saved when Pillow encoded.
    header = {key: value for key, value in plan.header.items() if key != "png_version"}
    Plan(header, plan.environment, plan.rows).save(tmp_path / "out" / ".work")
    with pytest.raises(PortraitError, match=r"png_version was None, now '3'; try: the version of"):
        run(config, tmp_path / "out")
    assert digest(tmp_path / "out") == {}


def test_foreign_folders_are_left_alone(cutouts: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    with pytest.raises(PortraitError, match=r"holds 'thesis\.tex'"):
        run(folder_config(cutouts, count=2), tmp_path / "out")
    (tmp_path / "file").write_text("")
    with pytest.raises(PortraitError, match="a file is in the way"):
        run(folder_config(cutouts, count=2), tmp_path / "file")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]


def test_two_runs_on_one_folder(cutouts: Path, tmp_path: Path) -> None:
    with (
        held(tmp_path / "out" / ".work" / "lock", "out"),
        pytest.raises(PortraitError, match=r"another run \(process \d+\) is working on it"),
    ):
        run(folder_config(cutouts, count=2), tmp_path / "out")
    run(folder_config(cutouts, count=2), tmp_path / "out")


def test_bad_pictures_are_named_and_the_run_goes_on(tmp_path: Path) -> None:
    source = save_cutouts(tmp_path / "people", 4)
    picture = Image.fromarray(cutout(0))
    picture.convert("RGB").save(source / "no_alpha.png")
    picture.resize((1, 1)).save(source / "tiny.png")
    (source / "text.png").write_text("not a picture at all")
    whole = (source / "person_000.png").read_bytes()
    (source / "cut.png").write_bytes(whole[: len(whole) // 2])
    Image.new("LA", (20_000, 20_000)).save(source / "bomb.png", compress_level=1)
    picture.save(source / "twin.webp", lossless=True)
    Image.new("RGBA", (90, 90)).save(source / "void.png")
    report = run(folder_config(source), tmp_path / "out", workers=1)
    assert report.manifest is not None
    assert sum(report.manifest.splits.values()) == 4
    assert report.rejected == {
        "empty": 1,
        "near-duplicate": 1,
        "no-alpha": 1,
        "not-a-picture": 1,
        "too-large": 1,
        "too-small": 1,
        "unreadable": 1,
    }
    lines = (tmp_path / "out" / "rejected.jsonl").read_text().splitlines()
    by_source = {item["source"]: item for item in map(json.loads, lines)}
    assert by_source["bomb.png"]["detail"].startswith(
        "bomb.png: 20000 x 20000 is more than 67 million pixels"
    )
    assert by_source["no_alpha.png"]["reason"] == "no-alpha"
    assert by_source["twin.webp"]["reason"] == "near-duplicate"
    assert verify(tmp_path / "out", deep=True).problems == []


def test_nothing_accepted_is_a_clear_error(tmp_path: Path) -> None:
    source = tmp_path / "people"
    source.mkdir()
    (source / "text.png").write_text("x")
    with pytest.raises(PortraitError, match=r"no sample was accepted \(not-a-picture 1\)"):
        run(folder_config(source), tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()
    with pytest.raises(PortraitError, match="no PNG or WebP files"):
        (source / "text.png").unlink()
        run(folder_config(source), tmp_path / "out2")
    with pytest.raises(PortraitError, match="no such folder"):
        run(folder_config(tmp_path / "nowhere"), tmp_path / "out2")
    assert not (tmp_path / "out2").exists()


def test_a_picture_that_changes_after_planning(cutouts: Path, tmp_path: Path) -> None:
    source = tmp_path / "people"
    shutil.copytree(cutouts, source)
    config = folder_config(source, count=3)
    run(config, tmp_path / "out")
    Image.fromarray(cutout(99)).save(source / "person_001.png")
    with pytest.raises(PortraitError, match="source of ldp-0000001 was"):
        run(config, tmp_path / "out")


def test_sizes_stay_and_large_ones_pass(tmp_path: Path) -> None:
    source = tmp_path / "people"
    source.mkdir()
    Image.fromarray(cutout(1, 200, 120)).save(source / "wide.png")
    Image.fromarray(cutout(2, 90, 333)).save(source / "tall.webp", lossless=True)
    run(folder_config(source), tmp_path / "out")
    manifest = Manifest.load(tmp_path / "out")
    found = {
        sample.metadata["source"]["file"]: (sample.metadata["width"], sample.metadata["height"])
        for record in manifest.select()
        for sample in read_samples(tmp_path / "out" / record.path)
    }
    assert found == {"wide.png": (200, 120), "tall.webp": (90, 333)}


def test_from_python(cutouts: Path, tmp_path: Path) -> None:
    output = regenerate(
        tmp_path / "out", generator="folder", source=str(cutouts), count=2, workers=0
    )
    assert Manifest.load(output).splits == {"train": 2}
    with pytest.raises(PortraitError, match="no such builder option: colour"):
        regenerate(tmp_path / "out", colour="red")


def test_canonical_json_is_one_line() -> None:
    assert canonical_json({"b": 1, "a": ["é", None]}) == '{"a":["é",null],"b":1}'


def test_growing_adds_shards_and_changes_none(
    cutouts: Path, tmp_path: Path, digest: Digest
) -> None:
    config = folder_config(cutouts, count=8, shards=2, splits={"train": 0.7, "test": 0.3})
    run(config, tmp_path / "out")
    before = digest(tmp_path / "out")
    old = [value for name, value in before.items() if name.endswith(".tar")]
    grown = replace(config, count=17, shards=None)
    report = run(grown, tmp_path / "out")
    after = digest(tmp_path / "out")
    assert (report.run.found, sum(Manifest.load(tmp_path / "out").splits.values())) == (2, 17)
    assert set(old) < set(after.values())
    assert verify(tmp_path / "out", deep=True).problems == []
    assert run(grown, tmp_path / "out").was_complete
    assert "8 samples, then 9 samples planned" in (tmp_path / "out" / "README.md").read_text()
    again = run(replace(config, count=22, shards=9), tmp_path / "out")
    assert again.manifest is not None
    assert len(again.manifest.select()) == 9
    assert set(old) < set(digest(tmp_path / "out").values())


def test_growth_that_was_interrupted(cutouts: Path, tmp_path: Path, digest: Digest) -> None:
    config = folder_config(cutouts, count=6, shards=2)
    for name in ("a", "b"):
        run(config, tmp_path / name)
    run(replace(config, count=12, shards=4), tmp_path / "a")

    def stop(result: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        plan_and_build(replace(config, count=12, shards=4), tmp_path / "b", on_unit=stop)
    run(replace(config, count=12, shards=None), tmp_path / "b")
    assert digest(tmp_path / "a") == digest(tmp_path / "b")


def test_a_resumed_build_with_several_splits_has_the_same_bytes(
    cutouts: Path, tmp_path: Path, digest: Digest
) -> None:
    """A saved plan has its keys sorted: card and manifest must not follow that order."""
    splits = {"validation": 0.2, "train": 0.5, "test": 0.3}
    config = folder_config(cutouts, count=12, shards=4, splits=splits)
    run(config, tmp_path / "once")

    def stop(result: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        plan_and_build(config, tmp_path / "resumed", on_unit=stop)
    report = run(config, tmp_path / "resumed")
    assert 0 < report.run.found < 4  # the next ones may have been saved beside it
    assert digest(tmp_path / "resumed") == digest(tmp_path / "once")
    assert list(Manifest.load(tmp_path / "once").splits) == ["train", "validation", "test"]
    card = (tmp_path / "once" / "README.md").read_text()
    assert 'split="train"' in card
    ordered = replace(config, splits={name: splits[name] for name in sorted(splits)})
    run(ordered, tmp_path / "ordered")
    assert digest(tmp_path / "ordered") == digest(tmp_path / "once")


def test_licence_and_origin_change_later_without_building(
    cutouts: Path, tmp_path: Path, digest: Digest
) -> None:
    config = folder_config(cutouts, count=6, shards=2)
    run(config, tmp_path / "out")
    before = digest(tmp_path / "out")
    stated = replace(config, licence="CC-BY-4.0", origin="a studio")
    report = run(stated, tmp_path / "out")
    assert (report.run.built, report.run.found) == (0, 2)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "license: cc-by-4.0" in card and "a studio" in card
    after = digest(tmp_path / "out")
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"README.md", "LICENSE", "manifest.json"}
    run(stated, tmp_path / "at-once")
    assert digest(tmp_path / "at-once") == after
    # What a later command does not say stays, when the dataset grows too.
    assert run(config, tmp_path / "out").was_complete
    grown = run(replace(config, count=9, shards=3), tmp_path / "out")
    assert (grown.run.built, grown.run.found) == (1, 2)
    assert "license: cc-by-4.0" in (tmp_path / "out" / "README.md").read_text()
    with pytest.raises(PortraitError, match="seed was 0, now 1"):
        run(replace(stated, count=9, shards=3, licence="mit", seed=1), tmp_path / "out")


def test_ranks_share_a_folder(cutouts: Path, tmp_path: Path, digest: Digest) -> None:
    config = folder_config(cutouts, count=10, shards=5)
    run(config, tmp_path / "alone")
    reports = [
        plan_and_build(config, tmp_path / "out", rank=rank, world_size=3) for rank in (2, 0, 1)
    ]
    assert [report.run.built for report in reports] == [1, 2, 2]
    assert [report.waiting_for for report in reports] == [4, 2, 0]
    assert reports[-1].manifest is not None
    assert digest(tmp_path / "out") == digest(tmp_path / "alone")
    with (
        held(tmp_path / "out" / ".work" / "lock", "out", shared=True),
        pytest.raises(PortraitError, match="another run"),
    ):
        run(config, tmp_path / "out")
    with pytest.raises(PortraitError, match="--rank is 0 to"):
        plan_and_build(config, tmp_path / "out", rank=3, world_size=3)


@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_refining_a_dataset_again_keeps_everything_but_the_matte(
    cutouts: Path, tmp_path: Path, digest: Digest, form: str
) -> None:
    config = folder_config(
        cutouts, count=12, shards=4, foreground_format=form, splits={"train": 0.7, "test": 0.3}
    )
    run(config, tmp_path / "first")
    code = main(["refine", str(tmp_path / "first"), "--output", str(tmp_path / "second")])
    assert code == 0
    first, second = digest(tmp_path / "first"), digest(tmp_path / "second")
    # JPEG's raw colours are not quite those that were refined the first time.
    same = {name for name in first if name.endswith(".tar") and (form == "png" or name[0] == "r")}
    assert {name: second[name] for name in same} == {name: first[name] for name in same}
    assert Manifest.load(tmp_path / "second").generator == "folder"
    card = (tmp_path / "second" / "README.md").read_text()
    assert "## Changelog" in card
    assert Manifest.load(tmp_path / "first").plan_hash in card
    assert verify(tmp_path / "second", deep=True).problems == []


def test_refining_keeps_the_thresholds_of_the_dataset_unless_told_otherwise(
    cutouts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = tmp_path / "first"
    run(folder_config(cutouts, count=3, quality={"min_body_height": 0.25}), first)
    assert main(["refine", str(first), "--workers", "0", "--output", str(tmp_path / "same")]) == 0
    strict = ["refine", str(first), "--workers", "0", "--output", str(tmp_path / "strict")]
    assert main([*strict, "--quality", "min_coverage=0.99"]) == 1
    assert "no sample was accepted (empty 3)" in capsys.readouterr().err
    for output, least in (("same", 0.01), ("strict", 0.99)):
        plan = Plan.load(tmp_path / output / ".work")
        assert plan is not None
        thresholds = plan.header["quality"]["thresholds"]
        assert (thresholds["min_coverage"], thresholds["min_body_height"]) == (least, 0.25)


def test_a_dataset_without_raw_pictures_cannot_be_refined(
    cutouts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(folder_config(cutouts, count=2, keep_raw=False), tmp_path / "out")
    assert main(["refine", str(tmp_path / "out")]) == 1
    assert "has no raw subset" in capsys.readouterr().err


def with_losses(folder: Path, count: int) -> Path:
    """Cut-outs of which every sixth one is a twin and the fourth to the sixth no pictures."""
    source = save_cutouts(folder, count)
    for number in range(count):
        picture = source / f"person_{number:03d}.png"
        if number % 6 == 1:
            Image.fromarray(cutout(number - 1)).save(picture)
        elif number in (3, 4, 5):
            picture.write_text("not a picture")
    return source


def test_growing_finds_units_that_lost_samples(tmp_path: Path, digest: Digest) -> None:
    """Rejected, near-duplicates, and a unit (ldp-0000003 to 5) without any sample left."""
    config = folder_config(with_losses(tmp_path / "people", 15), count=12, shards=4)
    output = tmp_path / "out"
    report = run(config, output)
    assert report.rejected == {"near-duplicate": 2, "not-a-picture": 3}
    before = digest(output)
    old = {value for name, value in before.items() if name.endswith(".tar")}
    assert len(old) == 6  # three units in two subsets
    lines = (output / "rejected.jsonl").read_text()
    report = run(replace(config, count=15, shards=5), output)
    assert (report.run.built, report.run.found) == (1, 4)
    assert old < set(digest(output).values())
    assert (output / "rejected.jsonl").read_text().startswith(lines)
    assert report.rejected == {"near-duplicate": 3, "not-a-picture": 3}
    assert verify(output, deep=True).problems == []
    assert sorted(path.name for path in (output / "data").glob("*.tar")) == [
        f"train-{number:05d}-of-00004.tar" for number in range(4)
    ]
    # A unit that has to be made again takes nothing from its neighbours.
    (output / "data" / "train-00001-of-00004.tar").unlink()
    after = digest(output)
    report = run(replace(config, count=15, shards=5), output)
    assert (report.run.built, report.run.found) == (1, 4)
    assert digest(output).items() > after.items()


def test_a_lost_sample_changes_its_own_shard_alone(tmp_path: Path, digest: Digest) -> None:
    source = save_cutouts(tmp_path / "people", 8)
    config = folder_config(source, shards=4)
    early: dict[str, str] = {}
    run(config, tmp_path / "whole")
    (source / "person_003.png").write_text("not a picture")
    plan_and_build(
        config,
        tmp_path / "lossy",
        on_shard=lambda path, file, sha256, size: early.update({path: sha256}),
    )
    whole, lossy = digest(tmp_path / "whole"), digest(tmp_path / "lossy")
    changed = {name for name in whole if name.endswith(".tar") and whole[name] != lossy[name]}
    assert changed == {"data/train-00001-of-00004.tar", "raw/train-00001-of-00004.tar"}
    # What is uploaded while the build goes on is what is published.
    assert early == {name: value for name, value in lossy.items() if name.endswith(".tar")}


@pytest.mark.parametrize("workers", [0, 3])
@pytest.mark.parametrize("last", [1, 2, 3])
def test_packing_goes_on_where_it_was_stopped(
    tmp_path: Path, digest: Digest, monkeypatch: pytest.MonkeyPatch, last: int, workers: int
) -> None:
    config = folder_config(with_losses(tmp_path / "people", 12), shards=4)
    run(config, tmp_path / "once")
    drawn = plan_and_build(config, tmp_path / "out", part="units")
    assert drawn.manifest is None
    write = WorkFolder.note
    notes = 0

    def stopping(self: WorkFolder, unit: Unit, result: UnitResult, log: UnitLog) -> None:
        nonlocal notes
        notes += 1
        if notes == last:  # of the three that packing writes
            raise KeyboardInterrupt
        write(self, unit, result, log)

    with monkeypatch.context() as patch:
        patch.setattr(WorkFolder, "note", stopping)
        with pytest.raises(KeyboardInterrupt):
            run(config, tmp_path / "out", workers)
    report = run(config, tmp_path / "out", workers)
    assert report.run.built == 0
    assert digest(tmp_path / "out") == digest(tmp_path / "once")


def test_the_number_of_workers_changes_no_byte_of_packing(tmp_path: Path, digest: Digest) -> None:
    """Near-duplicates are taken out, a unit has nothing left, and three splits have units."""
    splits = {"train": 0.5, "validation": 0.3, "test": 0.2}
    config = folder_config(with_losses(tmp_path / "people", 15), shards=9, splits=splits)
    plan_and_build(config, tmp_path / "1", part="units")
    shutil.copytree(tmp_path / "1", tmp_path / "3")
    reports = {
        workers: plan_and_build(config, tmp_path / str(workers), part="finish", workers=workers)
        for workers in (1, 3)
    }
    assert reports[1].rejected == reports[3].rejected
    assert reports[3].rejected["near-duplicate"] > 1
    assert len(reports[3].manifest.splits if reports[3].manifest else ()) > 1
    assert digest(tmp_path / "3") == digest(tmp_path / "1")
    assert verify(tmp_path / "3", deep=True, workers=3) == replace(
        verify(tmp_path / "1", deep=True), root=str(tmp_path / "3")
    )


def test_packing_holds_one_unit_twice_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the file system has no hard links."""
    output = tmp_path / "out"
    config = folder_config(with_losses(tmp_path / "people", 20), shards=10)
    used: list[int] = []

    def no_links(*names: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", no_links)
    note, move = WorkFolder.note, Packer._move

    def in_use() -> None:
        inodes = {path.stat().st_ino: path.stat().st_size for path in output.rglob("*.tar")}
        used.append(sum(inodes.values()))

    def noted(self: WorkFolder, *rest: Any) -> None:
        in_use()
        note(self, *rest)

    def moved(self: Packer, unit: Unit) -> UnitLog:
        log = move(self, unit)
        in_use()
        return log

    monkeypatch.setattr(WorkFolder, "note", noted)
    monkeypatch.setattr(Packer, "_move", moved)
    report = run(config, output)
    assert report.manifest is not None
    final = sum(shard.bytes for shard in report.manifest.shards)
    a_unit = max(
        sum(
            shard.bytes for shard in report.manifest.shards if shard.path.endswith(record.path[-9:])
        )
        for record in report.manifest.select()
    )
    assert max(used) <= final + 2 * a_unit
    assert not list((output / ".work" / "units").glob("*.tar"))
