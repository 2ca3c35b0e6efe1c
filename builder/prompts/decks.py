"""Stratified draws: the first ``n`` samples are balanced for every ``n``, and any can be drawn.

A deck holds each value of an attribute as often as its weight says. The sequence of an
attribute is one seeded shuffle of its deck after another, so draw ``i`` is card ``i % size``
of shuffle ``i // size``. Nothing before it has to be drawn, and after any number of draws each
value has been seen as often as its weight asks, to within less than one deck.

An attribute that depends on another (``arms`` on ``framing``) has a deck in each branch of
it. The samples of a branch are numbered within the branch. That number follows from the
parent's deck alone: full decks hold a known count of the branch, and the rest is counted in
one deck. So every attribute is balanced, can be drawn at any index, and does not depend on how
many samples there are, however deep the tree is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

Path = tuple[tuple[str, str], ...]
"""The branches taken so far: pairs of attribute and branch."""

ABSENT = "absent"
"""The parent's value as a child's ``group`` sees it where the parent does not apply."""


def _own_branch(value: str) -> str:
    return value


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """How one attribute is drawn.

    Rules compare by identity, so that they are quick keys of the caches below.

    Attributes:
        attribute: Its name.
        weights: From the branches taken so far (attribute to group) to the deck, value to
            number of cards; empty where the attribute does not apply.
        parent: The attribute whose branches it is drawn in; None for all samples together.
        group: From the parent's value (or :data:`ABSENT`) to the name of the branch.
    """

    attribute: str
    weights: Callable[[Mapping[str, str]], Mapping[str, int]]
    parent: str | None = None
    group: Callable[[str], str] = _own_branch


def draw(rules: Sequence[Rule], index: int, seed: int) -> dict[str, str | None]:
    """The values of sample ``index``; they depend on nothing but the arguments.

    Args:
        rules: The rules, parents before children.
        index: Which sample, from 0.
        seed: Which of the endlessly many sequences.

    Returns:
        Attribute to value, in the order of the rules; None where it does not apply.
    """
    # Attribute to the shuffle it is drawn from and the sample's number in that branch.
    drawn: dict[str, tuple[_Shuffle, int]] = {}
    values: dict[str, str | None] = {}
    for rule in rules:
        path, number = ((), index) if rule.parent is None else _branch(rule, *drawn[rule.parent])
        deck = _deck(rule, path)
        shuffle = _shuffled(deck, number // len(deck.cards), seed)
        drawn[rule.attribute] = shuffle, number
        value = shuffle.cards[number % len(deck.cards)]
        values[rule.attribute] = None if value == ABSENT else value
    return values


@dataclass(frozen=True, slots=True, eq=False)
class _Deck:
    """The cards of an attribute in one branch, before shuffling."""

    rule: Rule
    path: Path
    cards: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Shuffle:
    """The cards of a deck in one order."""

    path: Path
    cards: tuple[str, ...]


# Decks and shuffles compare by identity, which makes them quick keys. The caches only save
# time: a deck or shuffle that was dropped is made again with the same content.


@lru_cache(maxsize=4096)
def _deck(rule: Rule, path: Path) -> _Deck:
    weights = rule.weights(dict(path)) or {ABSENT: 1}
    return _Deck(rule, path, tuple(v for v, weight in weights.items() for _ in range(weight)))


@lru_cache(maxsize=4096)
def _shuffled(deck: _Deck, number: int, seed: int) -> _Shuffle:
    """Shuffle ``number`` of a deck: an order that is the same on every platform."""
    branch = ",".join(f"{name}={group}" for name, group in deck.path)
    name = f"{seed}/{branch}/{deck.rule.attribute}/{number}"
    noise = hashlib.shake_256(name.encode()).digest(8 * len(deck.cards))
    order = sorted(range(len(deck.cards)), key=lambda card: (noise[8 * card : 8 * card + 8], card))
    return _Shuffle(deck.path, tuple(deck.cards[card] for card in order))


def _branch(rule: Rule, shuffle: _Shuffle, number: int) -> tuple[Path, int]:
    """The branch that ``rule`` is drawn in, and the sample's number within it."""
    shuffles, position = divmod(number, len(shuffle.cards))
    path, before, size = _places(rule, shuffle)[position]
    return path, shuffles * size + before


@lru_cache(maxsize=8192)
def _places(rule: Rule, shuffle: _Shuffle) -> list[tuple[Path, int, int]]:
    """For each card: its branch, how many before it share the branch, how many in all do."""
    groups = [rule.group(card) for card in shuffle.cards]
    parent = rule.parent or ""
    return [
        ((*shuffle.path, (parent, inside)), groups[:place].count(inside), groups.count(inside))
        for place, inside in enumerate(groups)
    ]


@dataclass(frozen=True, slots=True)
class Target:
    """What the rules promise of one value.

    Attributes:
        share: Its share of all samples, 0..1.
        bound: Among the first ``n`` samples it occurs ``share * n`` times, give or take
            this, for every ``n`` and every seed.
    """

    share: float
    bound: float


def targets(rules: Sequence[Rule]) -> dict[str, dict[str | None, Target]]:
    """The target share of every value and the bound on the deviation from it.

    After ``m`` cards of a deck of ``W``, a value with weight ``w`` has been seen between
    ``max(0, m - W + w)`` and ``min(m, w)`` times, so it is off its mean ``m * w / W`` by at
    most ``w * (W - w) / W``. A branch that is itself off by at most ``b`` adds
    ``b * w / W``; branches add up.

    Args:
        rules: The rules, parents before children.

    Returns:
        Attribute to value to target; the value None stands for "does not apply".
    """
    # Attribute to its nodes: path, deck, share and bound of the samples that come there.
    nodes: dict[str | None, list[tuple[Path, Mapping[str, int], float, float]]] = {
        None: [((), {ABSENT: 1}, 1.0, 0.0)]
    }
    found: dict[str, dict[str | None, Target]] = {}
    for rule in rules:
        nodes[rule.attribute] = []
        totals: dict[str | None, tuple[float, float]] = {}
        for parent_path, parent_deck, share, bound in nodes[rule.parent]:
            groups: dict[str, int] = {}
            for value, weight in parent_deck.items():
                groups[rule.group(value)] = groups.get(rule.group(value), 0) + weight
            size = sum(parent_deck.values())
            for group, weight in groups.items():
                path = (*parent_path, (rule.parent, group)) if rule.parent else ()
                here = share * weight / size
                off = weight * (size - weight) / size + bound * weight / size
                deck = rule.weights(dict(path))
                nodes[rule.attribute].append((path, deck or {ABSENT: 1}, here, off))
                _add_values(totals, deck, here, off)
        found[rule.attribute] = {value: Target(*pair) for value, pair in totals.items()}
    return found


def _add_values(
    totals: dict[str | None, tuple[float, float]],
    deck: Mapping[str, int],
    share: float,
    bound: float,
) -> None:
    size = sum(deck.values())
    if not deck:
        before = totals.get(None, (0.0, 0.0))
        totals[None] = (before[0] + share, before[1] + bound)
    for value, weight in deck.items():
        before = totals.get(value, (0.0, 0.0))
        off = weight * (size - weight) / size + bound * weight / size
        totals[value] = (before[0] + share * weight / size, before[1] + off)
