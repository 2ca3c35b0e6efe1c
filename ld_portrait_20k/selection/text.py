"""Selections of samples written as text: ``confidence < 0.8 and hair_color in ('red', 'grey')``.

The grammar, from the loosest binding to the tightest; words may be in either case::

    selection  = conjunction { "or" conjunction }
    conjunction = term { "and" term }
    term       = "not" term | "(" selection ")" | condition
    condition  = field ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) value
               | field [ "not" ] "in" "(" value { "," value } ")"
               | field [ "not" ] "contains" text
    value      = text | number | "true" | "false" | "null"
    text       = 'in single quotes, a quote in it doubled' | "or in double quotes"

A field is a path of :data:`~ld_portrait_20k.format.schema.METADATA` such as
``refinement.confidence``, its last part where no other field has it, or ``split``. ``=`` and ``!=``
also compare with null; null is neither below nor above anything. ``contains`` looks at text and
disregards case. Text is ordered by code points, so ids are in their order.
"""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from typing import Final, cast

from ld_portrait_20k.common.printable import printable
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.selection.tree import (
    FIELDS,
    NAMES,
    And,
    Comparison,
    Contains,
    Field,
    Kind,
    Membership,
    Not,
    Operator,
    Or,
    Selection,
    Value,
    value_text,
)

__all__ = [
    "FIELDS",
    "NAMES",
    "And",
    "Comparison",
    "Contains",
    "Field",
    "Membership",
    "Not",
    "Or",
    "Selection",
    "SelectionError",
    "parse",
]

MAX_CHARACTERS: Final = 200_000
"""Longer texts are refused; room for ten thousand ids."""
MAX_DEPTH: Final = 50
"""Brackets and ``not`` within each other; a person writes three. Chosen by eye."""
_MAX_DIGITS: Final = 40
_NEAR: Final = 3  # names that a message suggests
_TOKEN: Final = re.compile(
    r"""(?P<space>\s+)
    |(?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
    |(?P<number>-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    |(?P<name>[^\W\d][\w.]*)
    |(?P<sign><=|>=|!=|==|=|<|>|\(|\)|,)""",
    re.VERBOSE,
)
_WORDS: Final = frozenset({"and", "or", "not", "in", "contains", "true", "false", "null"})
_COMPARISONS: Final = frozenset({"=", "!=", "<", "<=", ">", ">="})
_WRITTEN: Final[dict[Kind, str]] = {
    "text": "a text in quotes",
    "number": "a number",
    "flag": "true or false",
}


class SelectionError(PortraitError):
    """A text that is no selection.

    Attributes:
        column: Where, counted from 1.
    """

    def __init__(self, column: int, problem: str) -> None:
        super().__init__(f"column {column}: {problem}")
        self.column = column


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # text, number, name, word, sign, end
    text: str
    column: int

    @property
    def shown(self) -> str:
        return "the end" if self.kind == "end" else printable(self.text, 40)


def parse(text: str) -> Selection:
    """Parse a selection.

    Args:
        text: In the grammar of this module.

    Returns:
        The tree; its ``matches(metadata, split)`` tells whether it matches a sample, and its
        ``str`` is a text that parses into an equal tree.

    Raises:
        SelectionError: It does not follow the grammar, or compares what cannot be compared.
    """
    if len(text) > MAX_CHARACTERS:
        raise SelectionError(MAX_CHARACTERS, f"longer than {MAX_CHARACTERS:,} characters")
    return _Parser(_tokens(text)).whole()


def _tokens(text: str) -> list[_Token]:
    tokens = []
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise _unreadable(text, place)
        kind, content = str(found.lastgroup), found.group()
        if kind == "name" and content.lower() in _WORDS:
            kind, content = "word", content.lower()
        if kind != "space":
            tokens.append(_Token(kind, "=" if content == "==" else content, place + 1))
        place = found.end()
    return [*tokens, _Token("end", "", len(text) + 1)]


def _unreadable(text: str, place: int) -> SelectionError:
    if text[place] in "'\"":
        return SelectionError(place + 1, f"the quote {text[place]} is not closed; try: close it")
    shown = printable(text[place : place + 12].split()[0], 40)
    return SelectionError(
        place + 1, f"{shown} is not understood; try: quotes around text, as in 'red'"
    )


