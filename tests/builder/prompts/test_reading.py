import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.prompts import reading
from builder.prompts.reading import read_prompt_list, read_prompts, sidecar_prompt
from ld_portrait_20k.errors import PortraitError

TEXT = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=80
).filter(lambda text: text.strip())


@given(st.dictionaries(TEXT, TEXT, min_size=1))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, prompts: dict[str, str]) -> None:
    path = tmp_path_factory.mktemp("p") / "prompts.json"
    path.write_text(json.dumps(prompts, ensure_ascii=False), encoding="utf-8")
    assert read_prompts(path) == {stem: text.strip() for stem, text in prompts.items()}
    path.write_text(json.dumps(list(prompts.values())), encoding="utf-8")
    assert read_prompt_list(path) == [text.strip() for text in prompts.values()]


def test_the_shared_file(shared: Path) -> None:
    prompts = read_prompts(shared / "data" / "prompts.json")
    stems = {path.stem for path in (shared / "data" / "layerdiffuse").glob("*.png")}
    assert set(prompts) == stems


def test_lines(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_bytes(b"\xef\xbb\xbfa man\r\n\r\n  a woman, \xc3\xa9l\xc3\xa9gante \n")
    assert read_prompt_list(path) == ["a man", "a woman, élégante"]


def test_sidecar(tmp_path: Path) -> None:
    assert sidecar_prompt(tmp_path / "a.b.png") is None
    (tmp_path / "a.b.txt").write_text("a person\n")
    assert sidecar_prompt(tmp_path / "a.b.png") == "a person"
    (tmp_path / "a.b.txt").write_bytes(b"\xef\xbb\xbf \n")
    assert sidecar_prompt(tmp_path / "a.b.png") is None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not JSON"),
        (b"{}", "no prompts"),
        (b"[]", "holds a list"),
        (b"3", "holds a number"),
        (b"null", "holds null"),
        (b'{"a": "b"', "line 1"),
        (b'{"a": 3}', "prompt of 'a' is a number"),
        (b'{"a": true}', "true or false"),
        (b'{"a": ["b"]}', "is a list"),
        (b'{"a": " "}', "is empty"),
        (b'{"a": "b", "a": "c"}', "twice"),
        (b'{"a": "b\\u0000"}', "NUL"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"a\\u0000": "b"}', "NUL"),
        (b'{"a": "\xff"}', "not UTF-8 at byte 7"),
        ('{"a": "b"}'.encode("utf-16"), "not UTF-8"),
        (b'{"a": "' + b"x" * 2001 + b'"}', "2001 characters"),
        (b"[" * 200_000, "not a file of prompts"),
        (b"1" * 10_000, "not a file of prompts"),
    ],
)
def test_bad_json(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(PortraitError, match=says) as caught:
        read_prompts(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("p.txt", b"", "no prompts"),
        ("p.txt", b"\n\n", "no prompts"),
        ("p.txt", b"a\nb\0c\n", "line 2 holds a NUL"),
        ("p.txt", b"a\n" + b"x" * 3000, "line 2 has 3000"),
        ("p.txt", b"\xff\xfe", "not UTF-8"),
        ("p.json", b"[]", "no prompts"),
        ("p.json", b'{"a": "b"}', "holds an object"),
        ("p.json", b'["a", 2]', "prompt 2 is a number"),
    ],
)
def test_bad_lists(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(PortraitError, match=says):
        read_prompt_list(path)


def test_missing_folder_and_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PortraitError, match="no such file"):
        read_prompts(tmp_path / "absent.json")
    with pytest.raises(PortraitError, match="cannot be read"):
        read_prompts(tmp_path)
    path = tmp_path / "large.json"
    with path.open("wb") as stream:
        stream.truncate(reading.MAX_FILE_BYTES + 1)
    with pytest.raises(PortraitError, match="64 MiB"):
        read_prompts(path)
