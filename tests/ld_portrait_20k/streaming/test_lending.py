"""Workers get their shared memory back when the training process is done with it."""

from __future__ import annotations

import gc
import pickle
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ld_portrait_20k import PortraitLoader, PortraitStream  # noqa: E402
from ld_portrait_20k import compositing as cp  # noqa: E402
from ld_portrait_20k.streaming import lending  # noqa: E402
from tests.ld_portrait_20k.samples import build  # noqa: E402


@pytest.fixture
def root(tmp_path: Path) -> Path:
    build(tmp_path / "d", {"train": (2, 8)}, size=(96, 80))
    return tmp_path / "d"


def loader(root: Path, *, keep: tuple[str, ...] = ("id",), **options: Any) -> PortraitLoader:
    def add(sample: dict[str, Any]) -> dict[str, Any]:
        return {**sample, "mine": np.full(4, int(sample["id"][4:]) + 1, np.uint8)}

    transform = cp.Compose(
        [
            cp.RandomCrop(40), cp.RandomTrimap((1, 4)),
            cp.RandomBackground(cp.ColourBackgrounds()), cp.Composite(), add,
            cp.ToTensors("uint8", keep),
        ]
    )  # fmt: skip
    stream = PortraitStream(root, shuffle=True, batch_size=2, transform=transform)
    # Python 3.14 starts workers by a server, which could not send `add`.
    how: dict[str, Any] = {"context": "fork"} if options.get("num_workers") else {}
    return PortraitLoader(stream, **how, **options)


def test_batches_that_are_held_keep_their_values(root: Path) -> None:
    expected = [*loader(root)]
    once = loader(root, num_workers=1)
    held = [[*once] for _ in range(3)]
    for batches in held:
        assert len(batches) == 8
    for batch, wanted in zip(held[0], expected, strict=True):
        assert batch["id"] == wanted["id"]
        for key in ("image", "alpha", "trimap", "foreground", "background"):
            assert torch.equal(batch[key], wanted[key])


def test_arrays_of_ones_own_are_left_alone(root: Path) -> None:
    for batch in loader(root, keep=("id", "mine"), num_workers=1):
        numbers = [int(key[4:]) + 1 for key in batch["id"]]
        gc.collect()
        assert batch["mine"].tolist() == [[number] * 4 for number in numbers]


def test_after_breaks_the_batches_are_the_same(root: Path) -> None:
    whole = [batch["image"] for batch in loader(root)]
    broken = loader(root, num_workers=2)
    found: list[Any] = []
    while len(found) < len(whole):
        for batch in broken:
            found.append(batch["image"].clone())
            if len(found) % 3 == 0:
                break
    assert all(torch.equal(a, b) for a, b in zip(found, whole, strict=True))


def sent(batch: lending.Lent) -> Any:
    """A batch as it arrives through a loader's queue."""
    return pickle.loads(ForkingPickler.dumps(batch))


def test_a_block_is_lent_until_the_last_view_is_gone() -> None:
    lender = lending.Lender()
    lender.begin()
    memory = lender.take(48)
    memory[:] = 7
    place = memory.data_ptr()
    batch = sent(lender.lent({"image": memory.view(3, 4, 4), "id": ["a"]}))
    view = batch["image"][1:].numpy()
    del batch
    gc.collect()
    assert lender.take(48).data_ptr() != place
    assert (view == 7).all()
    del view
    gc.collect()
    assert lender.take(48).data_ptr() == place


def test_blocks_of_a_broken_epoch_are_forgotten() -> None:
    lender = lending.Lender()
    for _ in range(40):
        lender.begin()
        lender.take(48)
    assert sum(len(blocks) for blocks in lender._blocks.values()) <= 2


def test_a_block_is_sent_once_and_forgotten_when_it_is_given_up() -> None:
    lender = lending.Lender()

    def batch(size: int = 48) -> tuple[Any, set[int]]:
        """A batch of one picture as it arrives, and the numbers of the blocks sent with it."""
        lent = lender.lent({"image": lender.take(size)})
        return sent(lent), set(lent.new)

    before = set(lending._MAPPED)
    first, new = batch()
    assert new == {1}
    second, new = batch()  # the first is still held
    assert new == {2}
    del first
    gc.collect()
    _, new = batch()
    assert not new
    (name,) = set(lending._MAPPED) - before
    assert set(lending._MAPPED[name]) == {1, 2}
    for size in (64, 80, 96, 112):  # four other sizes, and the first is given up
        batch(size)
    assert set(lending._MAPPED[name]) == {3, 4, 5, 6}
    second["image"][:] = 1  # its memory is still there


def test_the_memory_goes_with_the_workers(root: Path) -> None:
    before = set(lending._MAPPED)
    once = loader(root, num_workers=2)
    kept = [batch["image"] for batch in once]
    values = [image.clone() for image in kept]
    assert len(set(lending._MAPPED) - before) == 2
    del once
    gc.collect()
    assert set(lending._MAPPED) == before
    assert all(torch.equal(a, b) for a, b in zip(kept, values, strict=True))
