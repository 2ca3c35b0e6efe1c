"""Selections: the grammar, what they match, and what is said of those that are none."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ld_portrait_20k.format import schema
from ld_portrait_20k.selection.text import (
    FIELDS,
    MAX_DEPTH,
    NAMES,
    And,
    Comparison,
    Contains,
    Field,
    Membership,
    Not,
    Or,
    Selection,
    SelectionError,
    parse,
)

SAMPLE = schema.complete(
    {
        "id": "ldp-0000042",
        "prompt": "a Portrait of somebody's aunt",
        "attributes": {"hair_color": "red"},
        "seed": 7,
        "refinement": {"confidence": 0.75, "version": "1.1"},
        "generator": {"name": "procedural", "version": "3"},
        "quality": {"touches_bottom": True},
    }
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": st.text(max_size=12),
    "number": st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False),
    "flag": st.booleans(),
}
FIELD = st.sampled_from(list(FIELDS.values()))


def value_of(field: Field) -> st.SearchStrategy[Any]:
    return VALUES[field.kind] | st.none()


@st.composite
def conditions(draw: st.DrawFn) -> Selection:
    field = draw(FIELD)
    shape = draw(st.sampled_from(["compare", "in", "contains"]))
    if shape == "contains" and field.kind == "text":
        return Contains(field, draw(VALUES["text"]))
    if shape == "in":
        return Membership(field, tuple(draw(st.lists(value_of(field), min_size=1, max_size=4))))
    value = draw(value_of(field))
    ordered = value is not None and field.kind != "flag"
    signs = ("=", "!=", "<", "<=", ">", ">=") if ordered else ("=", "!=")
    return Comparison(field, draw(st.sampled_from(signs)), value)


TREES = st.recursive(
    conditions(),
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=2, max_size=4).map(lambda terms: And(tuple(terms))),
        st.lists(inner, min_size=2, max_size=4).map(lambda terms: Or(tuple(terms))),
    ),
    max_leaves=12,
)


@given(TREES)
def test_the_text_of_a_tree_parses_into_the_tree(tree: Selection) -> None:
    assert parse(str(tree)) == tree
    assert str(parse(str(tree))) == str(tree)


@given(TREES)
def test_a_tree_and_its_negation_divide_all_samples(tree: Selection) -> None:
    found = tree.matches(SAMPLE, "train")
    assert found is not Not(tree).matches(SAMPLE, "train")
    assert parse(f"not ({tree})").matches(SAMPLE, "train") is not found


@given(st.text(max_size=40) | st.text("()=<>!,'\" andortihe.19", max_size=40))
def test_any_text_is_a_selection_or_has_a_column(text: str) -> None:
    try:
        tree = parse(text)
    except SelectionError as problem:
        assert 1 <= problem.column <= len(text) + 1
        assert "\n" not in str(problem)
    else:
        assert parse(str(tree)) == tree


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("confidence < 0.8", True),
        ("refinement.confidence >= .8", False),
        ("confidence = 0.75 AND NOT seed > 7", True),
        ("seed in (1, 7) or confidence > 2", True),
        ("hair_color = 'red'", True),
        ('hair_color != "red"', False),
        ("age = null and attributes.age != 'old'", True),
        ("age < 'z' or age >= 'a'", False),
        ("not age < 'z'", True),
        ("prompt contains 'PORTRAIT'", True),
        ("prompt contains 'somebody''s'", True),
        ("negative_prompt contains ''", False),
        ("prompt not contains 'aunt'", False),
        ("split = 'train' and id >= 'ldp-0000042'", True),
        ("split not in ('train', 'test')", False),
        ("touches_bottom = true", True),
        ("generator == 'procedural' and generator.version = '3'", True),
        ("seed = 1 or seed = 7 and confidence > 0.9", False),
        ("(seed = 1 or seed = 7) and confidence < 0.9", True),
        ("not seed = 1 and not (seed = 2)", True),
    ],
)
def test_what_matches(text: str, matches: bool) -> None:
    assert parse(text).matches(SAMPLE, "train") is matches


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("confidense < 0.8", 1, "no field is named confidense; try: confidence"),
        ("seed = 1 and hair_colour = 'red'", 14, "try: hair_color"),
        ("hair_color = red", 14, "a text in quotes, not with red; try: 'red'"),
        ("hair_color = 3", 14, "try: '3'"),
        ("seed = '3'", 8, "seed is compared with a number"),
        ("touches_bottom", 15, "touches_bottom = true"),
        ("touches_bottom = 1", 18, "true or false"),
        ("touches_bottom > false", 16, "no order; try: = or != false"),
        ("confidence < null", 12, "null has no order"),
        ("version = '1'", 1, "generator.version or refinement.version"),
        ("confidence contains '1'", 12, "only text contains text"),
        ("prompt contains seed", 17, "a text in quotes is expected"),
        ("prompt not = 'a'", 12, "in or contains is expected"),
        ("prompt = 'abc", 10, "not closed"),
        ("(seed = 1", 10, ") is expected here, not the end"),
        ("seed = 1)", 9, "and, or, or the end is expected here, not )"),
        ("seed = 1 seed = 2", 10, "not seed"),
        ("seed in 1", 9, "( is expected"),
        ("seed in ()", 10, "compared with a number"),
        ("seed & 1", 6, "& is not understood"),
        ("", 1, "the name of a field"),
        ("and", 1, "the name of a field"),
        ("seed = 1e999", 8, "too large"),
        ("seed = " + "9" * 5000, 8, "too large"),
        ("zzzzzz = 1", 1, "--help"),
        ("__class__ = 1", 1, "no field"),
        ("(" * 10_000, MAX_DEPTH + 1, "nested more than"),
        ("not " * 10_000, 4 * MAX_DEPTH + 1, "nested more than"),
    ],
)
def test_what_is_said_of_no_selection(text: str, column: int, said: str) -> None:
    with pytest.raises(SelectionError) as caught:
        parse(text)
    assert caught.value.column == column
    assert str(caught.value).startswith(f"column {column}: ")
    assert said in str(caught.value)


def test_a_text_of_megabytes_is_refused() -> None:
    with pytest.raises(SelectionError, match="longer than 200,000"):
        parse("seed = 1 or " * 100_000)


def test_ten_thousand_ids_are_no_problem() -> None:
    ids = ", ".join(f"'{schema.sample_id(number)}'" for number in range(10_000))
    tree = parse(f"id in ({ids})")
    assert tree.matches(SAMPLE, "train")


def test_every_declared_field_has_a_name() -> None:
    assert {"id", "split", "confidence", "hair_color", "raw_sad", "generator.name"} <= set(NAMES)
    assert all(NAMES[field.short] is field for field in FIELDS.values())
    for path, field in FIELDS.items():
        assert NAMES[path] is field
        field.of(SAMPLE, "train")  # is there, if only as null
    assert FIELDS["quality.touches_bottom"].kind == "flag"
    assert not math.isnan(float(str(FIELDS["refinement.confidence"].of(SAMPLE, "train"))))
