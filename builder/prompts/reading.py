"""Prompts that a user brings: a JSON file, a list, or a ``.txt`` beside each picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from ld_portrait_20k.errors import PortraitError

MAX_FILE_BYTES: Final = 64 * 2**20
MAX_PROMPT_CHARACTERS: Final = 2000


def read_prompts(path: Path) -> dict[str, str]:
    """Read a JSON file ``{"stem": "prompt", ...}``, a prompt for each picture's file stem.

    Args:
        path: The file; UTF-8.

    Returns:
        Stem to prompt, in the file's order, surrounding white space removed.

    Raises:
        PortraitError: The file cannot be read or is not of that form, or a prompt is
            empty, too long, or holds NUL or text that is not Unicode.
    """
    body = _json(path)
    if not isinstance(body, dict):
        raise PortraitError(
            f'{path}: holds {_kind(body)}; try: one JSON object {{"file stem": "prompt"}}'
        )
    if not body:
        raise PortraitError(f'{path}: holds no prompts; try: {{"file stem": "prompt"}}')
    return {
        _unicode(stem, path, "a file stem"): _checked(text, path, f"prompt of {stem!r:.100}")
        for stem, text in body.items()
    }


def read_prompt_list(path: Path) -> list[str]:
    """Read prompts in order: a JSON list of strings (``.json``), else one a line.

    Blank lines of a text file are skipped.

    Args:
        path: The file; UTF-8.

    Raises:
        PortraitError: As for :func:`read_prompts`.
    """
    if path.suffix.lower() == ".json":
        body = _json(path)
        if not isinstance(body, list):
            raise PortraitError(f"{path}: holds {_kind(body)}; try: one JSON list of prompts")
        prompts = [_checked(text, path, f"prompt {n}") for n, text in enumerate(body, 1)]
    else:
        # Only line feeds end a line: str.splitlines() would also cut at form feeds and such.
        lines = enumerate(_text(path).split("\n"), 1)
        prompts = [_checked(line, path, f"line {n}") for n, line in lines if line.strip()]
    if not prompts:
        raise PortraitError(f"{path}: holds no prompts; try: one prompt a line")
    return prompts


def sidecar_prompt(image_path: Path) -> str | None:
    """The prompt in the ``.txt`` beside a picture (``a.png``: ``a.txt``), None without one.

    An empty file means that there is no prompt.

    Raises:
        PortraitError: The file is there and is no good, as for :func:`read_prompts`.
    """
    path = image_path.with_suffix(".txt")
    text = _text(path) if path.is_file() else ""
    return _checked(text, path, "the prompt") if text.strip() else None


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise PortraitError(f"{path}: larger than 64 MiB; that is not a file of prompts")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise PortraitError(f"{path}: no such file") from None
    except UnicodeDecodeError as problem:
        raise PortraitError(
            f"{path}: not UTF-8 at byte {problem.start}; try: save it as UTF-8"
        ) from None
    except OSError as problem:
        raise PortraitError(f"{path}: cannot be read ({problem.strerror})") from None


def _json(path: Path) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        body: dict[str, Any] = {}
        for key, value in pairs:
            if key in body:
                raise PortraitError(f"{path}: {key!r:.100} is there twice; try: keep one")
            body[key] = value
        return body

    try:
        return json.loads(_text(path), object_pairs_hook=unique)
    except json.JSONDecodeError as problem:
        raise PortraitError(
            f"{path}: not JSON, line {problem.lineno} column {problem.colno}: {problem.msg}"
        ) from None
    except (RecursionError, ValueError) as problem:
        raise PortraitError(f"{path}: not a file of prompts ({problem})") from None


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
    return names.get(type(value), "null" if value is None else "a number")


def _checked(value: Any, path: Path, what: str) -> str:
    if not isinstance(value, str):
        raise PortraitError(f"{path}: {what} is {_kind(value)}; try: make it a string")
    text = _unicode(value.strip(), path, what)
    if not text:
        raise PortraitError(f"{path}: {what} is empty; try: write one, or leave it out")
    if len(text) > MAX_PROMPT_CHARACTERS:
        raise PortraitError(
            f"{path}: {what} has {len(text)} characters, the limit is {MAX_PROMPT_CHARACTERS}"
        )
    return text


def _unicode(text: str, path: Path, what: str) -> str:
    if "\0" in text:
        raise PortraitError(f"{path}: {what} holds a NUL byte; try: save it as plain text")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PortraitError(f"{path}: {what} holds half a surrogate pair") from None
    return text
