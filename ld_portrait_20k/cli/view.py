"""``python -m ld_portrait_20k view``: look at a dataset in a browser."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ld_portrait_20k.cli.options import add_command, add_source, positive, show
from ld_portrait_20k.common import exit_codes
from ld_portrait_20k.common.printable import say
from ld_portrait_20k.format import schema

if TYPE_CHECKING:
    from ld_portrait_20k.streaming.sources import DatasetSource
    from ld_portrait_20k.viewer.dataset import ViewedDataset
    from ld_portrait_20k.viewer.viewer import Viewer

_DETAILS = (
    "A local page shows every sample over backgrounds of your choice, filters by every "
    "attribute and figure, compares raw, refined and exact mattes, and saves marks. Pictures are "
    "read from the shards by offset, nothing is unpacked. The address is the first line on "
    "standard output; Ctrl-C ends it."
)
_EPILOG = """\
examples:
  python -m ld_portrait_20k view ld-portrait-20k
  python -m ld_portrait_20k view OWNER/ld-portrait-20k --revision v1 --split test
  python -m ld_portrait_20k view 'shards/train-{00000..00003}.tar' --no-browser --port 8000
  python -m ld_portrait_20k view ld-portrait-20k --export page --max-samples 500
"""


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(commands, "view", run, "look at a dataset in a browser", _DETAILS)
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add_source(parser)
    add = parser.add_argument
    add(
        "--subset", choices=tuple(schema.SUBSETS), default="default",
        help="mattes that the grid shows: refined (default), raw or truth",
    )  # fmt: skip
    add("--split", choices=schema.SPLITS, help="one split (default: all)")
    add(
        "--host", default="127.0.0.1", metavar="ADDRESS",
        help="address to listen on (default: 127.0.0.1, this machine alone)",
    )  # fmt: skip
    add("--port", type=_port, default=0, metavar="N", help="port (default: 0, any free one)")
    add("--no-browser", action="store_true", help="open no browser")
    add(
        "--export", type=Path, metavar="FOLDER",
        help="write the page as static files instead, to open from disk or put on any web server",
    )  # fmt: skip
    add(
        "--max-samples", type=positive, default=1000, metavar="N",
        help="with --export: at most N samples, spread evenly (default: 1000, under 30 MB)",
    )  # fmt: skip
    add(
        "--marks", type=Path, metavar="FILE",
        help="file of marks (default: marks.jsonl in a dataset folder; none for what is remote)",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C, which is its proper end."""
    from ld_portrait_20k.streaming.resolve import open_source
    from ld_portrait_20k.viewer.dataset import ViewedDataset
    from ld_portrait_20k.viewer.marks import Marks
    from ld_portrait_20k.viewer.viewer import Viewer

    source = open_source(options.source, repo_id=options.repo, revision=options.revision)
    dataset = ViewedDataset(source, options.subset, options.split)
    if options.export is not None:
        return _export(options, Viewer(dataset, Marks(None)))
    marks = Marks(options.marks or _marks_beside(source))
    return _serve(options, Viewer(dataset, marks))


def _export(options: argparse.Namespace, viewer: Viewer) -> int:
    from ld_portrait_20k.common.progress import progress_bar
    from ld_portrait_20k.viewer.static_copy import write_static_copy

    read_metadata(viewer.dataset)
    total = min(options.max_samples, len(viewer.dataset.numbers))
    with progress_bar(total) as bar:
        copy = write_static_copy(
            viewer, options.export, max_samples=options.max_samples, progress=bar.update
        )
    body = {
        "folder": str(copy.folder), "samples": copy.samples, "bytes": copy.bytes, "side": copy.side,
    }  # fmt: skip
    lines = [
        f"{copy.samples} samples in {copy.folder}, {copy.bytes / 1e6:.1f} MB, pictures of at most "
        f"{copy.side} px",
        f"open {copy.folder / 'index.html'}, or put the folder on a web server, such as a static "
        "Space of the Hub; `python -m builder publish --viewer URL` links the card to it",
    ]
    show(options, body, lines)
    return exit_codes.DONE


def _serve(options: argparse.Namespace, viewer: Viewer) -> int:
    from ld_portrait_20k.viewer.server import Server, is_loopback

    with Server(viewer, options.host, options.port) as server:
        body = {"address": server.address, "samples": len(viewer.dataset.numbers)}
        say(json.dumps(body) if options.json else server.address)
        sys.stdout.flush()
        if not is_loopback(options.host):
            say("anybody who reaches this address can see the dataset and set marks", error=True)
        say("Ctrl-C ends it", error=True)
        threading.Thread(target=read_metadata, args=(viewer.dataset,), daemon=True).start()
        if not options.no_browser:
            with contextlib.suppress(webbrowser.Error):  # the address is printed
                webbrowser.open(server.address)
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            say("ended", error=True)
    return exit_codes.DONE


def read_metadata(dataset: ViewedDataset) -> None:
    """Read the metadata of all samples, with a bar."""
    from ld_portrait_20k.common.progress import progress_bar

    with progress_bar(len(dataset.numbers), about="reading metadata, once") as bar:
        dataset.read(bar.update)
        if not dataset.problem:
            bar.update(len(dataset.numbers) - bar.n)


def _marks_beside(source: DatasetSource) -> Path | None:
    from ld_portrait_20k.selection.marks import FILE_NAME
    from ld_portrait_20k.streaming.sources import LocalSource

    return source.root / FILE_NAME if isinstance(source, LocalSource) else None


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, 0 to 65535")
    return int(text)
