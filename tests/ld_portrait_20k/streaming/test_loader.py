from __future__ import annotations

import itertools
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ld_portrait_20k import PortraitStream
from ld_portrait_20k.format import schema
from tests.ld_portrait_20k.samples import build

torch = pytest.importorskip("torch")
from torch.utils.data import DataLoader  # noqa: E402

from ld_portrait_20k import PortraitLoader  # noqa: E402
from ld_portrait_20k import compositing as cp  # noqa: E402


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("d")
    build(path, {"train": (3, 6)}, size=(6, 4))
    return path


def only_id(sample: dict[str, Any]) -> dict[str, Any]:
    return {"id": sample["id"]}


def ids(batches: Any, count: int | None = None) -> list[str]:
    return [key for batch in itertools.islice(batches, count) for key in batch["id"]]


WORKERS: list[dict[str, Any]] = [
    {},
    {"num_workers": 1},
    {"num_workers": 2},
    {"threads": 1},
    {"threads": 3},
]


@pytest.mark.parametrize("workers", WORKERS, ids=str)
@pytest.mark.parametrize("drop_last", [False, True])
def test_iterating_goes_on_after_a_break(
    root: Path, workers: dict[str, Any], drop_last: bool
) -> None:
    stream = PortraitStream(root, shuffle=True, batch_size=4, transform=only_id)
    loader = PortraitLoader(stream, drop_last=drop_last, **workers)
    order, following = stream.order(0), stream.order(1)
    if drop_last:
        order, following = order[:16], following[:16]
    received = [ids(loader, 2), ids(loader, 1)]
    again = PortraitLoader(PortraitStream(root, shuffle=True, batch_size=4, transform=only_id))
    again.load_state_dict(loader.state_dict())
    assert ids(again, 1) == order[12:16]
    received += [ids(loader)]
    assert list(itertools.chain(*received)) == order and loader.epoch == 1
    # A loop that leaves with the last batch of an epoch goes on with the next epoch.
    assert ids(loader, len(loader)) == following
    assert ids(loader, 1) == stream.order(2)[:4]


@pytest.mark.parametrize("workers", WORKERS, ids=str)
def test_restart_begins_where_the_last_iteration_began(root: Path, workers: dict[str, Any]) -> None:
    stream = PortraitStream(root, batch_size=4, transform=only_id)
    loader = PortraitLoader(stream, after_break="restart", **workers)
    assert ids(loader, 2) == ids(loader, 2) == stream.order(0)[:8]
    assert ids(loader) == stream.order(0) and loader.epoch == 1


def test_breaks_on_several_ranks_lose_and_repeat_nothing(root: Path) -> None:
    loaders = [
        PortraitLoader(
            PortraitStream(
                root, shuffle=True, batch_size=2, rank=rank, world_size=2, transform=only_id
            )
        )
        for rank in range(2)
    ]
    parts = [ids(loader, count) for count in (1, 2, None) for loader in loaders]
    assert sorted(itertools.chain(*parts)) == [schema.sample_id(i) for i in range(18)]


@pytest.mark.parametrize("workers", [{"num_workers": 1}, {"threads": 1}], ids=str)
def test_a_worker_that_has_read_to_the_end_does_not_move_the_state(
    root: Path, workers: dict[str, Any]
) -> None:
    stream = PortraitStream(root, shuffle=True, batch_size=6, transform=only_id)
    loader = PortraitLoader(stream, prefetch=3, **workers)
    batches = iter(loader)
    received = [*ids(batches, 2)]
    time.sleep(0.5)  # all three batches are read by now
    state = loader.state_dict()
    assert (state["epoch"], state["start"]) == (0, 12)
    assert received + ids(batches) == stream.order(0)


def test_threads_hand_over_any_error_and_end(root: Path) -> None:
    def fails(sample: dict[str, Any]) -> dict[str, Any]:
        if sample["id"] == "ldp-0000008":
            raise ZeroDivisionError(sample["id"])
        return only_id(sample)

    before = threading.active_count()
    seen: list[int] = []
    loader = PortraitLoader(
        PortraitStream(root, batch_size=2, transform=fails), threads=2, on_worker=seen.append
    )
    received: list[str] = []
    with pytest.raises(ZeroDivisionError, match="ldp-0000008"):
        for batch in loader:
            received += batch["id"]
    assert received == [schema.sample_id(i) for i in range(8)] and sorted(seen) == [0, 1]
    loader.set_epoch(1)
    assert ids(loader, 1)  # and a loop that is left early leaves no thread
    assert threading.active_count() == before


