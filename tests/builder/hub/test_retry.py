"""The retry policy, the commit budget, and what the server asks for."""

from __future__ import annotations

import logging
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.hub import RetryPolicy, StoppedError, UnreachableError
from builder.hub.commits import WINDOW, CommitBudget
from builder.hub.connection import _asked_wait
from builder.hub.retry import Retries, TransientError


@given(
    st.integers(1, 40), st.one_of(st.none(), st.floats(-10, 1e9)), st.floats(0, 1),
    st.floats(0, 10), st.floats(0, 100), st.floats(0, 1000),
)  # fmt: skip
def test_every_wait_is_bounded(
    failures: int, asked: float | None, jitter: float, first: float, longest: float, cap: float
) -> None:
    policy = RetryPolicy(first=first, longest=longest, longest_asked=cap)
    wait = policy.wait(failures, asked, jitter)
    assert 0 <= wait <= (longest * 1.5 if asked is None else cap)


def test_waits_grow() -> None:
    waits = [RetryPolicy().wait(n, None, 0) for n in range(1, 12)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]


def failing(times: int, asked: float | None = None) -> tuple[Retries, list[int]]:
    policy = RetryPolicy(attempts=5, patience=0.5, first=0.01, longest=0.02, longest_asked=1.0)
    return Retries(policy, threading.Event(), ("geheim",)), list(range(times))


def test_attempts_and_patience_bound_together(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    retries, left = failing(4)

    def attempt() -> str:
        if left:
            left.pop()
            raise TransientError("geheim failed")
        return "done"

    assert retries.call("testing", attempt) == "done" and retries.counts.failures == 4
    assert "geheim" not in caplog.text and "4 of 4" in caplog.text

    def never(asked: float | None = None) -> str:
        raise TransientError("geheim", asked)

    with pytest.raises(UnreachableError, match="5 times") as failed:
        retries.call("testing", never)
    assert "geheim" not in str(failed.value)
    begun = time.monotonic()
    with pytest.raises(UnreachableError, match="1 times"):
        retries.call("testing", lambda: never(asked=0.9))  # longer than the patience
    assert time.monotonic() - begun < 0.4


def test_a_stop_ends_every_wait_at_once() -> None:
    stop = threading.Event()
    retries = Retries(RetryPolicy(first=60), stop)
    threading.Timer(0.1, stop.set).start()

    def never() -> None:
        raise TransientError("busy")

    begun = time.monotonic()
    with pytest.raises(StoppedError):
        retries.call("testing", never)
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": " 1.5 "}, 1.5),
        ({"Date": "Sun, 22 Nov 2026 12:00:00 GMT",
          "Retry-After": "Sun, 22 Nov 2026 12:01:00 GMT"}, 60),
        ({"RateLimit": '"api";r=0;t=55'}, 56),
        ({"RateLimit": '"api";r=10;t=55'}, None),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_what_a_server_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert _asked_wait(headers) == seconds


@given(st.integers(2, 50), st.integers(0, 10), st.integers(0, 60))
def test_the_budget_never_lets_more_through(limit: int, reserve: int, made: int) -> None:
    budget = CommitBudget(limit, reserve)
    through = 0
    for _ in range(made):
        if budget.wait() == 0:
            budget.count()
            through += 1
    allowed = max(limit - reserve, 1)
    assert through == min(made, allowed)
    assert through < allowed or 0 < budget.wait() <= WINDOW
    assert through >= limit or budget.wait(last=True) == 0
