"""``python -m ld_portrait_20k view``: look at a dataset in a browser."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ld_portrait_20k import exit_codes, schema
from ld_portrait_20k.cli.options import add_command, add_source
from ld_portrait_20k.printable import say

if TYPE_CHECKING:
    from ld_portrait_20k.streaming.sources import DatasetSource
    from ld_portrait_20k.viewer.dataset import ViewedDataset

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
    marks = Marks(options.marks or _marks_beside(source))
    return _serve(options, Viewer(dataset, marks))


def _serve(options: argparse.Namespace, viewer: Any) -> int:
    import json

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
    from ld_portrait_20k.progress import progress_bar

    with progress_bar(len(dataset.numbers), about="reading metadata, once") as bar:
        dataset.read(bar.update)
        if not dataset.problem:
            bar.update(len(dataset.numbers) - bar.n)


def _marks_beside(source: DatasetSource) -> Path | None:
    from ld_portrait_20k.streaming.sources import LocalSource
    from ld_portrait_20k.viewer.marks import FILE_NAME

    return source.root / FILE_NAME if isinstance(source, LocalSource) else None


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, 0 to 65535")
    return int(text)
