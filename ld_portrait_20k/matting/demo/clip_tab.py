"""The page's tab for clips: what is in it, and what its buttons do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ld_portrait_20k.common.files import write_bytes
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.demo import backgrounds, choices, clips, strokes, telling, uploads
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

_TOLD_EVERY = 0.5  # seconds between two changes of the progress line


@dataclass(slots=True)
class Session(Downloads):
    """What a visitor has made so far.

    Attributes:
        clip: The clip.
    """

    clip: clips.Clip | None = None


class ClipTab:
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
            label="Clip", file_types=list(uploads.CLIPS), height=140, elem_id="clip-file"
        )
        with gr.Row():
            self.begin = gr.Number(0, label="From second", minimum=0, min_width=120,
                                   elem_id="clip-begin")  # fmt: skip
            self.end = gr.Number(0, label="To second, 0 for all", minimum=0, min_width=120,
                                 elem_id="clip-end")  # fmt: skip
        finders = choices.clip_segmenters()
        first = next(iter(finders))
        self.segmenter = gr.Dropdown(
            [(label, name) for name, label in finders.items()], value=first, label="Segmenter",
            elem_id="clip-segmenter",
        )  # fmt: skip
        self.guide = gr.File(
            **self._guide(first), file_types=[*uploads.PICTURES, *uploads.CLIPS], height=140,
            elem_id="clip-guide",
        )  # fmt: skip
        with gr.Column(visible=first == choices.FIRST_MASK) as self.painting:
            self.editor = editor(gr, "clip-editor")
        self.model = model_choice(gr, self._settings, "clip-model")
        self.behind = background_choice(gr, "clip")
        with gr.Row():
            self.start = gr.Button("Cut out", variant="primary", elem_id="clip-start")
            self.stop = gr.Button("Stop", variant="stop", elem_id="clip-stop")

    def _lay_out_results(self) -> None:
        gr = self._gr
        self.status = gr.HTML(
            telling.good("Upload a clip to begin."), elem_classes="bare", elem_id="clip-status"
        )
        with gr.Column(visible=False) as self.results:
            self.video = gr.Video(
                label="Composite", interactive=False, autoplay=True, loop=True, height=420,
                elem_id="clip-result",
            )  # fmt: skip
            self.downloads = download_buttons(gr, "clip")

    def _connect(self) -> None:
        gr = self._gr
        self.segmenter.change(
            self._show_segmenter, self.segmenter, [self.guide, self.painting],
            show_progress="hidden",
        )  # fmt: skip
        self.behind.kind.change(
            lambda kind: show_background(gr, kind), self.behind.kind,
            [self.behind.colour, self.behind.picture], show_progress="hidden",
        )  # fmt: skip
        options = {
            "concurrency_id": "work", "concurrency_limit": 1, "api_visibility": "private",
        }  # fmt: skip
        for event in (self.file.change, self.begin.submit, self.begin.blur):
            event(
                self._read, [self.session, self.file, self.begin],
                [self.session, self.status, self.editor, self.results], **options,
            )  # fmt: skip
        work = self.start.click(
            self._cut,
            [
                self.session, self.segmenter, self.guide, self.editor, self.model, self.end,
                self.behind.kind, self.behind.colour, self.behind.picture,
            ],
            [self.session, self.status, self.results, self.video, *self.downloads],
            show_progress="hidden", **options,
        )  # fmt: skip
        self.stop.click(
            lambda: telling.good("Stopped."), None, self.status, cancels=[work], queue=False,
            api_visibility="private",
        )  # fmt: skip

    def _guide(self, segmenter: str) -> dict[str, Any]:
        masks = segmenter == choices.MASKS
        return {
            "label": "Clip of masks" if masks else "Mask of the first frame, or paint it below",
            "visible": masks or segmenter == choices.FIRST_MASK,
        }

    def _show_segmenter(self, segmenter: str) -> list[Any]:
        update = self._gr.update
        return [
            update(value=None, **self._guide(segmenter)),
            update(visible=segmenter == choices.FIRST_MASK),
        ]

    def _read(self, session: Session, file: str | None, begin: float | None) -> dict[Any, Any]:
        session.clip = None
        cleared = {self.session: session, self.results: self._gr.update(visible=False)}
        if file is None:
            said = telling.good("Upload a clip to begin.")
            return {**cleared, self.status: said, self.editor: in_editor(self._gr, None)}
        try:
            session.clip = clip = clips.read_clip(Path(file), float(begin or 0))
        except Exception as problem:
            said = telling.bad(problem, [Path(file)])
            return {**cleared, self.status: said, self.editor: in_editor(self._gr, None)}
        shown = in_editor(self._gr, strokes.view(clip.first))
        return {**cleared, self.status: telling.good(f"{clip.said}."), self.editor: shown}

    def _cut(
        self, session: Session, segmenter: str, guide: str | None, edited: Any, model: str,
        end: float | None, kind: str, colour: str, picture: str | None,
    ) -> Iterator[dict[Any, Any]]:  # fmt: skip
        """Say how far the clip is, again and again, and show the result at last."""
        try:
            yield from self._work(
                session, segmenter, guide, edited, model, end, kind, colour, picture
            )
        except Exception as problem:
            clip = session.clip.path if session.clip else None
            files = [clip, path_of(guide), path_of(picture)]
            yield {self.session: session, self.status: telling.bad(problem, files)}

    def _work(
        self, session: Session, segmenter: str, guide: str | None, edited: Any, model: str,
        end: float | None, kind: str, colour: str, picture: str | None,
    ) -> Iterator[dict[Any, Any]]:  # fmt: skip
        import time

        clip = session.clip
        if clip is None:
            raise PortraitError("no clip yet; try: upload one")
        yield {self.status: telling.good("Getting ready ...")}
        folder = session.new_folder(self._settings.folder, "clip-")
        behind = self._background(kind, colour, path_of(picture), clip.first, folder)
        finder = clips.segmenter_of(
            clip, segmenter, guide=path_of(guide),
            painted=strokes.painted(edited, clip.first.shape),
        )  # fmt: skip
        work = clips.matte_clip(
            clip,
            finder,
            choices.open_model(model),
            folder,
            background=behind,
            end=end or None,
        )
        began = told = time.monotonic()
        for progress in work:
            now = time.monotonic()
            if progress.results is not None:
                seconds = now - began
                said = telling.good(
                    f"{progress.frames} frames by {segmenter} and {model} in {seconds:.0f} s, "
                    f"{progress.frames / seconds:.1f} a second"
                )
                alpha, cut, composed = map(str, progress.results)
                yield {
                    self.session: session, self.status: said,
                    self.results: self._gr.update(visible=True), self.video: composed,
                    self.downloads[0]: alpha, self.downloads[1]: cut, self.downloads[2]: composed,
                }  # fmt: skip
            elif now - told >= _TOLD_EVERY:
                told = now
                yield {self.status: telling.bar(progress.frames, progress.total)}

    def _background(
        self, kind: str, colour: str, picture: Path | None, first: Any, folder: Path
    ) -> str:
        """A file of what was chosen: the video chain takes colours and files."""
        from ld_portrait_20k.matting.video.writing import png

        behind = backgrounds.background(kind, colour, picture, first.shape)
        path = folder / ".background.png"
        write_bytes(path, png(np.ascontiguousarray(behind.picture)), sync=False)
        return str(path)
