"""When to try again and how long to wait: bounded, logged, and in one place."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from builder.hub.errors import StoppedError, UnreachableError, redact

T = TypeVar("T")

log = logging.getLogger("builder.hub")

RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 522, 524})
"""HTTP statuses after which another try may help; 520, 522 and 524 come from the CDN before a
server that does not answer."""


@dataclass(frozen=True)
class RetryPolicy:
    """How long to go on with a server that fails; by default through an outage of two hours.

    huggingface_hub 2.4.0 retries some requests five times and honours any ``Retry-After``,
    and sends a commit only once; here every request has the same two bounds.

    Attributes:
        attempts: Most tries of one request, the first included.
        patience: Most seconds of waiting between the tries of one request, in all.
        first: Seconds of the first wait; doubled each time, with up to half of it as jitter.
        longest: Longest wait, in seconds.
        longest_asked: Longest wait that a ``Retry-After`` may ask for, in seconds; the Hub's
            windows are 300 s (requests) and 3600 s (commits).
    """

    attempts: int = 120
    patience: float = 7200.0
    first: float = 1.0
    longest: float = 60.0
    longest_asked: float = 900.0

    def brief(self) -> RetryPolicy:
        """The same policy for when somebody waits at the screen: about two minutes."""
        return replace(self, attempts=min(self.attempts, 8))

    def wait(self, failures: int, asked: float | None, jitter: float) -> float:
        """Seconds to wait after a number of failures.

        Args:
            failures: How many tries failed so far, at least 1.
            asked: ``Retry-After`` in seconds, if the server gave one.
            jitter: 0..1, how much of the jitter to add.
        """
        if asked is not None:
            return min(max(asked, 0.0), self.longest_asked)
        return min(self.longest, self.first * 2.0 ** (failures - 1)) * (1 + jitter / 2)


class TransientError(Exception):
    """A failure that may pass: raised within a try, turned into a wait by :class:`Retries`.

    Args:
        problem: What happened, in a few words.
        asked: ``Retry-After`` in seconds, if the server gave one.
    """

    def __init__(self, problem: str, asked: float | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.asked = asked


@dataclass
class RetryCounts:
    """What the retries of a publication amounted to."""

    failures: int = 0
    waited: float = 0.0
    by_problem: dict[str, int] = field(default_factory=dict)


class Retries:
    """Applies a policy; shared by all threads of a publication.

    Args:
        policy: The bounds; may be replaced by others at any time.
        stop: Set from outside to end every wait at once.
        secrets: Strings to keep out of the log.
    """

    def __init__(
        self, policy: RetryPolicy, stop: threading.Event, secrets: tuple[str | None, ...] = ()
    ) -> None:
        self.policy = policy
        self.stop = stop
        self.counts = RetryCounts()
        self._secrets = secrets
        self._lock = threading.Lock()
        self._random = random.Random(0)

    def call(self, what: str, attempt: Callable[[], T]) -> T:
        """Call ``attempt`` until it returns.

        Args:
            what: What is being done, for the log and the error.
            attempt: Raises :class:`TransientError` if trying again may help; anything else
                it raises goes through.

        Raises:
            UnreachableError: The policy's bounds are reached.
            StoppedError: ``stop`` was set.
        """
        policy, waited, begun = self.policy, 0.0, time.monotonic()
        for failures in range(1, policy.attempts + 1):
            self.check_stop()
            try:
                return attempt()
            except TransientError as failed:
                problem = redact(failed.problem, *self._secrets)
                with self._lock:
                    jitter = self._random.random()
                    self.counts.failures += 1
                    kinds = self.counts.by_problem
                    kinds[problem] = kinds.get(problem, 0) + 1
                pause = policy.wait(failures, failed.asked, jitter)
                last = failures == policy.attempts
                if last or waited + pause > policy.patience:
                    took = time.monotonic() - begun
                    raise UnreachableError(
                        f"{what}: {problem}, {failures} times in {took:.0f} s; "
                        "try: run the same command again later, what is uploaded stays"
                    ) from None
                log.warning(
                    "%s: %s; trying again in %.1f s (%d of %d)",
                    *(what, problem, pause, failures, policy.attempts - 1),
                )
                self.sleep(pause)
                waited += pause
        raise AssertionError("unreachable")

    def sleep(self, seconds: float) -> None:
        """Wait, unless told to stop.

        Raises:
            StoppedError: ``stop`` is set.
        """
        self.stop.wait(seconds)
        with self._lock:
            self.counts.waited += seconds
        self.check_stop()

    def check_stop(self) -> None:
        """Raise if told to stop.

        Raises:
            StoppedError: ``stop`` is set.
        """
        if self.stop.is_set():
            raise StoppedError("upload stopped; the same command goes on where it stood")
