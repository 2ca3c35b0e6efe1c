"""Where the segmenters' weights come from; nothing heavy is imported to know it."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Final

ENVIRONMENT: Final = {"sam2": "LD_PORTRAIT_SAM2", "sam3": "LD_PORTRAIT_SAM3"}
"""Variables that name a folder or repository where no ``--weights`` do."""
REPOSITORY: Final = {"sam2": "facebook/sam2.1-hiera-small", "sam3": "facebook/sam3"}
"""Where neither does: SAM 2.1 is under Apache-2.0; the licence of SAM 3 (Meta's SAM License)
has to be accepted on the Hub."""


def source_of(name: str, weights: str | None) -> str:
    """The folder or repository of a segmenter's weights.

    Args:
        name: ``"sam2"`` or ``"sam3"``.
        weights: What the user named; None for nothing.
    """
    return weights or os.environ.get(ENVIRONMENT[name]) or REPOSITORY[name]


def named_file(variable: str) -> Path | None:
    """The file that an environment variable names; None where it names none."""
    named = os.environ.get(variable)
    return Path(named) if named else None


def file_is_ready(package: str, variable: str) -> bool:
    """Whether a package is installed and a variable names a file that is there."""
    path = named_file(variable)
    return find_spec(package) is not None and path is not None and path.is_file()


def is_cached(repository: str) -> bool:
    """Whether a repository's weights are on this machine already; nothing is fetched."""
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(repository, "model.safetensors"), str)
