"""``filter``, ``merge`` and ``resplit`` from the command line to what loads at the end."""

from __future__ import annotations

import html
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builder.cli import main
from builder.config import BuildConfig
from builder.plan import split_of
from ld_portrait_20k.format.manifest import Manifest
from ld_portrait_20k.format.shards import read_samples
from tests.builder.building import plan_and_build

Digest = Callable[[Path], dict[str, str]]
Members = dict[tuple[str, str], tuple[bytes, bytes, bytes]]


def build(root: Path, count: int, seed: int = 0, **options: Any) -> Path:
    config = BuildConfig(
        generator="procedural", count=count, width=64, height=64, seed=seed, damage=1.0, **options
    )
    plan_and_build(config, root)
    return root


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("first") / "first"
    return build(root, 10, shards=3, splits={"train": 0.7, "test": 0.3})


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("second") / "second", 4, seed=9, shards=2)


def members(root: Path) -> Members:
    """Subset and id to the bytes of foreground, alpha and metadata."""
    manifest = Manifest.load(root)
    return {
        (shard.subset, sample.id): (sample.foreground, sample.alpha, sample.json)
        for shard in manifest.shards
        for sample in read_samples(root / shard.path)
    }


def metadata(root: Path) -> dict[str, Any]:
    found = members(root)
    return {key: json.loads(found[subset, key][2]) for subset, key in found if subset == "default"}


def splits(root: Path) -> dict[str, str]:
    return {key: shard.split for shard in Manifest.load(root).select() for key in shard.ids()}


