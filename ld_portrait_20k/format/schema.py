"""The declaration of a sample that writer, card, checker and loader share.

A sample is three members of a shard, always in this order:

========================  ======================================================
``ID.foreground.png``     straight (not premultiplied) sRGB, 8 bit, or ``.jpg``
``ID.alpha.png``          alpha (opacity), 8-bit grey, 0 transparent, 255 opaque
``ID.json``               the metadata, :data:`METADATA`, UTF-8, sorted keys
========================  ======================================================

The subset ``default`` holds the refined samples, ``raw`` what the generator made before
refinement, and ``truth`` the exact mattes of generators that know them.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from ld_portrait_20k.common.printable import printable

NAME: Final = "ld-portrait-20k"
SCHEMA_VERSION: Final = 1

SUBSETS: Final[dict[str, str]] = {"default": "data", "raw": "raw", "truth": "truth"}
"""Configuration name to the folder that holds its shards."""

SPLITS: Final = ("train", "validation", "test")

ALPHA_MEMBER: Final = "alpha.png"
JSON_MEMBER: Final = "json"
FOREGROUND_MEMBERS: Final[dict[str, str]] = {"png": "foreground.png", "jpeg": "foreground.jpg"}
"""Foreground format to the member's name after ``ID.``."""

ATTRIBUTES: Final = (
    "age",
    "gender",
    "skin_tone",
    "hair_color",
    "hair_length",
    "hair_style",
    "hair_texture",
    "facial_hair",
    "headwear",
    "glasses",
    "jewellery",
    "clothing",
    "expression",
    "gaze",
    "head_pose",
    "framing",
    "arms",
    "light",
    "camera",
)
"""What the prompt says about the portrait; each a string, or null if unknown or not applicable."""

MODEL_FIELDS: Final[dict[str, Any]] = {
    "role": "string",
    "id": "string",
    "revision": "string",
    "file": "string",
    "sha256": "string",
}

METADATA: Final[dict[str, Any]] = {
    "id": "string",
    "prompt": "string",
    "negative_prompt": "string",
    "attributes": dict.fromkeys(ATTRIBUTES, "string"),
    "seed": "int64",
    "attempt": "int32",
    "width": "int32",
    "height": "int32",
    "generator": {
        "name": "string",
        "version": "string",
        "models": [MODEL_FIELDS],
        "sampler": "string",
        "steps": "int32",
        "guidance": "float32",
        "batch_size": "int32",
        "dtype": "string",
        "damage": "float32",
        "software": "string",
    },
    "refinement": {
        "version": "string",
        "filled_area": "float32",
        "cleared_area": "float32",
        "pieces_removed": "int32",
        "openings_kept": "int32",
        "band_area": "float32",
        "raw_haze": "float32",
        "doubtful_area": "float32",
        "confidence": "float32",
    },
    "quality": {
        "coverage": "float32",
        "opaque_area": "float32",
        "soft_area": "float32",
        "bodies": "int32",
        "body_width": "float32",
        "body_height": "float32",
        "touches_bottom": "bool",
        "perceptual_hash": "string",
    },
    "truth": {
        "raw_sad": "float32",
        "raw_mse": "float32",
        "refined_sad": "float32",
        "refined_mse": "float32",
    },
    "source": {"id": "string", "file": "string", "sha256": "string"},
}
"""Every key of a sample's JSON and its type (a dtype of ``datasets``, a struct or a list).

Every key is always present; what does not apply is null. Areas are shares of the picture, 0..1;
``raw_haze`` is the mean raw alpha over the cleared background, 0..1; SAD is in thousands of
pixels over the whole picture, MSE is its mean squared error times 1000.
"""

_LIMITS: Final = {"int32": 2**31, "int64": 2**63}
_MAX_FLOAT32: Final = 3.4028234e38

_ID = re.compile(r"ldp-\d{7}\Z")


def sample_id(index: int) -> str:
    """The id of planned sample ``index``: ``ldp-0000042`` for 42.

    Raises:
        ValueError: The index does not fit in seven digits.
    """
    if not 0 <= index < 10_000_000:
        raise ValueError(f"sample index {index} does not fit in seven digits")
    return f"ldp-{index:07d}"


