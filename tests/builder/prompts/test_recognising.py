"""Texts read back into attributes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.prompts.grammar import prompt_at
from builder.prompts.recognising import read_text
from builder.prompts.vocabulary import default_vocabulary


@settings(max_examples=150, deadline=None)
@given(index=st.integers(0, default_vocabulary().capacity - 1), seed=st.integers(0, 2**40))
def test_every_prompt_of_the_grammar_gives_back_its_attributes(index: int, seed: int) -> None:
    prompt = prompt_at(index, seed)
    reading = read_text(prompt.text)
    said = {key: value for key, value in prompt.attributes.items() if value not in (None, "none")}
    assert (reading.unknown, reading.contradicted) == ((), ()), prompt.text
    assert reading.attributes == said, prompt.text


@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        ("A woman", {"gender": "woman"}),
        ("an old man with a beard", {
            "age": "elderly", "gender": "man", "facial_hair": "short beard"}),
        ("woman, long dark brown hair", {
            "gender": "woman", "hair_length": "long", "hair_color": "dark brown"}),
        ("a smiling lady in glasses", {
            "gender": "woman", "expression": "gentle smile", "glasses": "round glasses"}),
    ],
)  # fmt: skip
def test_plain_texts(text: str, attributes: dict[str, str]) -> None:
    reading = read_text(text)
    assert reading.attributes == attributes
    assert reading.unknown == ()


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("a purple dragon", ("purple", "dragon")),
        ("a woman in a red dress", ("red",)),
        ("a black cat with long ears", ("black", "cat", "long", "ears")),
        ("a man holding a sword", ("holding", "sword")),
        ("ein Mann", ("ein", "mann")),
    ],
)
def test_what_it_cannot_explain_is_told(text: str, unknown: tuple[str, ...]) -> None:
    assert read_text(text).unknown == unknown


def test_two_values_contradict() -> None:
    assert read_text("a man and a woman").contradicted == ("gender",)