def test_samples_collate_with_torch_and_name_their_seed_apart(root: Path) -> None:
    def flat(sample: dict[str, Any]) -> dict[str, Any]:
        assert "seed" not in sample
        return {"transform_seed": sample["transform_seed"], "seed": sample["metadata"]["seed"]}

    stream: Any = PortraitStream(root, seed=2**64 - 1, batch_size=18, transform=flat)
    loaders: list[Any] = [DataLoader(stream, batch_size=18), PortraitLoader(stream)]
    for loader in loaders:
        stream.set_epoch(0)
        (batch,) = loader
        for key in ("seed", "transform_seed"):
            assert batch[key].dtype == torch.int64 and len(set(batch[key].tolist())) == 18


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": 0}, "batch_size is at least 1, not 0"),
        ({"batch_size": "4"}, "batch_size is a whole number, not '4'"),
        ({"batch_size": True}, "batch_size is a whole number"),
        ({"seed": 1.5}, "seed is a whole number"),
        ({"window": -1}, "window is at least 0"),
        ({"connections": 0}, "connections is at least 1"),
        ({"transform": "/some/path"}, "transform is called with each sample"),
        ({"rank": 2, "world_size": 2}, "rank"),
        ({"source": 7}, "a source is a folder"),
        ({"source": [1, 2]}, "a source is a folder"),
    ],
)
def test_a_stream_refuses_wrong_arguments(root: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        PortraitStream(**{"source": root, **options})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_workers": -1}, "num_workers is at least 0"),
        ({"num_workers": "2"}, "num_workers is a whole number"),
        ({"prefetch": 0}, "prefetch is at least 1"),
        ({"collate": "stack"}, "collate is called with a list of samples"),
        ({"threads": -1}, "threads is at least 0"),
        ({"threads": 1, "num_workers": 1}, "num_workers and threads exclude each other"),
        ({"device": "cpu"}, "device='cpu' needs a transform that ends with ToTensors"),
        ({"after_break": "stop"}, "after_break 'stop' is none of continue, restart"),
        ({"stream": "/data"}, "'/data' is no stream; try: PortraitLoader"),
    ],
)
def test_a_loader_refuses_wrong_arguments(root: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        PortraitLoader(**{"stream": PortraitStream(root), **options})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: cp.RandomCrop("512"), "size is a whole number, not '512'"),  # type: ignore[arg-type]
        (lambda: cp.RandomCrop((512, 0)), "size is at least 1"),
        (lambda: cp.RandomCrop(scale=(2, 1)), "scale is .smallest, largest."),
        (lambda: cp.Resize("512"), "size is a whole number"),  # type: ignore[arg-type]
        (lambda: cp.RandomTrimap(5), "radius is a pair"),  # type: ignore[arg-type]
        (lambda: cp.RandomBackground("/b"), "try: PictureBackgrounds"),  # type: ignore[arg-type]
        (lambda: cp.training_transform("/b"), "try: PictureBackgrounds"),  # type: ignore[arg-type]
        (lambda: cp.MergeForegrounds("/b"), "try: a PortraitStream"),  # type: ignore[arg-type]
        (lambda: cp.Compose(["/b"]), "cannot be called"),  # type: ignore[list-item]
        (lambda: cp.Composite(linear=2), "linear is from 0 to 1"),
        (lambda: cp.ToTensors(keep="id"), "keep is a list of keys"),
    ],
)
def test_transforms_refuse_wrong_arguments(make: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        make()


def test_representations_are_short(root: Path) -> None:
    stream = PortraitStream(root, rank=1, world_size=2)
    transform = cp.training_transform(cp.ColourBackgrounds(), pool=stream)
    crop = cp.RandomCrop(512, scale=(1, 2))
    assert repr(crop).startswith("RandomCrop(size=(512, 512), scale=(1, 2), rotation=0.0")
    assert "18 samples" in repr(stream) and "rank 1 of 2" in repr(stream)
    assert "2 workers" in repr(PortraitLoader(stream, num_workers=2))
    assert "2 threads" in repr(PortraitLoader(stream, threads=2))
    for thing in (stream, PortraitLoader(stream), transform, *transform.transforms):
        assert len(repr(thing)) < 300 and "object at" not in repr(thing), repr(thing)
