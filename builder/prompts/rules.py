"""From the attribute tables of a vocabulary file to the rules that draw their values.

``vocabulary.toml`` says what the keys of a table mean. Here they are read and checked, and
become :class:`builder.prompts.decks.Rule` objects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from builder.prompts.checking import VocabularyError, check_keys, strings, table
from builder.prompts.decks import ABSENT, Rule

MAX_DECK: Final = 10_000
"""Cards in a deck. Balance is promised to within a deck, so larger ones promise nothing."""


@dataclass(frozen=True, slots=True)
class Deck:
    """The weights of an attribute's values under a condition.

    Attributes:
        when: Attribute to the branches in which the deck counts.
        weights: Value to number of cards; empty where the attribute does not apply.
    """

    when: dict[str, tuple[str, ...]]
    weights: dict[str, int]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute table, checked.

    Attributes:
        name: The attribute.
        values: Its values.
        helper: Whether it only helps the rules and is not stored.
        parent: The attribute in whose branches it is drawn.
        branch_of: A value of the parent to its branch.
        decks: In the order in which they are tried.
        only: Value to the branches it needs, by attribute.
    """

    name: str
    values: tuple[str, ...]
    helper: bool
    parent: str | None
    branch_of: dict[str, str]
    decks: tuple[Deck, ...]
    only: dict[str, dict[str, tuple[str, ...]]]

    def weights(self, taken: Mapping[str, str]) -> dict[str, int]:
        """The deck that counts in a branch.

        Args:
            taken: Attribute to branch, for every branch taken so far.
        """
        deck = dict.fromkeys(self.values, 1)
        for candidate in self.decks:
            if _agrees(candidate.when, taken):
                deck = candidate.weights
                break
        return {
            value: weight
            for value, weight in deck.items()
            if _agrees(self.only.get(value, {}), taken)
        }

    def rule(self) -> Rule:
        """The rule that draws it."""
        return Rule(self.name, self.weights, self.parent, self._group())

    def _group(self) -> Callable[[str], str]:
        return lambda value: self.branch_of.get(value, value)


def _agrees(wanted: Mapping[str, tuple[str, ...]], taken: Mapping[str, str]) -> bool:
    return all(taken[name] in branches for name, branches in wanted.items())


def read_attributes(body: Mapping[str, Any]) -> tuple[Attribute, ...]:
    """Read and check the ``attributes`` tables.

    Args:
        body: Attribute to its table, parents before children.

    Raises:
        VocabularyError: What is wrong, and where.
    """
    found: dict[str, Attribute] = {}
    # Attribute to what its children's decks may speak of: ancestors and their branches.
    branches: dict[str, dict[str, set[str]]] = {}
    for name, raw in body.items():
        where = f"attributes.{name}"
        fields = table(raw, where)
        check_keys(fields, where, ("values", "helper", "parent", "branches", "decks", "only"))
        values = strings(fields.get("values"), f"{where}.values")
        parent = fields.get("parent")
        if parent is not None and parent not in found:
            raise VocabularyError(f"{where}.parent", f"no attribute {parent!r} stands before it")
        parent_values = found[parent].values if parent is not None else ()
        branch_of = _branches(fields.get("branches", {}), f"{where}.branches", parent_values)
        known: dict[str, set[str]] = {}
        if parent is not None:
            inside = {branch_of.get(value, value) for value in (*parent_values, ABSENT)}
            known = {**branches[parent], parent: inside}
        branches[name] = known
        found[name] = Attribute(
            name,
            values,
            _flag(fields.get("helper", False), f"{where}.helper"),
            parent,
            branch_of,
            _decks(fields.get("decks", []), f"{where}.decks", values, known),
            {
                value: _conditions(conditions, f"{where}.only.{value}", known)
                for value, conditions in table(fields.get("only", {}), f"{where}.only").items()
            },
        )
        for value in found[name].only:
            _one_of(value, values, f"{where}.only")
    return tuple(found.values())


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise VocabularyError(where, "is true or false")
    return value


def _one_of(value: str, values: tuple[str, ...], where: str) -> str:
    if value not in values:
        raise VocabularyError(where, f"no value {value!r}; there are {', '.join(values)}")
    return value


def _branches(raw: Any, where: str, parent_values: tuple[str, ...]) -> dict[str, str]:
    branch_of: dict[str, str] = {}
    for branch, members in table(raw, where).items():
        if branch == ABSENT:
            raise VocabularyError(where, f"{ABSENT!r} is the branch of what does not apply")
        for value in strings(members, f"{where}.{branch}"):
            _one_of(value, parent_values, f"{where}.{branch}")
            if value in branch_of:
                raise VocabularyError(where, f"{value!r} is in two branches")
            branch_of[value] = branch
    return branch_of


def _decks(
    raw: Any, where: str, values: tuple[str, ...], known: Mapping[str, set[str]]
) -> tuple[Deck, ...]:
    if not isinstance(raw, list):
        raise VocabularyError(where, "is a list of tables")
    decks = []
    for number, item in enumerate(raw, 1):
        here = f"{where}[{number}]"
        fields = table(item, here)
        check_keys(fields, here, ("when", "values"))
        weights = table(fields.get("values", {}), f"{here}.values")
        for value, weight in weights.items():
            _one_of(value, values, f"{here}.values")
            if isinstance(weight, bool) or not isinstance(weight, int) or weight < 1:
                raise VocabularyError(
                    f"{here}.values", f"{value!r} needs a whole number of at least 1"
                )
        if sum(weights.values()) > MAX_DECK:
            raise VocabularyError(f"{here}.values", f"more than {MAX_DECK} cards in all")
        when = _conditions(fields.get("when", {}), f"{here}.when", known)
        decks.append(Deck(when, dict(weights)))
    return tuple(decks)


def _conditions(raw: Any, where: str, known: Mapping[str, set[str]]) -> dict[str, tuple[str, ...]]:
    conditions: dict[str, tuple[str, ...]] = {}
    for name, wanted in table(raw, where).items():
        if name not in known:
            listed = ", ".join(known) or "none, for it has no parent"
            raise VocabularyError(where, f"{name!r} is no branch taken so far; those are {listed}")
        taken = (wanted,) if isinstance(wanted, str) else strings(wanted, f"{where}.{name}")
        for branch in taken:
            if branch not in known[name]:
                raise VocabularyError(
                    f"{where}.{name}",
                    f"no branch {branch!r}; there are {', '.join(sorted(known[name]))}",
                )
        conditions[name] = taken
    return conditions
