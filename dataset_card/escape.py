"""Text that others wrote, made harmless in Markdown, HTML and fenced code."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

MAX_CHARACTERS = 400
_PLAIN = frozenset(" ,-+%'()")


def _visible(text: str) -> str:
    """White space becomes a space; control, format and unpaired characters a mark."""
    clean = []
    for character in text:
        if character.isspace():
            clean.append(" ")
        elif unicodedata.category(character).startswith("C"):
            clean.append("\N{REPLACEMENT CHARACTER}")
        else:
            clean.append(character)
    return "".join(clean)


def inline(value: Any) -> str:
    """One line of Markdown that shows the value and is nothing but text.

    Everything that could mean something to Markdown or HTML (or be made a link, a mention
    or a formula) is written as a numeric character reference. Long text is cut.
    """
    text = " ".join(_visible(str(value)).split())
    if len(text) > MAX_CHARACTERS:
        text = text[: MAX_CHARACTERS - 1] + "\N{HORIZONTAL ELLIPSIS}"
    padded = f" {text} "
    return "".join(
        character if _harmless(*padded[place : place + 3]) else f"&#{ord(character)};"
        for place, character in enumerate(text)
    )


def _harmless(before: str, character: str, after: str) -> bool:
    if character.isascii():
        if character.isalnum() or character in _PLAIN:
            return True
        if character == ".":  # a number's or a sentence's, not a host name's
            return after == " " or (before.isdigit() and after.isdigit())
        # Within a word these are neither emphasis nor part of a web address.
        return character in "_/" and before.isalnum() and after.isalnum()
    # Letters of other scripts are; their compatibility forms need not be.
    return character.isalpha() and unicodedata.is_normalized("NFKC", character)


def fenced_json(value: Any) -> str:
    """A value as an indented JSON code block.

    JSON escapes line breaks, so each line begins with JSON's own characters and none can
    close the fence.
    """
    text = json.dumps(value, ensure_ascii=False, indent=2)
    body = "\n".join(_keep_indent(line) for line in text.split("\n"))
    return f"```json\n{body}\n```"


def _keep_indent(line: str) -> str:
    stripped = line.lstrip(" ")
    return " " * (len(line) - len(stripped)) + _visible(stripped)