def sound(root: Path) -> bool:
    return main(["verify", "--deep", str(root)]) == 0


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What a command that fails says, on one line."""
    capsys.readouterr()
    assert main([str(word) for word in words]) == 1
    captured = capsys.readouterr()
    line = captured.err.strip().splitlines()[-1]
    assert line.startswith("error: ") and captured.out == ""
    return line


def test_filter_leaves_out_what_matches(first: Path, tmp_path: Path, digest: Digest) -> None:
    items = metadata(first)
    limit = sorted(item["quality"]["coverage"] for item in items.values())[4]
    where = f"coverage < {limit} and split = 'train'"
    before = digest(first)
    output = tmp_path / "new"
    assert main(["filter", str(first), "--where", where, "--output", str(output)]) == 0
    gone = {
        key
        for key, split in splits(first).items()
        if items[key]["quality"]["coverage"] < limit and split == "train"
    }
    assert 0 < len(gone) < len(items)
    assert digest(first) == before
    expected = {place: content for place, content in members(first).items() if place[1] not in gone}
    assert members(output) == expected  # every byte of picture and metadata, in every subset
    assert splits(output) == {key: s for key, s in splits(first).items() if key not in gone}
    assert sound(output)
    lines = [json.loads(line) for line in (output / "rejected.jsonl").read_text().splitlines()]
    filtered = [line for line in lines if line["reason"] == "filtered"]
    assert {line["id"] for line in filtered} == gone
    assert {line["detail"] for line in filtered} == {where}
    assert not (output / ".work").exists()


def test_the_manifest_and_the_card_say_what_was_done(first: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert main(["filter", str(first), "--where", "seed = 0", "--output", str(one)]) == 0
    assert main(["resplit", str(one), "--splits", "train=0.5,test=0.5", "--output", str(two)]) == 0
    old, middle, new = (Manifest.load(root) for root in (first, one, two))
    assert len({old.plan_hash, middle.plan_hash, new.plan_hash}) == 3
    plan = new.about["plan"]
    assert [source["plan_hash"] for source in plan["derived"]["sources"]] == [middle.plan_hash]
    assert [entry["plan_hash"] for entry in plan["history"]] == [old.plan_hash, middle.plan_hash]
    card = html.unescape((two / "README.md").read_text())
    log = card[card.index("## Changelog") : card.index("## Licence")]
    assert "dealt to splits anew: train 0.5, test 0.5" in log
    assert "0 samples left out" in log
    assert old.plan_hash in log and middle.plan_hash in log
    assert "refined anew" not in log


def test_marks(first: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = sorted(metadata(first))
    marks = tmp_path / "marks.jsonl"
    lines = [
        {"id": ids[0], "mark": "bad", "note": "an <b>ear</b> is cut"},
        {"id": ids[1], "mark": "bad"},
        {"id": ids[2], "mark": "good", "note": None},
        {"id": ids[1], "mark": "good"},
        {"id": "ldp-9999999", "mark": "bad"},
        {"id": ids[3], "mark": None, "note": "who is it?"},
    ]
    marks.write_text("\n\n".join(json.dumps(line) for line in lines))
    command = ["filter", str(first), "--marks", str(marks), "--output"]
    assert main([*command, str(tmp_path / "a")]) == 0
    assert sorted(metadata(tmp_path / "a")) == ids[1:]
    log = (tmp_path / "a/rejected.jsonl").read_text().splitlines()
    assert [line["detail"] for line in map(json.loads, log) if line["reason"] == "marked bad"] == [
        "an <b>ear</b> is cut"
    ]
    assert main([*command, str(tmp_path / "b"), "--only-good"]) == 0
    assert sorted(metadata(tmp_path / "b")) == [ids[1], ids[2]]
    assert sound(tmp_path / "b")
    for text, said in {
        '{"id": "ldp-0000001", "mark": "bad"}\n[]': "line 2: not a JSON object",
        '{"id": "../x", "mark": "bad"}': "line 1: the id '../x'",
        '{"id": "ldp-0000001", "mark": "ugly"}': "neither good nor bad",
        '{"id": "ldp-0000001", "mark": "bad", "note": 3}': "note is not text",
        "{": "line 1: ",
        '{"id": "ldp-9999999", "mark": "bad"}': "none of its 1 marks",
    }.items():
        marks.write_text(text)
        assert said in refused(capsys, *command, tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_resplit_deals_as_a_build_would(first: Path, tmp_path: Path) -> None:
    output = tmp_path / "new"
    spec = "train=0.4,validation=0.3,test=0.3"
    words = ["resplit", str(first), "--splits", spec, "--shards", "5", "--output", str(output)]
    assert main(words) == 0
    shares = {"train": 0.4, "validation": 0.3, "test": 0.3}
    assert splits(output) == {key: split_of(key, shares) for key in metadata(first)}
    assert members(output) == members(first)
    assert len(Manifest.load(output).select()) == 5
    assert sound(output)
    built = build(tmp_path / "built", 10, shards=3, splits=shares)
    assert splits(built) == splits(output)


def test_merge(
    first: Path, second: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "all"
    line = refused(capsys, "merge", first, second, "--output", output)
    assert "sample ldp-0000000 is another one" in line and "--renumber" in line
    assert not output.exists()
    assert main(["merge", str(first), str(second), "--renumber", "--output", str(output)]) == 0
    assert sound(output)
    old, added, new = members(first), members(second), members(output)
    assert len(new) == len(old) + len(added)
    assert {place: new[place] for place in old} == old
    free = 1 + max(int(key[4:]) for _, key in old)
    for place, key in enumerate(sorted(metadata(second))):
        for subset in ("default", "raw", "truth"):
            foreground, alpha, text = new[subset, f"ldp-{free + place:07d}"]
            assert (foreground, alpha) == added[subset, key][:2]
            expected = {**json.loads(added[subset, key][2]), "id": f"ldp-{free + place:07d}"}
            assert json.loads(text) == expected
    sources = Manifest.load(output).about["plan"]["derived"]["sources"]
    assert [source["plan_hash"] for source in sources] == [
        Manifest.load(first).plan_hash, Manifest.load(second).plan_hash,
    ]  # fmt: skip


def log_of(root: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / "rejected.jsonl").read_text().splitlines()]


def rejecting(root: Path, seed: int) -> Path:
    """A dataset some of whose attempts were rejected; some samples came of a later attempt."""
    quality = {"max_coverage": 0.36, "max_duplicate_distance": -1}
    return build(root, 12, seed, shards=3, attempts=2, quality=quality)


def test_merge_brings_the_logs_of_rejected_attempts(tmp_path: Path) -> None:
    one, two, both = rejecting(tmp_path / "one", 2), rejecting(tmp_path / "two", 3), tmp_path / "b"
    logs = log_of(one), log_of(two)
    kept = set(metadata(one)), set(metadata(two))
    retried = [{line["id"] for line in log} & ids for log, ids in zip(logs, kept, strict=True)]
    gone = [{line["id"] for line in log} - ids for log, ids in zip(logs, kept, strict=True)]
    assert all(retried) and all(gone) and gone[1] & (kept[0] | gone[0])  # all cases are there
    assert main(["merge", str(one), str(two), "--renumber", "--output", str(both)]) == 0
    merged = log_of(both)
    assert len(merged) == len(logs[0]) + len(logs[1])
    items = metadata(both)
    names: dict[str, set[int]] = {}
    for number, root in enumerate((one, two)):
        prompts = {item["prompt"]: key for key, item in metadata(root).items()}
        for line in logs[number]:
            (found,) = [
                item for item in merged if {**item, "id": line["id"]} == line
            ]  # nothing but its id may have changed
            if line["id"] in kept[number]:  # it is the earlier attempt of a sample, and stays so
                assert prompts[items[found["id"]]["prompt"]] == line["id"]
            else:
                assert found["id"] not in items
                names.setdefault(found["id"], set()).add(number)
    assert all(len(numbers) == 1 for numbers in names.values())
    about = Manifest.load(both).about
    for name in ("rejected", "retried"):
        counts = [Counter(Manifest.load(root).about[name]) for root in (one, two)]
        assert about[name] == counts[0] + counts[1]
    assert sound(both)


def test_parts_that_are_merged_again_have_the_log_of_the_whole(tmp_path: Path) -> None:
    whole = rejecting(tmp_path / "whole", 1)
    for name, option in (("low", "--where"), ("high", "--keep")):
        words = ["filter", str(whole), option, "id > 'ldp-0000005'"]
        assert main([*words, "--output", str(tmp_path / name)]) == 0
    low, high, again = (str(tmp_path / name) for name in ("low", "high", "again"))
    assert Manifest.load(tmp_path / "low").about["retried"]  # beside its sample in a later shard
    assert main(["merge", low, high, "--output", again]) == 0
    assert log_of(tmp_path / "again") == log_of(whole)
    for name in ("rejected", "retried"):
        assert Manifest.load(tmp_path / "again").about[name] == Manifest.load(whole).about[name]


def test_merge_takes_equal_samples_once(
    first: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part, other, whole = tmp_path / "part", tmp_path / "other", tmp_path / "whole"
    key = min(metadata(first))
    assert main(["filter", str(first), "--where", f"id = '{key}'", "--output", str(part)]) == 0
    assert main(["filter", str(first), "--keep", f"id <= '{key}'", "--output", str(other)]) == 0
    assert main(["merge", str(part), str(other), "--output", str(whole)]) == 0
    assert members(whole) == members(first)
    assert main(["merge", str(part), str(first), "--output", str(tmp_path / "again")]) == 0
    assert members(tmp_path / "again") == members(first)
    moved = tmp_path / "moved"
    assert main(["resplit", str(first), "--splits", "validation=1", "--output", str(moved)]) == 0
    line = refused(capsys, "merge", first, moved, "--output", tmp_path / "no")
    assert "in the split" in line and "resplit" in line


def test_merge_of_generators_names_both(first: Path, cutouts: Path, tmp_path: Path) -> None:
    config = BuildConfig(generator="folder", source=cutouts, count=3, licence="cc-by-4.0")
    plan_and_build(config, tmp_path / "folder")
    words = ["merge", str(tmp_path / "folder"), str(first), "--renumber"]
    output = tmp_path / "all"
    assert main([*words, "--licence", "CC-BY-4.0", "--output", str(output)]) == 0
    manifest = Manifest.load(output)
    assert manifest.generator == "folder+procedural"
    assert manifest.subsets() == ["default", "raw"]  # of the folder no truth is known
    card = (output / "README.md").read_text()
    assert "license: cc-by-4.0" in card
    assert "This is procedural data: all" not in card and "Layer Diffusion data" not in card
    assert sound(output)


def test_what_is_refused_in_words(
    first: Path, second: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "new"

    def said(*words: object) -> str:
        return refused(capsys, *words)

    assert "--where confidense > 1: column 1" in said(
        "filter", first, "--where", "confidense > 1", "--output", new
    )
    assert "nothing says what to leave out" in said("filter", first, "--output", new)
    assert "--marks" in said("filter", first, "--where", "seed = 0", "--only-good", "--output", new)
    assert "none of its" in said("filter", first, "--keep", "seed = 0", "--output", new)
    assert "to derive from" in said("filter", first, "--where", "seed = 0", "--output", first)
    assert "holds another dataset" in said(
        "filter", first, "--where", "seed = 0", "--output", second
    )
    assert "sum to 1" in said("resplit", first, "--splits", "train=0.5", "--output", new)
    assert "two or more" in said("merge", first, "--output", new)
    assert "two or more" in said("merge", first, first, "--output", new)
    assert "no such folder" in said("merge", first, tmp_path / "gone", "--output", new)
    jpeg = build(tmp_path / "jpeg", 2, foreground_format="jpeg")
    assert "formats" in said("merge", first, jpeg, "--output", new)
    licensed = build(tmp_path / "licensed", 2, licence="cc0-1.0")
    assert "--licence" in said("merge", first, licensed, "--renumber", "--output", new)
    assert not new.exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("keep")
    assert "no plan of ours" in said(
        "filter", first, "--where", "seed = 0", "--output", tmp_path / "mine"
    )


def test_a_damaged_source_is_noticed(
    second: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(second, damaged)
    shard = next(iter(Manifest.load(damaged).shards))
    entry = next(shard.entries("png"))[1][0]
    data = bytearray((damaged / shard.path).read_bytes())
    data[entry.offset + entry.size // 2] ^= 1
    (damaged / shard.path).write_bytes(data)
    line = refused(capsys, "filter", damaged, "--where", "seed = 0", "--output", tmp_path / "new")
    assert "ldp-0000000" in line and "checksum" in line
    assert not (tmp_path / "new/manifest.json").exists()


@pytest.mark.parametrize("word", ["forged", "portra"])
def test_damaged_metadata_decides_nothing(
    second: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    """Whether its sample would go because of it, or stay because of it."""
    damaged = tmp_path / "damaged"
    shutil.copytree(second, damaged)
    shard = next(iter(Manifest.load(damaged).select()))
    key, entries = next(shard.entries("png"))
    data = bytearray((damaged / shard.path).read_bytes())
    place = data.index(b"portra", entries[2].offset)
    assert place < entries[2].offset + entries[2].size
    data[place : place + 6] = b"forged"
    (damaged / shard.path).write_bytes(data)
    where = f"prompt contains '{word}' and id = '{key}'"
    command = ["filter", damaged, "--where", where, "--output", tmp_path / "new"]
    line = refused(capsys, *command)
    assert key in line and "checksum" in line
    assert not (tmp_path / "new/manifest.json").exists()


def test_dry_run_writes_nothing_and_json_is_for_scripts(
    first: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "new"
    words = ["filter", str(first), "--where", "gender = 'woman'", "--output", str(output), "--json"]
    assert main([*words, "--dry-run"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert planned["dry_run"] and not output.exists()
    assert main(words) == 0
    done = json.loads(capsys.readouterr().out)
    assert done["plan_hash"] == planned["plan_hash"] == Manifest.load(output).plan_hash
    assert done["left_out"] == planned["left_out"] and not done["was_complete"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["was_complete"]


def test_the_same_command_gives_the_same_bytes(first: Path, tmp_path: Path, digest: Digest) -> None:
    copied = tmp_path / "elsewhere under another name"
    shutil.copytree(first, copied)
    for source, name in ((first, "one"), (copied, "two")):
        words = ["filter", str(source), "--where", "attempt > 0 or seed = 0"]
        assert main([*words, "--output", str(tmp_path / name)]) == 0
    assert digest(tmp_path / "one") == digest(tmp_path / "two")


def test_a_derived_dataset_can_be_refined_again(first: Path, tmp_path: Path) -> None:
    part, again = tmp_path / "part", tmp_path / "again"
    assert main(["filter", str(first), "--where", "seed = 0", "--output", str(part)]) == 0
    assert main(["refine", str(part), "--output", str(again), "--workers", "0"]) == 0
    history = Manifest.load(again).about["plan"]["history"]
    assert "left out" in history[1]["change"] and "change" not in history[0]
    assert sorted(metadata(again)) == sorted(metadata(part))


@pytest.mark.parametrize("streaming", [False, True])
def test_the_stock_library_loads_it(first: Path, tmp_path: Path, streaming: bool) -> None:
    datasets = pytest.importorskip("datasets")
    import ld_portrait_20k

    output = tmp_path / "new"
    words = ["resplit", str(first), "--splits", "train=0.5,validation=0.5"]
    assert main([*words, "--output", str(output)]) == 0
    places = splits(output)
    for subset in ("default", "raw", "truth"):
        found = datasets.load_dataset(
            str(output), subset, cache_dir=tmp_path / "cache", streaming=streaming
        )
        assert set(found) == set(places.values())
        rows = {row["json"]["id"]: row for split in found for row in found[split]}
        assert set(rows) == set(places)
        assert np.asarray(rows[min(rows)]["alpha.png"]).shape == (64, 64)
    ours = ld_portrait_20k.load_dataset(str(output), split="train", streaming=streaming)
    ids = {sample["id"] if "id" in sample else sample["metadata"]["id"] for sample in ours}
    assert ids == {key for key, split in places.items() if split == "train"}
