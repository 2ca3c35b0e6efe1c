"""How the fuzzers make cases, how long they run, and what they count.

Cases come from a seed. By default each fuzzer runs so many, in a few seconds; with
``--fuzz-seconds N`` each runs that long, and the figures are printed at the end.
"""

from __future__ import annotations

import json
import random
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ld_portrait_20k.errors import PortraitError

MOST_SECONDS = 5.0
"""Processor time that no case may exceed; the slowest honest one takes milliseconds."""


@dataclass
class Fuzzer:
    """Runs cases and counts outcomes.

    Attributes:
        cases: How many by default.
        seconds: How long instead, if not 0.
        seed: Of the first case.
        outcomes: Error type, or ``fine``, to number of cases.
    """

    cases: int
    seconds: float = 0.0
    seed: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0

    def chances(self) -> Iterator[random.Random]:
        """One generator of random numbers a case."""
        end = time.monotonic() + self.seconds
        number = 0
        while time.monotonic() < end if self.seconds else number < self.cases:
            yield random.Random(f"{self.seed} {number}")
            number += 1

    def run(self, case: Callable[[random.Random], object]) -> None:
        """Run cases; anything but success and an error of ours fails the test with its number."""
        for number, chance in enumerate(self.chances()):
            started = time.process_time()  # a busy machine makes no case slow
            try:
                case(chance)
                outcome = "fine"
            except PortraitError as problem:
                outcome = type(problem).__name__
                check_message(str(problem))
            except BaseException as problem:
                problem.add_note(f"fuzz case {number} of seed {self.seed}")
                raise
            taken = time.process_time() - started
            self.slowest = max(self.slowest, taken)
            assert taken < MOST_SECONDS, f"case {number} took {taken:.1f} s"
            self.outcomes[outcome] += 1

    def figures(self) -> str:
        """One line for the report."""
        told = ", ".join(f"{count:,} {name}" for name, count in self.outcomes.most_common())
        return f"{self.outcomes.total():,} cases: {told}; slowest {self.slowest * 1000:.0f} ms"


def check_message(text: str) -> None:
    """An error is one line of bounded length that no terminal acts on."""
    assert len(text) < 25_000
    wrong = [c for c in text if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    assert not wrong, repr(text)


def mutate_bytes(chance: random.Random, data: bytes) -> bytes:
    """Flip, set, cut, repeat, move or insert bytes, a few times."""
    found = bytearray(data)
    for _ in range(1 + int(chance.expovariate(0.7))):
        size = len(found)
        place = chance.randrange(size + 1)
        span = min(size - place, int(chance.expovariate(0.02)))
        kind = chance.randrange(7)
        if kind == 0 and place < size:
            found[place] ^= 1 << chance.randrange(8)
        elif kind == 1 and place < size:
            found[place] = chance.choice((0, 1, 0x20, 0x30, 0x7F, 0x80, 0xD8, 0xDA, 0xFF))
        elif kind == 2:
            del found[place : place + span]
        elif kind == 3:
            found[place:place] = found[place : place + span] * chance.randrange(1, 9)
        elif kind == 4:
            other = chance.randrange(size + 1)
            found[place : place + span] = found[other : other + span]
        elif kind == 5:
            found[place:place] = chance.randbytes(span)
        else:
            del found[place:]
    return bytes(found)


ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**32, 2**53 + 1, 2**63, 10**400, -(2**63) - 1, 0.5, -0.0,
    1e308, float("nan"), float("inf"), "", "x", "0", "\x1b[31m", "\ud800", "\u202e", "\x00", "../x",
    "/etc/passwd", "a" * 5000, [], {}, [[]], [None], {"": 0}, {"\ud800": 1}, [1, 2, 3, 4],
    [[[[[[]]]]]], "data/train-00000-of-00001.tar", "train", "raw", "0" * 64,
)  # fmt: skip
"""Values that are of another type, too large, or mean something elsewhere."""


def mutate_value(chance: random.Random, value: Any) -> Any:
    """Replace, drop, add or repeat something anywhere in a JSON value."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        found = dict(value)
        key = chance.choice(sorted(found, key=repr))
        kind = chance.random()
        if kind < 0.1:
            del found[key]
        elif kind < 0.2:
            found[chance.choice(("", "x\x1b", "\ud800", "path", "0", "a" * 900))] = found[key]
        else:
            found[key] = mutate_value(chance, found[key])
        return found
    if isinstance(value, list) and value and chance.random() < 0.85:
        items = list(value)
        place = chance.randrange(len(items))
        kind = chance.random()
        if kind < 0.1:
            del items[place]
        elif kind < 0.2:
            items.insert(place, items[chance.randrange(len(items))])
        else:
            items[place] = mutate_value(chance, items[place])
        return items
    if isinstance(value, int) and not isinstance(value, bool) and chance.random() < 0.4:
        return value + chance.choice((-1, 1, 512, -512, 2**32, -(2**40)))
    if isinstance(value, str) and value and chance.random() < 0.4:
        place = chance.randrange(len(value))
        return value[:place] + chance.choice(("\x00", "\x1b", "é", "/", "..", "")) + value[place:]
    return chance.choice(ODD)


def mutate_json(chance: random.Random, value: Any) -> bytes:
    """JSON text of a mutated value, sometimes with mutated bytes too."""
    for _ in range(1 + int(chance.expovariate(1))):
        value = mutate_value(chance, value)
    text = json.dumps(value).encode()
    if chance.random() < 0.2:
        text = mutate_bytes(chance, text)
    if chance.random() < 0.02:
        text = text.replace(b"1", b"9" * 5000, 1)
    if chance.random() < 0.02:
        deep = chance.choice((b"[", b'{"a":')) * chance.randrange(20_000)
        text = text.replace(b"{}", deep, 1)
    return text