def is_sample_id(text: str) -> bool:
    """Whether ``text`` is a well-formed sample id."""
    return _ID.match(text) is not None


def members(foreground_format: str) -> tuple[str, str, str]:
    """The member suffixes of a sample, in their order in the shard.

    Args:
        foreground_format: ``"png"`` or ``"jpeg"``.
    """
    return FOREGROUND_MEMBERS[foreground_format], ALPHA_MEMBER, JSON_MEMBER


def shard_name(subset: str, split: str, index: int, count: int) -> str:
    """Path of a shard in the repository: ``data/train-00000-of-00004.tar``."""
    return f"{SUBSETS[subset]}/{split}-{index:05d}-of-{count:05d}.tar"


def complete(metadata: dict[str, Any], declared: Any = None) -> dict[str, Any]:
    """Bring metadata into the declared form: every key present, in order, typed.

    Args:
        metadata: Some or all of the keys of :data:`METADATA`.
        declared: The part of the declaration to complete against; all of it by default.

    Returns:
        A new dict with exactly the declared keys; those not given are null (a struct of
        nulls, an empty list).

    Raises:
        ValueError: A key that is not declared, or a value of another type.
    """
    declared = METADATA if declared is None else declared
    if not isinstance(metadata, dict):
        raise ValueError(f"{printable(repr(metadata), 60)} is not an object of metadata")
    unknown = set(metadata) - set(declared)
    if unknown:
        raise ValueError(
            f"metadata keys not in the schema: {printable(', '.join(sorted(unknown)))}"
        )
    return {key: _typed(key, metadata.get(key), kind) for key, kind in declared.items()}


def _typed(key: str, value: Any, kind: Any) -> Any:
    if isinstance(kind, dict):
        return complete(value or {}, kind)
    if isinstance(kind, list):
        if not isinstance(value or [], (list, tuple)):
            raise _wrong(key, value, kind[0])
        return [complete(item, kind[0]) for item in value or []]
    if value is None:
        return None
    if kind == "string" and isinstance(value, str):
        return value
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind in _LIMITS and isinstance(value, int) and not isinstance(value, bool):
        if -_LIMITS[kind] <= value < _LIMITS[kind]:
            return value
    elif kind == "float32" and isinstance(value, (int, float)) and abs(value) <= _MAX_FLOAT32:
        # A float32 column keeps six significant digits; more would not be stable as text.
        return float(f"{float(value):.6g}")
    raise _wrong(key, value, kind)


def _wrong(key: str, value: Any, kind: Any) -> ValueError:
    return ValueError(f"metadata {key}: {printable(repr(value), 60)} is not of type {kind}")


def encode_metadata(metadata: dict[str, Any]) -> bytes:
    """Metadata as the bytes of ``ID.json``: complete, sorted, compact, UTF-8.

    Raises:
        ValueError: See :func:`complete`; also a float that is not finite.
    """
    return json.dumps(
        complete(metadata),
        ensure_ascii=False,
        sort_keys=True,
        separators=(",", ":"),
        allow_nan=False,
    ).encode()


def feature_yaml(foreground_format: str) -> list[dict[str, Any]]:
    """``dataset_info.features`` of the dataset card, for the stock WebDataset reader.

    Args:
        foreground_format: ``"png"`` or ``"jpeg"``; it names the foreground column.

    Returns:
        The features as plain lists and dicts, ready for YAML.
    """
    return [
        {"name": "__key__", "dtype": "string"},
        {"name": "__url__", "dtype": "string"},
        {"name": FOREGROUND_MEMBERS[foreground_format], "dtype": {"image": {"mode": "RGB"}}},
        {"name": ALPHA_MEMBER, "dtype": {"image": {"mode": "L"}}},
        {"name": JSON_MEMBER, "struct": _struct_yaml(METADATA)},
    ]


def _struct_yaml(declared: dict[str, Any]) -> list[dict[str, Any]]:
    fields: list[dict[str, Any]] = []
    for key, kind in declared.items():
        if isinstance(kind, dict):
            fields.append({"name": key, "struct": _struct_yaml(kind)})
        elif isinstance(kind, list):
            fields.append({"name": key, "list": _struct_yaml(kind[0])})
        else:
            fields.append({"name": key, "dtype": kind})
    return fields
