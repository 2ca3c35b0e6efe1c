from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ld_portrait_20k import codec
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.integrity import Problem, verify
from ld_portrait_20k.format.manifest import FILE_NAME, Manifest
from ld_portrait_20k.format.shards import ShardWriter
from tests.ld_portrait_20k.samples import build, encoded, metadata

Encoded = tuple[bytes, bytes, bytes]
"""Foreground, alpha and JSON as they lie in a shard."""
SHARD = "data/train-00001-of-00002.tar"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    build(tmp_path / "d", subsets=("default", "raw"))
    return tmp_path / "d"


def problems(root: Path, **options: Any) -> list[Problem]:
    report = verify(root, deep=options.pop("deep", True), **options)
    assert report.ok == (not report.problems)
    json.dumps(report.to_dict())
    return report.problems


def rewrite(root: Path, samples: list[tuple[int, Encoded]], trust: bool = True) -> None:
    """Put other samples in SHARD; with ``trust`` the manifest is made to agree."""
    with ShardWriter(root / SHARD) as writer:
        for index, parts in samples:
            writer.add(schema.sample_id(index), *parts)
    if trust:
        old = Manifest.load(root)
        shards = tuple(
            writer.record(SHARD, "default", "train") if shard.path == SHARD else shard
            for shard in old.shards
        )
        manifest = Manifest(old.foreground_format, old.plan_hash, old.generator, old.splits, shards)
        (root / FILE_NAME).write_text(manifest.to_json())


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("deep", [False, True])
def test_a_sound_dataset_has_no_problems(root: Path, deep: bool, workers: int) -> None:
    seen: list[int] = []
    report = verify(root, deep=deep, workers=workers, progress=seen.append)
    assert report.ok, report.problems
    assert (report.shards, report.samples) == (6, 16)
    assert sum(seen) == report.bytes > 0


