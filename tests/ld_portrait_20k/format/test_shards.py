from __future__ import annotations

import hashlib
import io
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ld_portrait_20k.errors import ShardError
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.manifest import Manifest, ShardRecord, file_sha256
from ld_portrait_20k.format.shards import ShardWriter, index_shard, read_samples, split_sample
from ld_portrait_20k.format.ustar import encode_header, padding
from tests.ld_portrait_20k.samples import encoded, write_shard

CONTENT = st.binary(min_size=1, max_size=1500)
SAMPLES = st.lists(
    st.tuples(st.integers(0, 9_999_999), CONTENT, CONTENT, CONTENT),
    max_size=6,
    unique_by=lambda sample: sample[0],
).map(sorted)


def tar(*members: tuple[str, bytes]) -> bytes:
    body = b"".join(
        encode_header(name, len(data)) + data + bytes(padding(len(data))) for name, data in members
    )
    return body + bytes(1024)


def trio(index: int) -> list[tuple[str, bytes]]:
    key = schema.sample_id(index)
    return [
        (f"{key}.foreground.png", b"f" * 700),
        (f"{key}.alpha.png", b"a" * 10),
        (f"{key}.json", b"{}"),
    ]


def refused(data: bytes) -> ShardError:
    with pytest.raises(ShardError) as caught:
        list(read_samples(io.BytesIO(data), "evil.tar"))
    assert caught.value.shard == "evil.tar"
    return caught.value


@settings(max_examples=80, deadline=None)
@given(SAMPLES, st.sampled_from(["png", "jpeg"]))
def test_written_samples_are_read_back(samples: list[Any], form: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "data", "train-00000-of-00001.tar")
        with ShardWriter(path, form) as writer:
            for number, *parts in samples:
                writer.add(schema.sample_id(number), *parts)
        assert [p.name for p in path.parent.iterdir()] == [path.name]
        assert writer.sha256 == file_sha256(path)
        assert writer.bytes == path.stat().st_size
        read = list(read_samples(path))
        assert [(int(s.id[4:]), s.foreground, s.alpha, s.json) for s in read] == samples
        assert all(s.format == form for s in read)
        record = writer.record("data/train-00000-of-00001.tar", "default", "train")
        assert record.index == index_shard(path)
        assert ShardRecord.from_dict("default", record.to_dict()) == record
        data = path.read_bytes()
        for sample, (key, entries) in zip(read, record.entries(form), strict=True):
            assert (key, entries[0].offset - 512) == (sample.id, sample.offset)
            for entry, content in zip(
                entries, (sample.foreground, sample.alpha, sample.json), strict=True
            ):
                assert data[entry.offset : entry.offset + entry.size] == content
            end = entries[2].offset + entries[2].size + padding(entries[2].size)
            assert split_sample(data[sample.offset : end], str(path), sample.offset) == sample


def test_standard_tar_reads_our_shards_and_we_read_its(tmp_path: Path) -> None:
    write_shard(tmp_path, "data/a.tar", range(3))
    with tarfile.open(tmp_path / "data/a.tar") as archive:
        names = archive.getnames()
        contents = {}
        for name in names:
            member = archive.extractfile(name)
            assert member is not None
            contents[name] = member.read()
    assert names[:3] == ["ldp-0000000.foreground.png", "ldp-0000000.alpha.png", "ldp-0000000.json"]
    with tarfile.open(tmp_path / "b.tar", "w", format=tarfile.USTAR_FORMAT) as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(contents[name])
            archive.addfile(info, io.BytesIO(contents[name]))
    ours = list(read_samples(tmp_path / "data/a.tar", "x"))
    assert ours == list(read_samples(tmp_path / "b.tar", "x"))


def test_the_same_samples_give_the_same_bytes(tmp_path: Path) -> None:
    first = write_shard(tmp_path, "data/a.tar", range(3))
    again = write_shard(tmp_path, "data/b.tar", range(3))
    assert (
        first.sha256
        == again.sha256
        == hashlib.sha256((tmp_path / "data/a.tar").read_bytes()).hexdigest()
    )


def test_writer_refuses_disorder(tmp_path: Path) -> None:
    with ShardWriter(tmp_path / "x.tar") as writer:
        writer.add("ldp-0000005", b"f", b"a", b"{}")
        for key in ("ldp-0000005", "ldp-0000004"):
            with pytest.raises(ValueError, match="rise"):
                writer.add(key, b"f", b"a", b"{}")
        for key in ("ldp-5", "../x", "ldp-00000060"):
            with pytest.raises(ValueError):
                writer.add(key, b"f", b"a", b"{}")
        with pytest.raises(ValueError, match="empty"):
            writer.add("ldp-0000006", b"f", b"", b"{}")
    assert [s.id for s in read_samples(tmp_path / "x.tar")] == ["ldp-0000005"]


def test_an_exception_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), ShardWriter(tmp_path / "x.tar") as writer:
        writer.add("ldp-0000005", *encoded(5))
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_truncation_at_every_block_is_found() -> None:
    data = tar(*trio(1), *trio(2))
    for length in range(0, len(data), 256):
        if length < len(data):
            refused(data[:length])


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_missing_member_is_named(missing: int) -> None:
    members = trio(1)
    del members[missing]
    error = refused(tar(*members, *trio(2)))
    assert error.sample in ("ldp-0000001", "ldp-0000002")
    assert error.offset is not None


