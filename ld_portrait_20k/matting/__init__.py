"""Matting: train, predict with and judge matting models, on this dataset or on others.

Importing this package is cheap: torch, transformers and pymatting are imported when used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ld_portrait_20k.matting.data.sources import open_source
    from ld_portrait_20k.matting.metrics.evaluation import evaluate
    from ld_portrait_20k.matting.models.registry import load
    from ld_portrait_20k.matting.prediction.folders import predict

__all__ = ["evaluate", "load", "open_source", "predict"]

_LAZY = {
    "evaluate": "metrics.evaluation",
    "load": "models.registry",
    "open_source": "data.sources",
    "predict": "prediction.folders",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
