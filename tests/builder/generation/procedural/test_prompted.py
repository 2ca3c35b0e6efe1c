"""Own prompts with the procedural generator: a picture shows what its prompt says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.cli import main
from builder.generation.procedural.prompted import attributes_of
from builder.generation.procedural.traits import resolve
from builder.prompts.grammar import prompt_at
from builder.prompts.recognising import read_text
from ld_portrait_20k.format.schema import ATTRIBUTES


@settings(max_examples=60, deadline=None)
@given(index=st.integers(0, 10**6), seed=st.integers(0, 2**63 - 1))
def test_what_is_drawn_is_what_is_said(index: int, seed: int) -> None:
    text = prompt_at(index, 1).text
    attributes = attributes_of(text, seed)
    said = read_text(text).attributes
    assert list(attributes) == list(ATTRIBUTES)
    assert said.items() <= attributes.items()
    drawn = resolve(seed, attributes)
    assert {key: value for key, value in attributes.items() if value is not None}.items() <= (
        drawn.items()
    )


@pytest.mark.parametrize("seed", range(40))
def test_the_seed_hides_nothing_that_was_said(seed: int) -> None:
    drawn = resolve(seed, attributes_of("a woman with red hair, hands on hips", seed))
    assert drawn["arms"] == "hands on hips" and drawn["hair_color"] == "red"
    assert drawn["hair_length"] not in ("bald", "buzz cut") and drawn["headwear"] == "none"
    assert resolve(seed, attributes_of("looking down", seed))["glasses"] != "sunglasses"
    assert attributes_of("a full beard", seed)["gender"] == "man"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("a purple dragon", "cannot draw 'purple', 'dragon'"),
        ("a man and a woman", "two values of gender"),
        ("close-up of a man, hands on hips", "no arms are seen in a close-up"),
    ],
)
def test_false_labels_are_refused(
    line: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text(f"a woman\n{line}\n")
    command = ["regenerate", "--generator", "procedural", "--count", "2"]
    output = tmp_path / "out"
    assert main([*command, "--prompts", str(prompts), "--output", str(output)]) == 1
    shown = capsys.readouterr().err
    assert told in shown and "prompt 2" in shown and "try: " in shown
    assert len(shown.splitlines()) == 1
    assert not output.exists()
