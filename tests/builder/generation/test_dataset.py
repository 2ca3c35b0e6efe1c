from __future__ import annotations

from pathlib import Path

import pytest

from builder import preview
from builder.generation.dataset import DatasetGenerator, plan_rows
from builder.generation.protocol import Rejection, Request
from ld_portrait_20k.errors import ShardError, UnreadableShardError
from ld_portrait_20k.format.manifest import Manifest
from tests.ld_portrait_20k.samples import build


@pytest.fixture
def root(tmp_path: Path) -> Path:
    build(tmp_path, {"train": (2, 2)}, form="jpeg", subsets=("default", "raw"), size=(48, 40))
    return tmp_path


def test_a_flipped_bit_is_rejected_and_shows_in_no_preview(root: Path) -> None:
    requests = [Request(row, 0, row.seed) for row in plan_rows(root)]
    assert not any(
        isinstance(made, Rejection) for made in DatasetGenerator(root).generate(requests)
    )
    manifest = Manifest.load(root)
    for shard in (shard for shard in manifest.shards if shard.path.endswith("00000-of-00002.tar")):
        entry = dict(shard.entries("jpeg"))["ldp-0000001"][0]
        data = bytearray((root / shard.path).read_bytes())
        data[entry.offset + entry.size - 40] ^= 1  # in the entropy-coded part, so it decodes
        (root / shard.path).write_bytes(data)
    made = list(DatasetGenerator(root).generate(requests))
    rejected = [item for item in made if isinstance(item, Rejection)]
    assert [(r.request.row.id, r.reason) for r in rejected] == [("ldp-0000001", "unreadable")]
    assert "checksum" in rejected[0].detail
    with pytest.raises(ShardError, match=r"ldp-0000001.*checksum"):
        list(preview.read_chosen(root, manifest, ["ldp-0000000", "ldp-0000001"]))


def test_a_missing_shard_rejects_nothing(root: Path) -> None:
    requests = [Request(row, 0, row.seed) for row in plan_rows(root)]
    generator = DatasetGenerator(root)
    next((root / "raw").glob("*00001-of-00002.tar")).unlink()
    with pytest.raises(UnreadableShardError, match="No such file"):
        list(generator.generate(requests))
