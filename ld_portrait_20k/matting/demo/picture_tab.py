"""The page's tab for pictures: what is in it, and what its buttons do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.demo import backgrounds, choices, pictures, strokes, telling, uploads
from ld_portrait_20k.matting.demo.parts import (
    Downloads,
    Settings,
    background_choice,
    download_buttons,
    editor,
    in_editor,
    model_choice,
    path_of,
    show_background,
)

_SOURCES = (
    ("painted", pictures.PAINTED),
    ("mask", pictures.MASK),
    ("trimap", pictures.TRIMAP),
    ("segmenter", pictures.SEGMENTER),
)
_RESULT_SIDE = 1600  # longer side of the pictures that the page shows; downloads keep their size


@dataclass(slots=True)
class Session(Downloads):
    """What a visitor has made so far.

    Attributes:
        upload: The picture, with its trimap.
        result: Its matte; None until there is one.
    """

    upload: pictures.Upload | None = None
    result: pictures.CutOut | None = None


class PictureTab:
    """Components and events; to be made inside a ``gr.Tab``.

    Args:
        gr: Gradio.
        settings: Of the page.
    """

    def __init__(self, gr: Any, settings: Settings) -> None:
        self._gr, self._settings = gr, settings
        self.session = gr.State(
            Session(), time_to_live=settings.forget_after, delete_callback=Session.forget
        )
        with gr.Row():
            with gr.Column():
                self._lay_out_inputs()
            with gr.Column():
                self._lay_out_results()
        self._connect()

    def _lay_out_inputs(self) -> None:
        gr = self._gr
        self.file = gr.File(
            label="Picture", file_types=list(uploads.PICTURES), height=140, elem_id="picture-file"
        )
        self.editor = editor(gr, "picture-editor")
        self.source = gr.Radio(
            list(_SOURCES), value=pictures.PAINTED, label="Trimap", elem_id="picture-source",
            info="What you paint counts over what a file or a segmenter says.",
        )  # fmt: skip
        self.guide = gr.File(
            label="Mask", file_types=list(uploads.PICTURES), height=140, visible=False,
            elem_id="picture-guide",
        )  # fmt: skip
        finders = choices.picture_segmenters()
        self.segmenter = gr.Dropdown(
            [(label, name) for name, label in finders.items()], value=next(iter(finders)),
            label="Segmenter", visible=False, elem_id="picture-segmenter",
        )  # fmt: skip
        self.band = gr.Slider(
            0, 64, 0, step=1, label="Unknown band in pixels", visible=False,
            info="To either side of the mask's edge; 0 for a 64th of the longer side.",
            elem_id="picture-band",
        )  # fmt: skip
        self.find = gr.Button("Make the trimap", visible=False, elem_id="picture-find")
        self.model = model_choice(gr, self._settings, "picture-model")
        self.start = gr.Button("Cut out", variant="primary", elem_id="picture-start")

    def _lay_out_results(self) -> None:
        gr = self._gr
        self.status = gr.HTML(
            telling.good("Upload a picture to begin."),
            elem_classes="bare",
            elem_id="picture-status",
        )
        with gr.Column(visible=False) as self.results:
            self.slider = gr.ImageSlider(
                label="Before and after", format="png", elem_id="picture-slider", max_height=520,
                buttons=["fullscreen"],
            )  # fmt: skip
            self.behind = background_choice(gr, "picture")
            self.downloads = download_buttons(gr, "picture")
            self.alpha = gr.Image(
                label="Alpha", format="png", interactive=False, elem_id="picture-matte",
                buttons=["fullscreen"],
            )  # fmt: skip

    def _connect(self) -> None:
        shown = [self.guide, self.segmenter, self.band, self.find]
        self.source.change(self._show_source, self.source, shown, show_progress="hidden")
        self.behind.kind.change(
            lambda kind: show_background(self._gr, kind), self.behind.kind,
            [self.behind.colour, self.behind.picture], show_progress="hidden",
        )  # fmt: skip
        trimap = [self.session, self.source, self.guide, self.band, self.segmenter, self.editor]
        behind = [self.behind.kind, self.behind.colour, self.behind.picture]
        self._on(self.file.change, self._read, [self.session, self.file],
                 [self.editor, self.results])  # fmt: skip
        self._on(self.find.click, self._make, trimap, [self.editor])
        self._on(self.guide.upload, self._make, trimap, [self.editor])
        self._on(
            self.start.click, self._cut, [*trimap, self.model, *behind],
            [self.editor, self.results, self.slider, self.alpha, *self.downloads],
        )  # fmt: skip
        for part in behind:
            self._on(part.change, self._lay_over, [self.session, *behind],
                     [self.slider, self.downloads[2]], trigger_mode="always_last")  # fmt: skip

    def _on(
        self, event: Callable[..., Any], handler: Callable[..., dict[Any, Any]],
        inputs: list[Any], outputs: list[Any], **options: Any,
    ) -> None:  # fmt: skip
        """Connect a handler whose problems become one line of the page."""

        def answered(*values: Any) -> dict[Any, Any]:
            try:
                return handler(*values)
            except Exception as problem:
                files = [Path(value) for value in values if isinstance(value, str) and "/" in value]
                return {self.status: telling.bad(problem, files)}

        event(
            answered, inputs, [self.session, self.status, *outputs], concurrency_id="work",
            concurrency_limit=1, api_visibility="private", **options,
        )  # fmt: skip

    def _show_source(self, source: str) -> list[Any]:
        update = self._gr.update
        from_file = source in (pictures.MASK, pictures.TRIMAP)
        return [
            update(visible=from_file, value=None, label=source.capitalize()),
            update(visible=source == pictures.SEGMENTER),
            update(visible=source in (pictures.MASK, pictures.SEGMENTER)),
            update(visible=source == pictures.SEGMENTER),
        ]

    def _read(self, session: Session, file: str | None) -> dict[Any, Any]:
        session.upload = session.result = None
        cleared = {self.session: session, self.results: self._gr.update(visible=False)}
        if file is None:
            said = telling.good("Upload a picture to begin.")
            return {**cleared, self.status: said, self.editor: in_editor(self._gr, None)}
        try:
            session.upload = pictures.read_upload(Path(file))
        except Exception as problem:
            said = telling.bad(problem, [Path(file)])
            return {**cleared, self.status: said, self.editor: in_editor(self._gr, None)}
        height, width = session.upload.picture.shape[:2]
        said = telling.good(
            f"{width} x {height}. Paint some of the person green and some of the background red, "
            "or take the trimap from elsewhere."
        )
        shown = in_editor(self._gr, strokes.view(session.upload.picture))
        return {**cleared, self.status: said, self.editor: shown}

    def _make(
        self, session: Session, source: str, guide: str | None, band: float, segmenter: str,
        edited: Any,
    ) -> dict[Any, Any]:  # fmt: skip
        upload = _uploaded(session)
        painted = strokes.painted(edited, upload.picture.shape)
        session.upload = pictures.with_trimap(
            upload, source, guide=path_of(guide), band=band or None, segmenter=segmenter,
            painted=painted,
        )  # fmt: skip
        return {
            self.session: session,
            self.status: telling.good("The trimap is there; paint over it where it is wrong."),
            self.editor: in_editor(self._gr, strokes.tinted(upload.picture, session.upload.trimap)),
        }

    def _cut(
        self, session: Session, source: str, guide: str | None, band: float, segmenter: str,
        edited: Any, model: str, kind: str, colour: str, picture: str | None,
    ) -> dict[Any, Any]:  # fmt: skip
        upload = _uploaded(session)
        opened = choices.open_model(model)
        changed: dict[Any, Any] = {}
        if source == pictures.PAINTED:
            upload = pictures.with_trimap(upload, source)
        elif opened.needs_trimap and upload.trimap is None:
            changed = self._make(session, source, guide, band, segmenter, edited)
            upload, edited = _uploaded(session), None
        painted = strokes.painted(edited, upload.picture.shape)
        session.result = pictures.cut_out(upload, opened, painted)
        folder = session.new_folder(self._settings.folder, "picture-")
        files = pictures.write_alpha_and_cut_out(session.result, folder)
        return {
            **changed,
            **self._lay_over(session, kind, colour, picture),
            self.results: self._gr.update(visible=True),
            self.alpha: strokes.view(session.result.alpha, _RESULT_SIDE),
            self.downloads[0]: str(files[0]),
            self.downloads[1]: str(files[1]),
        }

    def _lay_over(
        self, session: Session, kind: str, colour: str, picture: str | None
    ) -> dict[Any, Any]:
        result = session.result
        if result is None or session.folder is None:
            return {self.session: session}
        behind = backgrounds.background(kind, colour, path_of(picture), result.alpha.shape)
        composed = result.over(behind)
        path = pictures.write_composite(result, composed, session.folder)
        before, after = (strokes.view(p, _RESULT_SIDE) for p in (result.picture, composed))
        return {
            self.session: session,
            self.status: telling.good(result.said),
            self.slider: (before, after),
            self.downloads[2]: str(path),
        }


def _uploaded(session: Session) -> pictures.Upload:
    if session.upload is None:
        raise PortraitError("no picture yet; try: upload one")
    return session.upload
