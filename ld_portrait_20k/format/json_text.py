"""JSON that others wrote, parsed into values that the rest of the code can rely on."""

from __future__ import annotations

import json
from typing import Any


def parse(text: str | bytes) -> Any:
    """Parse JSON; every integer fits 64 bits and every string can be encoded.

    Args:
        text: JSON; bytes must be UTF-8.

    Raises:
        ValueError: Not JSON, nested too deeply, NaN or Infinity, an integer of more than 64
            bits, or half of a surrogate pair.
    """
    if isinstance(text, bytes):
        text = text.decode()
    try:
        value = _DECODER.decode(text)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair") from None
    return value


def _whole(text: str) -> int:
    if len(text) < 19:
        return int(text)
    # int() refuses thousands of digits with advice that is of no use here.
    value = int(text) if len(text) <= 20 else 2**63
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"{text[:20]}... does not fit 64 bits")
    return value


def _constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


# Made once, because making one takes longer than parsing a sample's metadata.
_DECODER = json.JSONDecoder(parse_int=_whole, parse_constant=_constant)
