"""No output of any command holds what a terminal acts on, whoever wrote it."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import subprocess
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import refinement.io.printable as other
from ld_portrait_20k.common import printable as ours
from ld_portrait_20k.common.printable import printable
from ld_portrait_20k.errors import DatasetNotFoundError, PortraitError, ShardError
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.manifest import FILE_NAME

from .ld_portrait_20k.raw_server import RawServer
from .ld_portrait_20k.samples import build, encoded

ROOT = Path(__file__).parents[1]
NASTY = "\x1b[31m\x1b]0;title\x07\x9b2J\u202eevil\u2066\r\nerror: forged\x00\x7f\U000e0041"


def raw(text: str) -> list[str]:
    """Characters that a terminal may act on."""
    return [
        c
        for c in text
        if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c not in "\n\t"
    ]


@settings(max_examples=50)
@given(st.text() | st.text(alphabet=st.sampled_from(NASTY + "aé漢😀\u200d \u3000")))
def test_a_value_becomes_one_harmless_line(text: str) -> None:
    shown = printable(text)
    assert not set(raw(shown)) - {"\u200c", "\u200d"} and "\n" not in shown and "\t" not in shown
    assert len(shown) <= 12 * ours.MAX_VALUE
    assert printable(shown) == shown or len(text) > 20
    if text.isprintable() and len(text) <= ours.MAX_VALUE:
        assert shown == text
    json_text = json.dumps({"x": text}, ensure_ascii=False)
    assert json.loads(printable(json_text, 10**6)) == {"x": text}


@settings(max_examples=50)
@given(st.text(alphabet=st.sampled_from(NASTY + "aé漢😀\u200d \u3000\n\t"), max_size=400))
def test_refinement_shows_text_as_the_other_packages_do(text: str) -> None:
    assert other.printable(text) == printable(text)
    streams = io.StringIO(), io.StringIO()
    other.say(text, streams[0])
    before, sys.stdout = sys.stdout, streams[1]
    try:
        ours.say(text)
    finally:
        sys.stdout = before
    assert streams[0].getvalue() == streams[1].getvalue()
    assert not set(raw(streams[1].getvalue())) - {"\u200c", "\u200d"}


def test_long_text_keeps_its_ends() -> None:
    shown = printable("start" + "x" * 10**6 + "end")
    assert shown.startswith("start") and shown.endswith("end") and len(shown) == ours.MAX_VALUE


def test_errors_are_one_harmless_bounded_line() -> None:
    for problem in (
        PortraitError(NASTY * 1000),
        DatasetNotFoundError(NASTY * 1000),
        ShardError(NASTY, NASTY * 1000, sample=NASTY),
    ):
        assert not raw(str(problem)) and "\n" not in str(problem)
        assert len(str(problem)) < 20_000


def test_commands_print_in_one_way() -> None:
    """Through ``say``; ruff's T20 finds ``print``, this finds what it does not."""
    found = []
    for package in ("builder", "dataset_card", "ld_portrait_20k", "refinement"):
        for path in (ROOT / package).rglob("*.py"):
            if path.name == "printable.py" or "examples" in path.parts:
                continue
            text = path.read_text(encoding="utf-8")
            for node in ast.walk(ast.parse(text)) if re.search(r"print\(|write\(", text) else ():
                if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                    "print", "sys.stdout.write", "sys.stderr.write",
                ):  # fmt: skip
                    found.append((path.name, node.lineno))
    assert found == []


def run(*arguments: str | Path, program: str = "ld_portrait_20k") -> str:
    """Run a command; what it printed, on both streams."""
    done = subprocess.run(
        [sys.executable, "-m", program, *map(str, arguments)],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        timeout=120,
    )
    text = done.stdout.decode("utf-8", "strict") + done.stderr.decode("utf-8", "strict")
    assert "Traceback" not in text, text
    assert text
    assert not raw(text), (arguments, text)
    assert not [line for line in text.splitlines() if line.startswith("error: forged")]
    return text


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose manifest, file names and metadata hold terminal escapes."""
    root = tmp_path_factory.mktemp("hostile") / "d"
    manifest = build(root, {"train": (1, 3)})
    body = json.loads(encoded(1)[2])
    body[NASTY] = NASTY
    shard = manifest.shards[0]
    from ld_portrait_20k.format.shards import ShardWriter

    with ShardWriter(root / shard.path) as writer:
        writer.add(schema.sample_id(0), *encoded(0))
        writer.add(schema.sample_id(1), *encoded(1)[:2], json.dumps(body).encode())
        writer.add(schema.sample_id(2), *encoded(2)[:2], b'{"id": "' + b"\xc2\x9b" * 40 + b'"}')
    manifest = replace(
        manifest,
        shards=(writer.record(shard.path, "default", "train"),),
        generator=f"g{NASTY}" * 40,
        plan_hash=NASTY * 9,
        files={NASTY.replace("\x00", ""): {"bytes": 1, "sha256": "0" * 64}},
        about={"rejected": {NASTY: 3}, "planned": 6, "x": NASTY},
    )
    (root / FILE_NAME).write_text(manifest.to_json(), encoding="utf-8")
    (root / "data" / NASTY.replace("\x00", "").replace("/", "")).write_bytes(b"stray")
    return root


def test_what_commands_show_of_a_hostile_folder(hostile: Path, tmp_path: Path) -> None:
    run("info", hostile)
    assert json.loads(run("info", hostile, "--json"))["about"]["x"] == NASTY
    assert "not in the schema" in run("verify", hostile, "--deep")
    assert json.loads(run("verify", hostile, "--deep", "--json"))["ok"] is False
    run("export", hostile, "--to", "folder", "--output", tmp_path / "out")
    run("status", hostile, program="builder")
    run("status", hostile, "--json", program="builder")


def test_a_manifest_that_is_refused(tmp_path: Path) -> None:
    for number, body in enumerate(
        (
            {"name": NASTY * 999, "format": 1},
            {"name": schema.NAME, "format": 1, "shards": {"default": [{"path": NASTY}]},
             "splits": {}, "foreground_format": NASTY, "plan_hash": "", "generator": ""},
            {"name": schema.NAME, "format": 1, "shards": {}, "splits": {NASTY: 1},
             "foreground_format": "png", "plan_hash": "", "generator": ""},
        )
    ):  # fmt: skip
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / FILE_NAME).write_text(json.dumps(body))
        assert len(run("info", folder)) < 2500


@pytest.mark.parametrize("status", ["\x1b[2J", "200 \x1b]0;x\x07", "503 \x9b31m"])
def test_what_a_server_says(status: str) -> None:
    answer = f"HTTP/1.1 {status}\r\nLocation: \x1b[31m\r\nETag: \x1b\r\n\r\n\x1b[31m"
    from ld_portrait_20k.streaming.http import HttpClient, Patience, RemoteError

    with RawServer(lambda _: [answer.encode("latin-1")]) as server:
        client = HttpClient(patience=Patience(timeout=1, attempts=2, pause=0.01))
        with pytest.raises(RemoteError) as caught:
            client.read(server.url, 0, 100)
        assert not raw(str(caught.value))


def test_names_of_pictures(tmp_path: Path) -> None:
    name = NASTY.replace("\x00", "").replace("/", "")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / f"{name}.png").write_bytes(b"no picture")
    Image.fromarray(np.full((32, 32, 4), 200, np.uint8)).save(tmp_path / "in" / "fine.png")
    assert "evil" in run(tmp_path / "in", "--output", tmp_path / "out", program="refinement")
