"""Components that both tabs of the page have."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.compositing.trimaps import BACKGROUND, FOREGROUND, UNKNOWN
from ld_portrait_20k.matting.demo import backgrounds, uploads
from ld_portrait_20k.matting.demo.strokes import BRUSHES, VIEW_SIDE


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command says of the page.

    Attributes:
        folder: For results; removed when the page ends.
        models: What the page offers, the preselected one first.
        any_folder: Whether visitors may name a folder of this machine as a model.
        forget_after: Seconds after which what a visitor made is forgotten, if nothing more is made.
    """

    folder: Path
    models: list[str]
    any_folder: bool = True
    forget_after: float = 3600


@dataclass(slots=True)
class Downloads:
    """What a visitor may download; the base of each tab's session.

    Attributes:
        folder: Of the files, removed with the next ones.
    """

    folder: Path | None = None

    def forget(self) -> None:
        """Remove the downloads."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def new_folder(self, root: Path, prefix: str) -> Path:
        """An empty folder for downloads, in place of the last one."""
        self.forget()
        self.folder = Path(tempfile.mkdtemp(prefix=prefix, dir=root))
        return self.folder


@dataclass(frozen=True, slots=True)
class BackgroundChoice:
    """Components that say what a cut-out is laid over."""

    kind: Any
    colour: Any
    picture: Any


_MEANINGS: Final = {FOREGROUND: "foreground", BACKGROUND: "background", UNKNOWN: "unknown"}


def editor(gr: Any, name: str) -> Any:
    """A picture that three brushes paint over, and what their colours mean."""
    brush = gr.Brush(
        default_size=24, colors=list(BRUSHES.values()),
        default_color=BRUSHES[FOREGROUND], color_mode="fixed",
    )  # fmt: skip
    part = gr.ImageEditor(
        label="Paint", sources=(), transforms=(), layers=False, brush=brush,
        eraser=gr.Eraser(default_size=24), format="png", type="numpy", image_mode="RGBA",
        canvas_size=(VIEW_SIDE, VIEW_SIDE), height=460, buttons=["fullscreen"],
        placeholder="upload a picture first", interactive=True, elem_id=name,
        elem_classes=list(_EMPTY),
    )  # fmt: skip
    marks = "".join(
        f'<li><i style="background: {BRUSHES[value]}"></i>{meaning}</li>'
        for value, meaning in _MEANINGS.items()
    )
    gr.HTML(f'<ul class="brushes">{marks}</ul>', elem_classes="bare")
    return part


_EMPTY: Final = ("empty",)  # an empty canvas is white whatever the theme: the style hides it


def in_editor(gr: Any, picture: NDArray[np.uint8] | None) -> Any:
    """What shows a picture that is not painted yet in an editor; with None nothing is in it."""
    if picture is None:
        return gr.update(value=None, elem_classes=list(_EMPTY))
    value = {"background": picture, "layers": [], "composite": None}
    return gr.update(value=value, elem_classes=[])


def model_choice(gr: Any, settings: Settings, name: str) -> Any:
    """The models of this page."""
    hint = "Or type the folder of a model that you trained." if settings.any_folder else None
    return gr.Dropdown(
        settings.models, value=settings.models[0], label="Model", info=hint,
        allow_custom_value=settings.any_folder, elem_id=name,
    )  # fmt: skip


def background_choice(gr: Any, name: str) -> BackgroundChoice:
    """What a cut-out is laid over."""
    kinds = [backgrounds.COLOUR, backgrounds.CHECKER, backgrounds.PICTURE]
    kind = gr.Radio(kinds, value=backgrounds.CHECKER, label="Background", elem_id=f"{name}-behind")
    colour = gr.ColorPicker(
        "#2f6fb0", label="Colour", visible=False, elem_id=f"{name}-behind-colour"
    )
    picture = gr.File(
        label="Background picture", file_types=list(uploads.PICTURES), height=140, visible=False,
        elem_id=f"{name}-behind-picture",
    )  # fmt: skip
    return BackgroundChoice(kind, colour, picture)


def show_background(gr: Any, kind: str) -> list[Any]:
    """Show the part of a background choice that its kind needs."""
    return [
        gr.update(visible=kind == backgrounds.COLOUR),
        gr.update(visible=kind == backgrounds.PICTURE),
    ]


def download_buttons(gr: Any, name: str) -> list[Any]:
    """Buttons for alpha, cut-out and composite."""
    named = {"alpha": "Save alpha", "cutout": "Save cut-out", "composite": "Save composite"}
    with gr.Row():
        return [
            gr.DownloadButton(text, size="sm", min_width=130, elem_id=f"{name}-{key}")
            for key, text in named.items()
        ]


def path_of(value: str | None) -> Path | None:
    """An uploaded file."""
    return Path(value) if value else None
