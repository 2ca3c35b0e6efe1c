"""Checks, hashes and loads files of weights; safetensors only."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import manifest

if TYPE_CHECKING:
    import torch

_HEADER_LIMIT = 100_000_000
"""Most bytes of a header, a limit of the format; a crafted length must not fill the memory."""

_ITEM_BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "I32": 32, "I16": 16}
_PICKLE_SUFFIXES = {".bin", ".ckpt", ".pt", ".pth", ".pkl"}


def check_safetensors(path: str | Path) -> dict[str, tuple[int, ...]]:
    """Read the header of a safetensors file and check that the file is whole.

    Args:
        path: The file; only its header is read.

    Returns:
        Tensor name to shape.

    Raises:
        PortraitError: The file is absent, a pickle, not safetensors, or truncated.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = int.from_bytes(start, "little")
            text = file.read(length) if len(start) == 8 and length <= _HEADER_LIMIT else b""
    except IsADirectoryError:
        raise PortraitError(f"{path} is a folder, not a safetensors file") from None
    except OSError as error:
        raise PortraitError(
            f"cannot read {path}: {error.strerror or type(error).__name__}"
        ) from error
    if path.suffix in _PICKLE_SUFFIXES or start[:2] == b"PK":
        raise _pickle(path)
    if len(start) < 8 or len(text) < length <= min(_HEADER_LIMIT, size * 1000):
        raise _truncated(path, size, None)
    try:
        shapes, end = _parse_header(text)
    except (ValueError, KeyError, TypeError, AttributeError):
        if start[:1] == b"\x80":
            raise _pickle(path) from None
        raise PortraitError(f"{path} is not a safetensors file; try: download it again") from None
    if 8 + length + end > size:
        raise _truncated(path, size, 8 + length + end)
    return shapes


def _parse_header(text: bytes) -> tuple[dict[str, tuple[int, ...]], int]:
    """Tensor name to shape, and where the last tensor ends behind the header.

    Raises:
        ValueError: An entry contradicts itself; other errors for other malformed headers.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    end = 0
    for name, entry in json.loads(text).items():
        if name == "__metadata__":
            continue
        first, last = (int(offset) for offset in entry["data_offsets"])
        shape = tuple(int(side) for side in entry["shape"])
        bits = _ITEM_BITS.get(entry["dtype"])
        if (
            not 0 <= first <= last
            or min(shape, default=0) < 0
            or (bits and math.prod(shape) * bits // 8 != last - first)
        ):
            raise ValueError(name)
        shapes[name] = shape
        end = max(end, last)
    return shapes, end


def _pickle(path: Path) -> PortraitError:
    return PortraitError(
        f"{path} is a pickle, which can run code when loaded; try: the .safetensors file"
    )


def _truncated(path: Path, size: int, whole: int | None) -> PortraitError:
    of = f" of {whole:,}" if whole else ""
    return PortraitError(f"{path} is truncated ({size:,}{of} bytes); try: download it again")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    A file in the Hub's cache is a link to a blob whose name is its SHA-256. That name is
    returned, so that planning does not read gigabytes.
    """
    target = Path(os.path.realpath(path))
    if target.parent.name == "blobs" and len(target.name) == 64:
        return target.name
    return manifest.file_sha256(path)


def load_strictly(
    model: torch.nn.Module,
    path: str | Path,
    what: str,
    dtype: torch.dtype,
    device: str | torch.device,
) -> None:
    """Fill a module made on the meta device from a safetensors file, name by name.

    Args:
        model: The module; its tensors are replaced.
        path: The file.
        what: What the file should be, for the message ("a transparent decoder").
        dtype: The module's dtype afterwards.
        device: The module's device afterwards.

    Raises:
        PortraitError: The file is unsafe or broken, or names or shapes differ.
    """
    from safetensors.torch import load_file

    found = check_safetensors(path)
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    differences = [f"{name} missing" for name in wanted if name not in found]
    differences += [f"{name} not expected" for name in found if name not in wanted]
    differences += [
        f"{name} is {found[name]}, not {shape}"
        for name, shape in wanted.items()
        if name in found and found[name] != shape
    ]
    if differences:
        more = f" and {len(differences) - 1} more" if len(differences) > 1 else ""
        raise PortraitError(f"{path} is not {what} for SDXL: {differences[0]}{more}")
    tensors = {
        name: tensor.to(device=device, dtype=dtype) for name, tensor in load_file(path).items()
    }
    model.load_state_dict(tensors, strict=True, assign=True)
