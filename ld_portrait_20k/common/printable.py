"""Text that others wrote, made fit for a terminal, and the way all commands print.

Manifests, metadata, file names and servers can hold any character. Some move the cursor, set the
window's title, reverse the reading direction or look like another line of our output.
"""

from __future__ import annotations

import sys
import unicodedata
from typing import Final

MAX_VALUE: Final = 300
"""Characters that are shown of one value; chosen by eye."""

MAX_MESSAGE: Final = 2000
"""The same for a whole message, which may name several values."""

_SHOWN = frozenset("\u200c\u200d")  # joiners: several scripts and emoji need them
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(value: object, limit: int = MAX_VALUE) -> str:
    r"""A value as one line that shows every character and does nothing else.

    Control, format, private and unpaired characters are written as in JSON (``\u001b``), so
    that JSON in which only strings hold them stays JSON of the same meaning.

    Args:
        value: Anything; its ``str()`` is taken.
        limit: Longer text is cut in the middle: paths differ at their end.
    """
    text = str(value)
    if len(text) > limit:
        tail = limit // 3
        text = f"{text[: limit - tail - 1]}…{text[len(text) - tail :]}"
    return _escaped(text)


def say(text: object = "", *, error: bool = False) -> None:
    """Print lines; what a terminal would act on is escaped, whoever wrote it.

    Line breaks and tabs stay. A value that must not make lines of its own goes through
    :func:`printable` first. Characters that the stream's encoding lacks are escaped too.

    Args:
        text: One line or several.
        error: Print to standard error.
    """
    stream = sys.stderr if error else sys.stdout
    line = "".join(part if part in ("\n", "\t") else _escaped(part) for part in _parts(str(text)))
    encoding = stream.encoding or "utf-8"
    try:
        print(line.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=error)
    except OSError as problem:
        problem.filename = "standard error" if error else "standard output"
        raise


def _parts(text: str) -> list[str]:
    """The text in pieces, line breaks and tabs by themselves."""
    if text.isprintable():
        return [text]
    parts: list[str] = []
    for line in text.split("\n"):
        for part in line.split("\t"):
            parts += [part, "\t"]
        parts[-1] = "\n"
    return parts[:-1]


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in _SHOWN else _escape(character)
        for character in text
    )


def _escape(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    if unicodedata.category(character) == "Zs":
        return character  # spaces of other widths
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))
