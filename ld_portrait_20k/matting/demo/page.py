"""The page as a whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from ld_portrait_20k.errors import missing_extra
from ld_portrait_20k.matting.demo.clip_tab import ClipTab
from ld_portrait_20k.matting.demo.parts import Settings
from ld_portrait_20k.matting.demo.picture_tab import PictureTab

STYLE: Final = Path(__file__).with_name("page.css")

_FONT: Final = ("system-ui", "sans-serif")
_MONOSPACE: Final = ("ui-monospace", "monospace")
"""Fonts of the visitor's machine: Gradio's own themes fetch theirs."""

_SILENT: Final = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "OTEL_SDK_DISABLED": "true",
}
"""What keeps Gradio, huggingface_hub and FastAPI from reporting to anybody."""


def import_gradio() -> Any:
    """Gradio, which reports nothing to anybody.

    Raises:
        PortraitError: It is not installed.
    """
    os.environ.update(_SILENT)
    try:
        import gradio
    except ImportError as problem:
        raise missing_extra(str(problem.name or "gradio"), "demo") from problem
    return gradio


def build(gr: Any, settings: Settings) -> Any:
    """The page.

    Args:
        gr: From :func:`import_gradio`.
        settings: Of the page.

    Returns:
        ``gr.Blocks``, not started.
    """
    with gr.Blocks(
        title="LD-Portrait matting", analytics_enabled=False, delete_cache=(600, 3600)
    ) as page:
        gr.Markdown(
            "# Cut a person out\nEverything is computed on the machine that serves this page.",
            elem_id="title",
        )
        with gr.Tab("Picture", elem_id="picture-tab"):
            PictureTab(gr, settings)
        with gr.Tab("Clip", elem_id="clip-tab"):
            ClipTab(gr, settings)
    page.queue(max_size=32, api_open=False)
    return page


def theme(gr: Any) -> Any:
    """Colours and fonts; no font comes from another host."""
    return gr.themes.Base(primary_hue="blue", font=_FONT, font_mono=_MONOSPACE)