@pytest.mark.parametrize("deep", [False, True])
def test_truncation_is_found_and_named(root: Path, deep: bool) -> None:
    data = (root / SHARD).read_bytes()
    (root / SHARD).write_bytes(data[: len(data) // 2])
    found = problems(root, deep=deep)
    assert {p.path for p in found} == {SHARD}
    named = [p for p in found if p.sample]
    assert named
    assert named[0].sample == "ldp-0000004"
    assert named[0].offset is not None
    assert named[0].offset > 0


def test_a_flipped_bit_is_found_wherever_it_is(root: Path) -> None:
    data = (root / SHARD).read_bytes()
    record = next(s for s in Manifest.load(root).shards if s.path == SHARD)
    spans = [(key, e[0].offset - 512, e[2].offset + e[2].size) for key, e in record.entries("png")]
    for key, start, end in spans:
        for position in np.linspace(start, end - 1, 40).astype(int):
            changed = bytearray(data)
            changed[position] ^= 4
            (root / SHARD).write_bytes(changed)
            found = problems(root, deep=False)
            assert [p.sample for p in found] == [None, key], (position, found)
            assert found[1].offset is not None and abs(found[1].offset - start) <= end - start


def test_a_flipped_bit_in_a_jpeg_is_found(tmp_path: Path) -> None:
    build(tmp_path, {"train": (1, 3)}, form="jpeg")
    path = next((tmp_path / "data").glob("*.tar"))
    data = bytearray(path.read_bytes())
    data[1500] ^= 1
    path.write_bytes(data)
    assert [p.sample for p in problems(tmp_path)] == [None, "ldp-0000000"]


def test_reordered_and_duplicated_shards(root: Path) -> None:
    first = root / "data/train-00000-of-00002.tar"
    shutil.copy(first, root / SHARD)
    found = problems(root)
    assert {p.path for p in found} == {SHARD}
    assert {"ldp-0000003", "ldp-0000004"} <= {p.sample for p in found}


def test_swapped_shards(root: Path) -> None:
    first, second = root / "data/train-00000-of-00002.tar", root / SHARD
    held = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(held)
    assert {p.path for p in problems(root)} == {SHARD, "data/train-00000-of-00002.tar"}


def test_absent_and_stray_files(root: Path) -> None:
    (root / SHARD).rename(root / "data/train-00009-of-00002.tar")
    found = problems(root)
    assert [p.path for p in found] == ["data/train-00009-of-00002.tar", SHARD]
    assert problems(root, strays=False) == []


def test_the_whole_report_of_a_missing_manifest(tmp_path: Path) -> None:
    found = problems(tmp_path)
    assert [p.path for p in found] == [FILE_NAME] and "no such file" in found[0].problem


def other_dimensions() -> Encoded:
    foreground, _, _ = encoded(4)
    _, alpha, text = encoded(4, 25, 16)
    return foreground, alpha, text


def recorded_dimensions() -> Encoded:
    foreground, alpha, _ = encoded(4)
    return foreground, alpha, schema.encode_metadata(metadata(4, 99, 16))


def wrong_id() -> Encoded:
    foreground, alpha, _ = encoded(4)
    return foreground, alpha, schema.encode_metadata(metadata(5))


def incomplete_json() -> Encoded:
    foreground, alpha, text = encoded(4)
    body = json.loads(text)
    del body["quality"]["coverage"]
    return foreground, alpha, json.dumps(body).encode()


def undeclared_json() -> Encoded:
    foreground, alpha, text = encoded(4)
    return foreground, alpha, json.dumps({**json.loads(text), "extra": 1}).encode()


def not_json() -> Encoded:
    foreground, alpha, _ = encoded(4)
    return foreground, alpha, b"\x80\x04pickle"


def deep_json() -> Encoded:
    foreground, alpha, _ = encoded(4)
    return foreground, alpha, b"[" * 200_000


def not_a_picture() -> Encoded:
    _, alpha, text = encoded(4)
    return b"GIF89a", alpha, text


def jpeg_named_png() -> Encoded:
    _, alpha, text = encoded(4)
    return codec.encode_foreground(np.zeros((16, 24, 3), np.uint8), "jpeg"), alpha, text


@pytest.mark.parametrize(
    "make",
    [
        other_dimensions, recorded_dimensions, wrong_id, incomplete_json, undeclared_json,
        not_json, deep_json, not_a_picture, jpeg_named_png,
    ],
)  # fmt: skip
def test_a_wrong_sample_is_found_even_if_the_hashes_agree(
    root: Path, make: Callable[[], Encoded]
) -> None:
    rewrite(root, [(3, encoded(3)), (4, make()), (5, encoded(5))])
    assert problems(root, deep=False) == []
    found = problems(root)
    assert [(p.path, p.sample) for p in found] == [(SHARD, "ldp-0000004")]
    assert found[0].offset == next(
        e[0].offset - 512
        for s in Manifest.load(root).shards
        if s.path == SHARD
        for key, e in s.entries("png")
        if key == "ldp-0000004"
    )


def test_a_missing_sample(root: Path) -> None:
    rewrite(root, [(3, encoded(3)), (5, encoded(5))], trust=False)
    found = problems(root)
    assert found[0].path == SHARD and "ldp-0000004" in str(found)


def test_ids_of_two_shards_must_differ(root: Path) -> None:
    rewrite(root, [(2, encoded(2)), (4, encoded(4)), (5, encoded(5))])
    found = problems(root)
    assert [(p.path, p.sample) for p in found] == [(FILE_NAME, "ldp-0000002")]


def test_split_counts_must_agree(root: Path) -> None:
    rewrite(root, [(3, encoded(3)), (4, encoded(4))])
    assert ["splits say" in p.problem for p in problems(root)] == [True]


def test_guarded_files(root: Path) -> None:
    manifest = Manifest.load(root)
    body = json.loads(manifest.to_json())
    body["files"] = {
        "rejected.jsonl": {"bytes": 1, "sha256": "0" * 64},
        "../outside": {"bytes": 1, "sha256": "0" * 64},
    }
    (root / FILE_NAME).write_text(json.dumps(body))
    (root / "rejected.jsonl").write_text("x")
    assert len(problems(root)) == 2
