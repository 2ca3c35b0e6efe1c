"""Video portrait matting: frames in, masks, steady trimaps, steady alpha, frames out.

A chain of iterators with bounded look-ahead, each usable on its own. Importing this package
is cheap: PyAV is imported when a clip is opened, torch when a network is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ld_portrait_20k.matting.video.chain import matte_video

__all__ = ["matte_video"]


def __getattr__(name: str) -> Any:
    if name == "matte_video":
        from ld_portrait_20k.matting.video.chain import matte_video

        return matte_video
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
