"""The random-access reader of one shard."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from ld_portrait_20k.errors import ShardError
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.manifest import Manifest, ShardRecord
from ld_portrait_20k.format.shard_reader import MEMBERS, ShardReader
from ld_portrait_20k.format.shards import read_samples
from tests.ld_portrait_20k.samples import build


@pytest.fixture
def path(tmp_path: Path) -> Path:
    build(tmp_path, {"train": (1, 5)}, size=(12, 9))
    return tmp_path / "data/train-00000-of-00001.tar"


@pytest.fixture
def record(path: Path) -> ShardRecord:
    return Manifest.load(path.parents[1]).shards[0]


class ForwardOnly(io.RawIOBase):
    """A stream that gives a few bytes at a time and cannot seek, as a network does."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1, /) -> bytes:
        return self._data.read(min(size, 700))


def test_samples_are_those_of_a_plain_read(path: Path, record: ShardRecord) -> None:
    expected = list(read_samples(path))
    with ShardReader(path, record, "png") as reader:
        assert list(reader.samples()) == expected
        assert reader.sample(record.ids()[3]) == expected[3]
        assert reader.sample(record.ids()[1]) == expected[1]
        assert reader.ends_as_written()
        assert reader.end + 1024 == record.bytes
    stream = ForwardOnly(path.read_bytes())
    assert list(ShardReader(stream, record, "png", str(path)).samples()) == expected


def test_members_in_any_order_and_after_closing(path: Path, record: ShardRecord) -> None:
    expected = {sample.id: sample for sample in read_samples(path)}
    reader = ShardReader(path, record, "png")
    for sample_id in reversed(record.ids()):
        with reader:
            for member in reversed(MEMBERS):
                assert reader.member(sample_id, member) == getattr(expected[sample_id], member)
    with pytest.raises(KeyError):
        reader.member(schema.sample_id(99), "json")


def test_damage_is_named(path: Path, record: ShardRecord) -> None:
    data = bytearray(path.read_bytes())
    sample_id = record.ids()[2]
    entry = dict(record.entries("png"))[sample_id][0]
    data[entry.offset + 20] ^= 1
    path.write_bytes(data)
    with ShardReader(path, record, "png") as reader:
        with pytest.raises(ShardError, match=f"sample {sample_id}: checksum differs"):
            reader.sample(sample_id)
        assert reader.sample(record.ids()[3]).id == record.ids()[3]
    # Without a checksum in the record there is nothing to compare.
    with ShardReader(path, replace(record, crc32=()), "png") as reader:
        assert reader.sample(sample_id).foreground[20] == data[entry.offset + 20]


def test_truncation_absence_and_another_format_are_errors(path: Path, record: ShardRecord) -> None:
    last = record.ids()[-1]
    with pytest.raises(ShardError, match="the foreground's name says png"):
        ShardReader(path, record, "jpeg").sample(last)
    path.write_bytes(path.read_bytes()[:-2000])
    with ShardReader(path, record, "png") as reader:
        for read in (reader.sample, lambda sample_id: reader.member(sample_id, "json")):
            with pytest.raises(ShardError, match="truncated"):
                read(last)
        assert not reader.ends_as_written()
    path.unlink()
    with pytest.raises(ShardError, match="cannot be read"):
        ShardReader(path, record, "png").sample(last)
