from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest

from builder.workers import frames
from builder.workers.pool import WorkerPool, open_pool
from ld_portrait_20k.errors import PortraitError


class Doubler:
    """A handler: doubles arrays, and does worse things when asked to."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __call__(
        self, message: frames.Message, blobs: list[bytes]
    ) -> tuple[frames.Message, frames.Blobs]:
        if message.get("die"):
            os.kill(os.getpid(), signal.SIGKILL)
        if message.get("refuse"):
            raise PortraitError("refused on purpose")
        if message.get("defect"):
            raise ZeroDivisionError("a defect of ours")
        print("noise on standard output must not reach the parent's pipe")
        if message.get("slow"):
            time.sleep(message["slow"])
        arrays = [np.frombuffer(blob, np.uint8) * self.factor for blob in blobs]
        memory = os.environ.get("GLIBC_TUNABLES")
        return {"pid": os.getpid(), "given": message, "memory": memory}, arrays


SETUP = {"handler": "tests.builder.workers.test_pool:Doubler", "options": {"factor": 2}}


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_every_task_is_answered_once(workers: int) -> None:
    with open_pool(SETUP, workers) as pool:
        answers = []
        for number in range(40):
            pool.submit(number, {"n": number}, [np.full((3, 5), number, np.uint8)])
            while (answer := pool.answer(wait=False)) is not None:
                answers.append(answer)
        while pool.outstanding:
            answer = pool.answer(wait=True)
            assert answer is not None
            answers.append(answer)
    assert sorted(answer.key for answer in answers) == list(range(40))
    for answer in answers:
        assert answer.message["given"] == {"n": answer.key}
        assert answer.blobs == [bytes([2 * answer.key]) * 15]


def test_a_killed_worker_is_replaced() -> None:
    with WorkerPool(SETUP, 2) as pool:
        for number in range(6):
            pool.submit(number, {"slow": 0.2})
            if number == 2:
                time.sleep(0.6)
                os.kill(pool.pids()[0], signal.SIGKILL)
        keys = []
        while pool.outstanding:
            answer = pool.answer(wait=True)
            assert answer is not None
            keys.append(answer.key)
    assert sorted(keys) == list(range(6))


@pytest.mark.parametrize("wanted", ["", "glibc.malloc.arena_max=1"])
def test_settings_of_memory_that_somebody_made_are_kept(
    wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLIBC_TUNABLES", wanted)
    with WorkerPool(SETUP, 1) as pool:
        pool.submit(1, {})
        answer = pool.answer(wait=True)
    assert answer is not None
    assert answer.message["memory"] == wanted


def test_more_than_a_pipe_holds_goes_both_ways() -> None:
    picture = np.arange(5 * 2**20, dtype=np.uint32).view(np.uint8)
    with WorkerPool(SETUP, 1) as pool:
        pool.submit(1, {}, [picture])
        answer = pool.answer(wait=True)
    assert answer is not None
    assert answer.blobs == [(picture * 2).tobytes()]


def test_a_task_that_kills_is_given_up_by_name() -> None:
    with WorkerPool(SETUP, 1) as pool:
        pool.submit("ldp-0000003", {"die": True})
        with pytest.raises(PortraitError, match="ldp-0000003: 3 workers died on it"):
            pool.answer(wait=True)


def test_errors_come_back() -> None:
    with WorkerPool(SETUP, 1) as pool:
        pool.submit(1, {"refuse": True})
        with pytest.raises(PortraitError, match="refused on purpose"):
            pool.answer(wait=True)
        pool.submit(2, {"defect": True})
        with pytest.raises(RuntimeError, match="ZeroDivisionError: a defect of ours"):
            pool.answer(wait=True)


def test_closing_does_not_wait_for_work() -> None:
    began = time.monotonic()
    with WorkerPool(SETUP, 2) as pool:
        for number in range(4):
            pool.submit(number, {"slow": 30})
        time.sleep(0.5)
        pids = pool.pids()
    assert time.monotonic() - began < 5
    assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_only_our_own_handlers() -> None:
    with pytest.raises(ValueError, match="not a handler of this project"):
        open_pool({"handler": "os:system", "options": {}}, 0)
