"""A vocabulary of the user's own: what it changes, and what is said of mistakes in it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from builder.prompts.decks import targets
from builder.prompts.grammar import Prompt, prompt_at
from builder.prompts.vocabulary import (
    DEFAULT_FILE,
    Vocabulary,
    default_vocabulary,
    load_vocabulary,
)
from ld_portrait_20k.errors import PortraitError

TEXT = DEFAULT_FILE.read_text(encoding="utf-8")


def draw_prompts(count: int, seed: int, vocabulary: Vocabulary | None = None) -> list[Prompt]:
    return [prompt_at(index, seed, vocabulary) for index in range(count)]


def changed(folder: Path, *changes: tuple[str, str]) -> Path:
    """The package's own vocabulary with some places changed."""
    text = TEXT
    for before, after in changes:
        assert text.count(before) >= 1, before
        text = text.replace(before, after, 1)
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_comments_and_layout_do_not_change_its_hash_and_order_does(tmp_path: Path) -> None:
    own = default_vocabulary()
    same = load_vocabulary(changed(tmp_path, ("# The vocabulary", "#\n# Any vocabulary")))
    assert same.sha256 == own.sha256
    assert draw_prompts(30, 3, same) == draw_prompts(30, 3)
    swapped = changed(tmp_path, ('"young", "adult"', '"adult", "young"'))
    assert load_vocabulary(swapped).sha256 != own.sha256


def test_values_weights_conditions_and_phrases_can_be_changed(tmp_path: Path) -> None:
    path = changed(
        tmp_path,
        ('"dress", "tank top"]', '"kimono", "apron"]'),
        ('dress = { gender = ["woman", "androgynous person"] }', 'apron = { gender = "man" }'),
        ("woman = 2, man = 2,", "woman = 5, man = 4,"),
        ('"golden hour",', '"candlelight",'),
        ('"golden hour" = "golden hour light"', 'candlelight = "the light of a candle"'),
        ('"golden hour" = "golden hour"', 'candlelight = "candlelight"'),
        ('"modern portrait",', '"modern portrait",\n  "honest portrait",'),
        ("watermark = 2", "watermark = 2\nkimono = 2"),
        ('negative_prompt = "multiple people', 'negative_prompt = "twins, multiple people'),
    )
    mine = load_vocabulary(path)
    assert mine.capacity == default_vocabulary().capacity // 10 * 11
    prompts = draw_prompts(3000, 5, mine)
    assert len({prompt.text for prompt in prompts}) == 3000
    assert {prompt.negative[:6] for prompt in prompts} == {"twins,"}
    worn = Counter((p.attributes["gender"], p.attributes["clothing"]) for p in prompts)
    assert worn["man", "apron"] and worn["man", "kimono"] and worn["woman", "kimono"]
    assert not worn["woman", "apron"]
    genders = Counter(prompt.attributes["gender"] for prompt in prompts)
    for value, target in targets(mine.rules)["gender"].items():
        assert abs(genders[str(value)] - 3000 * target.share) <= target.bound + 1e-6
    assert genders == {"woman": 1500, "man": 1200, "androgynous person": 300}
    texts = [prompt.text for prompt in prompts]
    assert any("a kimono" in text for text in texts) and any("an apron" in text for text in texts)
    assert any("the light of a candle" in text for text in texts)
    assert any("honest portrait" in text for text in texts)
    assert max(mine.wording.count_tokens(text) for text in texts) <= 75
    with pytest.raises(ValueError, match="take another"):
        prompt_at(mine.capacity, 0, mine)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("[attributes.age]", "[attributes.agee]", "attributes: 'age' is missing"),
        ("helper = true\n", "", "attributes.kind: is stored nowhere; is it"),
        ("helper = true\n", "helper = 1\n", "attributes.kind.helper: is true or false"),
        ('values = ["young"', 'value = ["young"', "attributes.age: no key 'value'; there are"),
        ('"young", "adult"', '"young", "young"', "attributes.age.values: 'young' is there twice"),
        ('"young", "adult"', '"young", " "', "attributes.age.values: ' ' is no text, empty"),
        ('parent = "headwear"', 'parent = "hair_style"', "no attribute 'hair_style' stands before"),
        ("woman = 2, man = 2", "woman = 0, man = 2", "'woman' needs a whole number of at least 1"),
        ("woman = 2, man = 2", "lady = 2, man = 2", "decks[1].values: no value 'lady'; there are"),
        ("woman = 2, man = 2", "man = 2", "attributes.gender: 'woman' is never drawn"),
        ('when = { kind = "hidden" }', 'when = { kind = "bald" }', "no branch 'bald'; there are"),
        ('when = { kind = "hidden" }', 'when = { age = "young" }', "'age' is no branch taken so"),
        ('hidden = ["covered", "bald"]', 'hidden = ["covered"]', ""),
        ('hidden = ["covered", "bald"]', 'hidden = ["covered", "haired"]', "is in two branches"),
        (
            '["woman", "androgynous person"]',
            '["girl"]',
            "no branch 'girl'; there are absent, androgynous",
        ),
        ("{ dress = {", "{ gown = {", "attributes.clothing.only: no value 'gown'"),
        ('"solo",', '"single person",', "wording.solo: 'single person' is there twice"),
        ('"solo",', '"portrait photo",', "wording.solo: 'portrait photo' is in wording.mediums"),
        ('"sharp hair",', "", "wording.hair_detail_terse: has another length than"),
        ("{light}, {camera}", "{lamp}, {camera}", "braces may hold {camera}, {light}"),
        ("{light}, {camera}", "{light}", "wording.photo: '{light}': lacks {camera}"),
        ("{light}, {camera}", "{light, {camera}", "wording.photo: "),
        ('bald = "a bald head"', 'bold = "a bald head"', "wording.phrases.hair_length: no value"),
        ('"a bald head"', '"a {shiny} head"', "braces may hold {color}, {value}"),
        ("androgynous = 3", "androgynous = 0", "tokens.androgynous: is a whole number"),
        ("negative_prompt =", "negative_promt =", "top level: no key 'negative_promt'"),
        ("[tokens]", "[tokens", "not a TOML file"),
        ("[wording]", "[wordings]", "top level: no key 'wordings'"),
        (
            'values = ["35mm lens"',
            'parent = "age"\ndecks = [{ when = { age = "young" } }]\nvalues = ["35mm lens"',
            "attributes.camera: must apply to every sample",
        ),
    ],
)
def test_a_mistake_is_one_line_that_says_where(
    tmp_path: Path, before: str, after: str, message: str
) -> None:
    path = changed(tmp_path, (before, after))
    if not message:
        # A value in no branch is a branch of its own; here the default deck then counts.
        assert "bald" in {str(v) for v in load_vocabulary(path).values["hair_length"]}
        return
    with pytest.raises(PortraitError) as caught:
        load_vocabulary(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and message in text and "\n" not in text


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(PortraitError, match="no such file; try: a copy of"):
        load_vocabulary(tmp_path / "absent.toml")
    (tmp_path / "empty.toml").write_text("")
    with pytest.raises(PortraitError, match="attributes: is a table"):
        load_vocabulary(tmp_path / "empty.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(PortraitError, match="not a TOML file"):
        load_vocabulary(tmp_path / "binary.toml")
