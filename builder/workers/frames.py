"""Messages between our own processes: a JSON head and raw buffers, no pickle."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO

_HEAD = struct.Struct(">II")
_LENGTH = struct.Struct(">Q")

Message = dict[str, Any]
Blobs = Sequence[Any]
"""Anything with a contiguous buffer: bytes, arrays."""


def send(stream: BinaryIO, message: Message, blobs: Blobs = ()) -> None:
    """Write one message.

    Args:
        stream: A pipe's binary end.
        message: Anything that JSON holds.
        blobs: Buffers that follow it as they are.

    Raises:
        OSError: The other side is gone.
    """
    head = json.dumps(message).encode()
    views = [memoryview(blob).cast("B") for blob in blobs]
    stream.write(_HEAD.pack(len(head), len(views)))
    stream.write(head)
    for view in views:
        stream.write(_LENGTH.pack(view.nbytes))
        stream.write(view)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[Message, list[bytes]]:
    """Read one message.

    Raises:
        EOFError: The other side is gone.
    """
    head_size, count = _HEAD.unpack(_exactly(stream, _HEAD.size))
    message = json.loads(_exactly(stream, head_size))
    blobs = []
    for _ in range(count):
        (size,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
        blobs.append(_exactly(stream, size))
    return message, blobs


def _exactly(stream: BinaryIO, size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise EOFError("the other process is gone")
    return content
