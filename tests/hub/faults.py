"""Faults by rule: what goes wrong, for which requests, how often."""

from __future__ import annotations

import random
import re
import threading
from dataclasses import dataclass, field


@dataclass(slots=True)
class Fault:
    """A rule. The first rule that matches a request and fires decides its fate.

    Which requests:
        method: Regular expression on the method, full match.
        path: Regular expression searched in the path (without the query).
        skip: Let this many matching requests pass first.
        every: Fire on every n-th matching request only.
        probability: Fire with this chance, drawn from a generator seeded with ``seed``.
        times: Fire at most this often; None for ever.

    What happens (``delay`` combines with the others):
        status: Answer with this status instead of doing it; ``retry_after`` (seconds),
            ``code`` (``X-Error-Code``) and ``message`` go with it.
        delay: Wait this many seconds first.
        cut: Send only this many bytes of the answer's body, then cut the connection.
        cut_request: Read only this many bytes of the request's body, then cut.
        drop_answer: Do it, then cut the connection without an answer.
        corrupt: Do it, and flip bytes of the answer's body.
    """

    method: str = ".*"
    path: str = ""
    skip: int = 0
    every: int = 1
    probability: float = 1.0
    seed: int = 0
    times: int | None = None
    status: int | None = None
    retry_after: float | None = None
    code: str | None = None
    message: str = "injected fault"
    delay: float = 0.0
    cut: int | None = None
    cut_request: int | None = None
    drop_answer: bool = False
    corrupt: bool = False
    seen: int = 0
    fired: int = 0
    _random: random.Random = field(default_factory=random.Random, repr=False)

    def __post_init__(self) -> None:
        self._random.seed(self.seed)

    def fires(self, method: str, path: str) -> bool:
        """Whether this request is hit; counts it. Call under a lock."""
        if not re.fullmatch(self.method, method) or not re.search(self.path, path):
            return False
        self.seen += 1
        if self.seen <= self.skip or (self.seen - self.skip) % self.every:
            return False
        if self.times is not None and self.fired >= self.times:
            return False
        if self.probability < 1.0 and self._random.random() >= self.probability:
            return False
        self.fired += 1
        return True


class Faults:
    """The rules in force, in order."""

    def __init__(self) -> None:
        self._rules: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._rules.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def for_request(self, method: str, path: str) -> Fault | None:
        with self._lock:
            return next((rule for rule in self._rules if rule.fires(method, path)), None)
