from __future__ import annotations

import errno
import itertools
import os
import pickle
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ld_portrait_20k import PortraitStream
from ld_portrait_20k.errors import PortraitError, ShardError, UnreadableShardError
from ld_portrait_20k.format import schema
from ld_portrait_20k.streaming.skips import Skips
from tests.ld_portrait_20k.samples import build, metadata, picture
from tests.processes import run_code

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")
from torch.utils.data import DataLoader  # noqa: E402

from ld_portrait_20k import PortraitLoader  # noqa: E402


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Datasets of 40 samples in 1, 4, 5 and 8 shards."""
    found = {}
    for shards in (1, 4, 5, 8):
        found[shards] = tmp_path_factory.mktemp(f"shards{shards}")
        build(found[shards], {"train": (shards, 40 // shards)}, size=(6, 4))
    return found


def ids(stream: Iterable[Any]) -> list[str]:
    return [sample["id"] for sample in stream]


def batch_ids(batches: Iterable[Any]) -> list[str]:
    return [key for batch in batches for key in batch["id"]]


def only_id(sample: dict[str, Any]) -> dict[str, Any]:
    return {"id": sample["id"]}


def test_samples_are_what_was_written(roots: dict[int, Path]) -> None:
    for index, sample in enumerate(PortraitStream(roots[4])):
        foreground, alpha = picture(index, 6, 4)
        assert sample["id"] == schema.sample_id(index)
        assert (sample["foreground"] == foreground).all() and (sample["alpha"] == alpha).all()
        expected = schema.complete(metadata(index, 6, 4))
        assert sample["metadata"] == expected and sample["prompt"] == expected["prompt"]
    assert index == 39 == len(PortraitStream(roots[4])) - 1
    (raw, *_) = PortraitStream(roots[4], decode=False)
    assert raw.id == "ldp-0000000" and raw.foreground[:4] == b"\x89PNG"


@pytest.mark.parametrize("shards", [1, 4, 5, 8])
def test_plain_iteration_shuffles_and_advances(roots: dict[int, Path], shards: int) -> None:
    stream = PortraitStream(roots[shards], shuffle=True, seed=3)
    epochs = [ids(stream) for _ in range(3)]
    assert all(sorted(e) == [schema.sample_id(i) for i in range(40)] for e in epochs)
    assert len({tuple(e) for e in epochs}) == 3
    assert stream.epoch == 3
    again = PortraitStream(roots[shards], shuffle=True, seed=3)
    again.set_epoch(1)
    assert ids(again) == epochs[1] == again.order(1)
    assert ids(PortraitStream(roots[shards], shuffle=True, seed=4)) != epochs[0]


@pytest.mark.parametrize(
    ("shards", "ranks", "workers", "kind"),
    [
        *itertools.product([1, 4, 5, 8], [1, 2, 3], [0, 1, 2, 3], ["num_workers"]),
        *itertools.product([5, 8], [1, 2], [1, 2, 3], ["threads"]),
    ],
)
def test_every_combination_is_exact_and_resumes_exactly(
    roots: dict[int, Path], shards: int, ranks: int, workers: int, kind: str
) -> None:
    chance = random.Random(100 * shards + 10 * ranks + workers)
    batch = chance.choice([1, 2, 3])
    seed = chance.randrange(2**32)

    def loader(rank: int, world: int = ranks, workers: int = workers) -> PortraitLoader:
        stream = PortraitStream(
            roots[shards], shuffle=True, seed=seed, window=2, rank=rank,
            world_size=world, batch_size=batch, remainder="uneven", transform=only_id,
        )  # fmt: skip
        how: dict[str, Any] = {kind: workers}
        return PortraitLoader(stream, **how)

    loaders = [loader(rank) for rank in range(ranks)]
    whole = [batch_ids(one) for one in loaders]
    assert sorted(itertools.chain(*whole)) == [schema.sample_id(i) for i in range(40)]
    order = loaders[0].stream.order(0)
    assert [order.index(key) for key in whole[0]] == list(range(0, 40, ranks))

    # Stop after some batches, resume with the same and with other workers and ranks.
    stop = chance.randrange(1, 40 // ranks // batch)
    first = loader(0)
    received = batch_ids(itertools.islice(first, stop))
    state = pickle.loads(pickle.dumps(first.state_dict()))
    same = loader(0)
    same.load_state_dict(state)
    assert received + batch_ids(same) == whole[0]
    used = set(order[: state["start"]])
    assert len(used) == stop * batch * ranks
    others = chance.choice([1, 2, 3])
    rest = []
    for rank in range(others):
        other = loader(rank, others, 1 if others == 1 else 0)
        other.load_state_dict(state)
        rest += batch_ids(other)
    assert sorted(rest) == sorted(set(order) - used)
    # The epoch after the resumed one is whole, and the same as without a break.
    assert batch_ids(same) == batch_ids(loaders[0]) != whole[0]
    assert same.epoch == 2


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
def test_plain_data_loader_gives_the_same_order(roots: dict[int, Path], workers: int) -> None:
    def make() -> tuple[PortraitStream, Any]:
        stream = PortraitStream(roots[5], shuffle=True, seed=9, batch_size=3, transform=only_id)
        assert isinstance(stream, torch.utils.data.IterableDataset)
        return stream, DataLoader(stream, batch_size=3, num_workers=workers)

    stream, loader = make()
    order = stream.order(2)
    stream.set_epoch(2)
    assert batch_ids(loader) == order
    # The documented recipe: count batches, and tell the stream.
    stream, loader = make()
    stream.set_epoch(2)
    batches = iter(loader)
    received = batch_ids(next(batches) for _ in range(5))
    state = stream.state_dict(consumed=5 * 3)
    stream, loader = make()
    stream.load_state_dict(state)
    stream.set_epoch(2)
    assert received + batch_ids(loader) == order


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("stop", [1, 6, 12])
def test_stateful_data_loader(roots: dict[int, Path], workers: int, stop: int) -> None:
    stateful = pytest.importorskip("torchdata.stateful_dataloader").StatefulDataLoader

    def make() -> Any:
        stream = PortraitStream(roots[5], shuffle=True, seed=9, batch_size=3, transform=only_id)
        return stateful(stream, batch_size=3, num_workers=workers)

    order = PortraitStream(roots[5], shuffle=True, seed=9).order(0)
    loader = make()
    received = batch_ids(itertools.islice(loader, stop))
    state = loader.state_dict()
    resumed = make()
    resumed.load_state_dict(state)
    assert received + batch_ids(resumed) == order


@pytest.mark.parametrize("workers", [1, 2])
def test_epochs_after_a_resume_in_workers_that_stay_are_whole(
    roots: dict[int, Path], workers: int
) -> None:
    stateful = pytest.importorskip("torchdata.stateful_dataloader").StatefulDataLoader

    def make() -> tuple[PortraitStream, Any]:
        stream = PortraitStream(roots[5], shuffle=True, seed=9, batch_size=3, transform=only_id)
        return stream, stateful(stream, batch_size=3, num_workers=workers, persistent_workers=True)

    _, loader = make()
    received = batch_ids(itertools.islice(loader, 5))
    state = loader.state_dict()
    stream, loader = make()
    loader.load_state_dict(state)
    assert received + batch_ids(loader) == stream.order(0)
    stream.set_epoch(1)
    # A state from the beginning of an epoch does not count what the epoch before took.
    received = batch_ids(itertools.islice(loader, 1))
    state = loader.state_dict()
    stream.set_epoch(2)
    assert batch_ids(loader) == stream.order(2)
    stream, loader = make()
    loader.load_state_dict(state)
    assert received + batch_ids(loader) == stream.order(1)


def test_spawned_workers(roots: dict[int, Path]) -> None:
    stream = PortraitStream(roots[4], shuffle=True, seed=1, batch_size=4)
    loader = PortraitLoader(stream, num_workers=2, context="spawn")
    assert batch_ids(loader) == stream.order(0)
    assert batch_ids(loader) == stream.order(1)


def test_state_at_every_sample_in_process(roots: dict[int, Path]) -> None:
    order = PortraitStream(roots[4], shuffle=True).order(0)
    for stop in range(0, 41, 5):
        stream = PortraitStream(roots[4], shuffle=True)
        received = [sample["id"] for sample in itertools.islice(stream, stop)]
        state = stream.state_dict()
        resumed = PortraitStream(roots[4], shuffle=True)
        resumed.load_state_dict(state)
        assert resumed.state_dict() == state
        assert received + ids(resumed) == order
        assert resumed.epoch == 1


def test_foreign_states_are_refused(roots: dict[int, Path]) -> None:
    state = PortraitStream(roots[4], seed=1).state_dict()
    for other in (
        PortraitStream(roots[5], seed=1),
        PortraitStream(roots[4], seed=2),
        PortraitStream(roots[4], seed=1, shuffle=True),
        PortraitStream(roots[4], seed=1, window=3),
    ):
        with pytest.raises(PortraitError, match="state"):
            other.load_state_dict(state)
    with pytest.raises(PortraitError, match="version"):
        PortraitStream(roots[4], seed=1).load_state_dict({**state, "version": 9})


SPOILT_STATES: dict[str, Any] = {
    "no mapping": [1],
    "fields gone": lambda state: {"version": state["version"]},
    "before the start": lambda state: {**state, "start": -5},
    "beyond the end": lambda state: {**state, "start": 41},
    "half a sample": lambda state: {**state, "start": 2.5},
    "no number": lambda state: {**state, "epoch": "x"},
    "a worker of nobody": lambda state: {**state, "worker": {}},
}


@pytest.mark.parametrize("name", SPOILT_STATES)
def test_spoilt_states_are_refused(roots: dict[int, Path], name: str) -> None:
    stream = PortraitStream(roots[4])
    spoil = SPOILT_STATES[name]
    state = spoil(stream.state_dict()) if callable(spoil) else spoil
    with pytest.raises(PortraitError, match="state"):
        stream.load_state_dict(state)
    assert len(ids(stream)) == 40
    for call in (lambda: stream.set_epoch(-1), lambda: stream.state_dict(consumed=-1)):
        with pytest.raises(ValueError, match="at least 0"):
            call()


def test_remainders(roots: dict[int, Path]) -> None:
    lengths = {
        policy: [
            len(ids(PortraitStream(roots[4], rank=r, world_size=3, remainder=policy)))
            for r in range(3)
        ]
        for policy in ("drop", "pad", "uneven")
    }
    assert lengths == {"drop": [13] * 3, "pad": [14] * 3, "uneven": [14, 13, 13]}


def test_sample_seeds_follow_sample_epoch_and_seed(roots: dict[int, Path]) -> None:
    def seeds(seed: int, epoch: int, workers: int = 0, kind: str = "num_workers") -> dict[str, int]:
        stream = PortraitStream(roots[4], shuffle=True, seed=seed, batch_size=4)
        stream.set_epoch(epoch)
        how: dict[str, Any] = {kind: workers}
        batches = list(PortraitLoader(stream, **how))
        return dict(
            zip(
                batch_ids(batches),
                torch.cat([b["transform_seed"] for b in batches]).tolist(),
                strict=True,
            )
        )

    assert seeds(1, 0) == seeds(1, 0, workers=2) == seeds(1, 0, workers=2, kind="threads")
    assert seeds(1, 0) != seeds(1, 1) != seeds(2, 1)


def damaged(tmp_path: Path, form: str = "png") -> Path:
    build(tmp_path, {"train": (2, 5)}, form=form, size=(40, 30))
    path = tmp_path / "data/train-00000-of-00002.tar"
    data = bytearray(path.read_bytes())
    entries = dict(PortraitStream(tmp_path).source.manifest().shards[0].entries(form))
    data[entries["ldp-0000002"][0].offset + 700] ^= 8
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("workers", [{}, {"num_workers": 2}, {"threads": 2}], ids=str)
@pytest.mark.parametrize(("form", "check"), [("png", None), ("png", True), ("jpeg", True)])
def test_damage_is_raised_or_skipped(
    tmp_path: Path, workers: dict[str, Any], form: str, check: bool | None
) -> None:
    path = damaged(tmp_path, form)
    stream = PortraitStream(tmp_path, check=check)
    with pytest.raises(ShardError) as caught:
        list(stream)
    assert caught.value.sample == "ldp-0000002" and path.name in str(caught.value)
    stream = PortraitStream(tmp_path, check=check, on_error="skip", batch_size=2)
    left = [schema.sample_id(i) for i in range(10) if i != 2]
    assert batch_ids(PortraitLoader(stream, **workers)) == left
    assert stream.skipped == 1 and stream.last_error is not None
    assert stream.last_error.sample == "ldp-0000002" and path.name in str(stream.last_error)
    with pytest.raises(ValueError):
        PortraitStream(tmp_path, on_error="ignore")


def test_every_flipped_bit_of_a_decoded_jpeg_is_noticed(tmp_path: Path) -> None:
    build(tmp_path, {"train": (1, 2)}, form="jpeg", size=(40, 30))
    path = tmp_path / "data/train-00000-of-00001.tar"
    stream, encoded = PortraitStream(tmp_path), PortraitStream(tmp_path, decode=False)
    entry = dict(stream.source.manifest().shards[0].entries("jpeg"))["ldp-0000001"][0]
    whole = path.read_bytes()
    for place in range(entry.offset, entry.offset + entry.size, 7):
        data = bytearray(whole)
        data[place] ^= 1
        with path.open("r+b") as file:
            file.write(data)
        for read in (lambda: list(stream), lambda: encoded.sample(1)):
            with pytest.raises(ShardError, match="ldp-0000001"):
                read()


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_skips_in_workers_of_a_plain_loader_are_counted(tmp_path: Path, context: str) -> None:
    path = damaged(tmp_path)
    path.write_bytes(path.read_bytes()[:9000])
    stream: Any = PortraitStream(tmp_path, on_error="skip", batch_size=2, transform=only_id)
    loader: Any = DataLoader(stream, batch_size=2, num_workers=2, multiprocessing_context=context)
    received = batch_ids(loader)
    assert 5 <= len(received) < 9 and len(received) + stream.skipped == 10
    assert isinstance(stream.last_error, ShardError) and path.name in str(stream.last_error)


def test_an_error_with_a_long_name_is_kept(tmp_path: Path) -> None:
    skips = Skips()
    skips.add(
        0, ShardError("/" + "漢" * 900 + ".tar", "ü" * 900, offset=2**40, sample="ldp-0000001")
    )
    skips.add(1, ShardError("b.tar", "later"))
    assert skips.count == 2 and str(skips.last) == "b.tar: later"
    skips.add(
        0, ShardError("/" + "漢" * 900 + ".tar", "ü" * 900, offset=2**40, sample="ldp-0000001")
    )
    assert skips.last is not None and skips.last.sample == "ldp-0000001"
    assert skips.last.shard.endswith("漢.tar") and skips.last.problem.startswith("ü")


def fails(number: int, monkeypatch: pytest.MonkeyPatch, call: str, path: Path) -> None:
    """Let one call of the system fail for one file, as a full table or a dead disk does."""
    real = getattr(os, call)

    def faulty(file: Any, *rest: Any) -> Any:
        if call == "open" and str(file) == str(path):
            raise OSError(number, os.strerror(number))
        if call == "pread" and Path(f"/proc/self/fd/{file}").readlink() == path:
            raise OSError(number, os.strerror(number))
        return real(file, *rest)

    monkeypatch.setattr(os, call, faulty)


@pytest.mark.parametrize("workers", [{}, {"num_workers": 2}, {"threads": 2}], ids=str)
@pytest.mark.parametrize(
    ("call", "number"),
    [("open", errno.EMFILE), ("open", errno.EACCES), ("pread", errno.EIO), ("pread", errno.ESTALE)],
)
def test_only_damage_is_skipped(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    number: int,
    workers: dict[str, Any],
) -> None:
    build(tmp_path, {"train": (2, 5)})
    path = tmp_path / "data/train-00001-of-00002.tar"
    stream = PortraitStream(tmp_path, on_error="skip", batch_size=5)
    fails(number, monkeypatch, call, path)
    with pytest.raises(UnreadableShardError) as caught:
        list(PortraitLoader(stream, **workers))
    assert path.name in str(caught.value) and os.strerror(number) in str(caught.value)
    assert stream.skipped == 0


def test_a_missing_shard_is_never_skipped(tmp_path: Path) -> None:
    build(tmp_path, {"train": (2, 5)})
    stream = PortraitStream(tmp_path, on_error="skip", batch_size=5)
    (tmp_path / "data/train-00001-of-00002.tar").unlink()
    both: list[dict[str, Any]] = [{"num_workers": 2}, {"threads": 2}]
    for how in both:
        with pytest.raises(UnreadableShardError, match=r"train-00001-of-00002\.tar.*No such file"):
            list(PortraitLoader(stream, **how))
    assert stream.skipped == 0
    (tmp_path / "data").rename(tmp_path / "gone")
    with pytest.raises(UnreadableShardError, match="ldp-0000000"):
        list(PortraitStream(tmp_path, on_error="skip"))


def test_a_wholly_skipped_batch_shifts_nothing(tmp_path: Path) -> None:
    damaged(tmp_path)
    stream = PortraitStream(tmp_path, on_error="skip", batch_size=1)
    loader = PortraitLoader(stream, num_workers=2)
    received = batch_ids(itertools.islice(loader, 4))
    assert received == [schema.sample_id(i) for i in (0, 1, 3, 4)]
    again = PortraitLoader(PortraitStream(tmp_path, on_error="skip"), num_workers=1)
    again.load_state_dict(loader.state_dict())
    assert batch_ids(again) == [schema.sample_id(i) for i in range(5, 10)]


def test_absent_truncated_and_swapped_shards(tmp_path: Path) -> None:
    build(tmp_path, {"train": (2, 3)})
    first, second = sorted((tmp_path / "data").iterdir())
    data = first.read_bytes()
    first.write_bytes(data[:9000])
    stream = PortraitStream(tmp_path, on_error="skip")
    assert len(ids(stream)) + stream.skipped == 6 and stream.skipped >= 1
    assert "truncated" in str(stream.last_error)
    first.write_bytes(second.read_bytes())
    with pytest.raises(ShardError, match="where the index has another"):
        list(PortraitStream(tmp_path))
    first.unlink()
    with pytest.raises(ShardError, match="No such file"):
        list(PortraitStream(tmp_path))


def test_lists_of_shards_without_a_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    build(tmp_path / "d", {"train": (3, 4)})
    shards = sorted((tmp_path / "d" / "data").iterdir())
    with_manifest = ids(PortraitStream(shards, shuffle=True))
    assert not (tmp_path / "cache").exists()
    (tmp_path / "d" / "manifest.json").unlink()
    assert ids(PortraitStream(shards, shuffle=True)) == with_manifest
    cached = list((tmp_path / "cache").rglob("*.json"))
    assert len(cached) == 3
    assert ids(PortraitStream([str(s) for s in shards], shuffle=True)) == with_manifest
    # Another file under the same name is indexed anew.
    shards[0].write_bytes(shards[1].read_bytes())
    assert len(ids(PortraitStream(shards[:1]))) == 4
    cached[0].write_text("not json")
    assert len(ids(PortraitStream(shards[1:]))) == 8


def test_splits_and_subsets(tmp_path: Path) -> None:
    build(tmp_path, subsets=("default", "raw"))
    assert len(ids(PortraitStream(tmp_path, split="test"))) == 2
    assert len(ids(PortraitStream(tmp_path, split=None, subset="raw"))) == 8
    refused: tuple[dict[str, Any], ...] = ({"split": "validation"}, {"subset": "truth"})
    for wrong in refused:
        with pytest.raises(PortraitError, match="there is default, raw"):
            PortraitStream(tmp_path, **wrong)


def test_without_torch(roots: dict[int, Path]) -> None:
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from ld_portrait_20k import PortraitStream\n"
        "stream = PortraitStream(sys.argv[1], shuffle=True)\n"
        "first = next(iter(stream))\n"
        "state = stream.state_dict()\n"
        "print(first['id'], state['start'], len(list(stream)))\n"
    )
    done = run_code(code, roots[4])
    assert done.returncode == 0, done.stderr
    first = PortraitStream(roots[4], shuffle=True).order(0)[0]
    assert done.stdout.split() == [first, "1", "40"]


def test_memory_of_an_epoch_is_flat(tmp_path: Path) -> None:
    build(tmp_path, {"train": (4, 10)}, size=(256, 256))
    import tracemalloc

    stream = PortraitStream(tmp_path, shuffle=True)
    list(stream)[:0]
    peaks = []
    for _ in range(3):
        tracemalloc.start()
        for sample in stream:
            assert isinstance(sample["foreground"], np.ndarray)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Two samples of pictures and bytes; forty would be eight megabytes.
    assert max(peaks) < 2_500_000


def test_workers_start_after_opencv_used_its_threads(roots: dict[int, Path]) -> None:
    """In a forked worker the wrong call to OpenCV hangs for ever."""
    cv2 = pytest.importorskip("cv2")
    threads = cv2.getNumThreads()
    cv2.setNumThreads(4)
    big = np.zeros((3000, 3000, 3), np.uint8)
    for _ in range(3):
        cv2.warpAffine(big, np.eye(2, 3), (3000, 3000))
    from ld_portrait_20k import compositing as cp

    transform = cp.Compose([cp.RandomCrop(8, rotation=30), cp.ToTensors(numpy=True)])
    for _ in range(3):
        stream = PortraitStream(roots[4], transform=transform, batch_size=4)
        assert len(batch_ids(PortraitLoader(stream, num_workers=2))) == 40
    cv2.setNumThreads(threads)