def test_order_ids_and_duplicates() -> None:
    assert refused(tar(*trio(2), *trio(1))).sample == "ldp-0000001"
    assert refused(tar(*trio(2), *trio(2))).sample == "ldp-0000002"
    first, second, third = trio(1)
    refused(tar(second, first, third))
    refused(tar(first, second, third, third))
    refused(tar(first, second, ("ldp-0000002.json", b"{}")))
    refused(tar(("setup.py", b"x")))
    refused(tar(("ldp-0000001.foreground.pkl", b"x"), second, third))
    refused(tar(first, second, ("ldp-0000001.pyd", b"x")))


def test_data_after_the_end_is_refused_in_bounded_memory() -> None:
    good = tar(*trio(1))
    refused(good[:-512] + b"x" * 512)
    refused(good + b"x")
    refused(good + bytes(100_000))
    assert len(list(read_samples(io.BytesIO(good + bytes(9 * 1024)), "x"))) == 1


class Endless:
    """Ten million tiny members, made as they are read."""

    def __init__(self) -> None:
        self.reads = 0

    def read(self, size: int) -> bytes:
        self.reads += 1
        return encode_header("x", 0)[:size]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (b"2", "link"),
        (b"1", "link"),
        (b"3", "dev"),
        (b"5", "folder"),
        (b"L", "long"),
        (b"x", "pax"),
    ],
)
def test_links_devices_and_extensions_are_refused(kind: bytes, name: str) -> None:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = "/etc/passwd"
    assert "type" in refused(info.tobuf(tarfile.USTAR_FORMAT) + bytes(1024)).problem


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "a/b", ".hidden", "a\\b", "a\x00b"])
def test_unsafe_names_are_refused(name: str) -> None:
    refused(tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT) + bytes(1024))


def test_huge_declared_sizes_are_refused_unread() -> None:
    header = encode_header("ldp-0000001.foreground.png", 8**11 - 1)
    assert "limit" in refused(header).problem
    members = b"".join(
        encode_header(name, len(data)) + data + bytes(padding(len(data)))
        for name, data in trio(1)[:2]
    )
    assert "limit" in refused(members + encode_header("ldp-0000001.json", 2**27)).problem


def test_endless_tiny_members_stop_at_the_first() -> None:
    stream = Endless()
    with pytest.raises(ShardError):
        list(read_samples(stream, "x"))
    assert stream.reads < 10


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_an_altered_shard_never_gives_an_altered_structure(data: st.DataObject) -> None:
    original = tar(*trio(1), *trio(7))
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    length = data.draw(st.one_of(st.just(len(changed)), st.integers(0, len(changed))))
    try:
        samples = list(read_samples(io.BytesIO(bytes(changed[:length])), "x"))
    except ShardError:
        return
    assert [s.id for s in samples] == sorted({s.id for s in samples})
    assert all(schema.is_sample_id(s.id) for s in samples)
    assert sum(len(s.foreground) + len(s.alpha) + len(s.json) for s in samples) <= length


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=5000))
def test_noise_is_refused(noise: bytes) -> None:
    if noise.strip(b"\0"):
        refused(noise)


def test_manifest_paths_and_indices_from_strangers_are_refused(tmp_path: Path) -> None:
    from ld_portrait_20k.errors import PortraitError

    record = write_shard(tmp_path, "data/train-00000-of-00001.tar", [1, 2])
    manifest = Manifest("png", "0" * 64, "test", {"train": 2}, (record,))
    text = manifest.to_json()
    assert Manifest.from_json(text, "m") == manifest
    for old, new in (
        ("data/train-00000-of-00001.tar", "data/../../etc/x.tar"),
        ("data/train-00000-of-00001.tar", "/etc/x.tar"),
        ("data/train-00000-of-00001.tar", "raw/x.tar"),
        ("[[1,", "[[3,"),
        ("[[1,", "[[-1,"),
        ("[[1,", "[[1e999,"),
        (record.sha256, "zz"),
        ('"format":1', '"format":2'),
    ):
        assert old in text
        with pytest.raises(PortraitError):
            Manifest.from_json(text.replace(old, new), "m")
    with pytest.raises(PortraitError):
        Manifest.from_json("[" * 100_000, "m")


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_the_index_of_an_altered_shard_agrees_with_reading_it(data: st.DataObject) -> None:
    changed = bytearray(tar(*trio(1), *trio(7), *trio(9)))
    for _ in range(data.draw(st.integers(0, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.tar")
        path.write_bytes(changed)
        try:
            read = [
                (int(s.id[4:]), len(s.foreground), len(s.alpha), len(s.json))
                for s in read_samples(path)
            ]
        except ShardError:
            read = None
        try:
            rows = list(index_shard(path))
        except ShardError:
            rows = None
        assert rows == read


def test_a_million_tiny_samples_are_refused_in_bounded_memory(tmp_path: Path) -> None:
    import tracemalloc

    with ShardWriter(tmp_path / "x.tar") as writer:
        for index in range(3000):
            writer.add(schema.sample_id(index), b"f", b"a", b"{}")
    with pytest.raises(ShardError, match="more than 1000 samples"):
        index_shard(tmp_path / "x.tar", limit=1000)
    tracemalloc.start()
    assert sum(1 for _ in read_samples(tmp_path / "x.tar")) == 3000
    # A buffer of a mebibyte, and one sample at a time.
    assert tracemalloc.get_traced_memory()[1] < 2**21
    tracemalloc.stop()


def test_a_huge_member_that_is_not_there_costs_no_memory() -> None:
    import tracemalloc

    from ld_portrait_20k.format.ustar import MAX_MEMBER_BYTES

    header = encode_header("ldp-0000001.foreground.png", MAX_MEMBER_BYTES)
    tracemalloc.start()
    assert "truncated" in refused(header + b"x").problem
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