class _Parser:
    """Recursive descent: one method a rule of the grammar."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._place = 0
        self._depth = 0

    def whole(self) -> Selection:
        found = self._selection()
        if self._next.kind != "end":
            raise self._wrong("and, or, or the end is expected here")
        return found

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def _take(self, *texts: str) -> _Token | None:
        """The next token, if it is one of these words or signs."""
        token = self._next
        if token.kind not in ("word", "sign") or token.text not in texts:
            return None
        self._place += 1
        return token

    def _need(self, sign: str) -> None:
        if self._take(sign) is None:
            raise self._wrong(f"{sign} is expected here")

    def _wrong(self, problem: str) -> SelectionError:
        return SelectionError(self._next.column, f"{problem}, not {self._next.shown}")

    def _selection(self) -> Selection:
        terms = [self._conjunction()]
        while self._take("or"):
            terms.append(self._conjunction())
        return Or(tuple(terms)) if len(terms) > 1 else terms[0]

    def _conjunction(self) -> Selection:
        terms = [self._term()]
        while self._take("and"):
            terms.append(self._term())
        return And(tuple(terms)) if len(terms) > 1 else terms[0]

    def _term(self) -> Selection:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise SelectionError(self._next.column, f"nested more than {MAX_DEPTH} times")
        if self._take("not"):
            found: Selection = Not(self._term())
        elif self._take("("):
            found = self._selection()
            self._need(")")
        else:
            found = self._condition()
        self._depth -= 1
        return found

    def _condition(self) -> Selection:
        field = self._field()
        negated = self._take("not") is not None
        if self._take("in"):
            found: Selection = self._membership(field)
        elif self._next.text == "contains" and self._next.kind == "word":
            found = self._contains(field)
        elif negated:
            raise self._wrong("in or contains is expected here")
        else:
            return self._comparison(field)
        return Not(found) if negated else found

    def _field(self) -> Field:
        token = self._next
        if token.kind != "name":
            raise self._wrong("the name of a field is expected here")
        self._place += 1
        field = NAMES.get(token.text)
        if field is None:
            raise SelectionError(token.column, _no_field(token.text))
        return field

    def _comparison(self, field: Field) -> Comparison:
        sign = self._take(*_COMPARISONS)
        if sign is None:
            hint = f" ({field.short} = true)" if field.kind == "flag" else ""
            raise self._wrong(f"=, !=, <, <=, >, >=, in or contains is expected here{hint}")
        token, value = self._next, self._value(field)
        if sign.text not in ("=", "!=") and (value is None or field.kind == "flag"):
            what = "null" if value is None else f"the flag {field.short}"
            raise SelectionError(sign.column, f"{what} has no order; try: = or != {token.shown}")
        return Comparison(field, cast(Operator, sign.text), value)

    def _membership(self, field: Field) -> Membership:
        self._need("(")
        values = [self._value(field)]
        while self._take(","):
            values.append(self._value(field))
        self._need(")")
        return Membership(field, tuple(values))

    def _contains(self, field: Field) -> Contains:
        if field.kind != "text":
            raise SelectionError(
                self._next.column, f"{field.short} is {_a(field.kind)}, and only text contains text"
            )
        self._place += 1
        if self._next.kind != "text":
            raise self._wrong("a text in quotes is expected here")
        return Contains(field, str(self._value(field)))

    def _value(self, field: Field) -> Value:
        token = self._next
        self._place += 1
        if token.kind == "word" and token.text == "null":
            return None
        if token.kind == "word" and token.text in ("true", "false") and field.kind == "flag":
            return token.text == "true"
        if token.kind == "text" and field.kind == "text":
            quote = token.text[0]
            return token.text[1:-1].replace(quote * 2, quote)
        if token.kind == "number" and field.kind == "number":
            return _number(token)
        written = _WRITTEN[field.kind]
        problem = f"{field.short} is compared with {written}, not with {token.shown}"
        if token.kind in ("name", "number") and field.kind == "text":
            problem += f"; try: {printable(value_text(token.text), 60)}"
        raise SelectionError(token.column, problem)


def _a(kind: Kind) -> str:
    return f"a {kind}"


def _number(token: _Token) -> int | float:
    plain = token.text.lstrip("-").isdecimal()
    if len(token.text) <= _MAX_DIGITS:
        value = int(token.text) if plain else float(token.text)
        if math.isfinite(value):
            return value
    raise SelectionError(token.column, f"{token.shown} is too large a number")


def _no_field(name: str) -> str:
    same = [path for path in FIELDS if path.rpartition(".")[2] == name]
    if same:
        return f"{name} may be {' or '.join(same)}; try: one of these"
    near = difflib.get_close_matches(name.lower(), NAMES, _NEAR)
    # Several names of one field are one suggestion.
    fields = dict.fromkeys(NAMES[one].short for one in near)
    advice = " or ".join(fields) or "`python -m builder filter --help`, which lists the fields"
    return f"no field is named {printable(name, 60)}; try: {advice}"
