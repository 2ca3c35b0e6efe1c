"""``python -m ld_portrait_20k download``: copy a dataset, or a part of it, into a folder."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from ld_portrait_20k.cli.options import (
    add_command,
    add_part,
    add_source,
    resolve_source,
    show,
)
from ld_portrait_20k.common import exit_codes
from ld_portrait_20k.common.progress import progress_bar
from ld_portrait_20k.format import schema


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands, "download", run, "copy a dataset, or a part, into a folder",
        "Fetch shards, verify each, and make a folder that loads like the original. If it is "
        "interrupted, the same command goes on where it stood; with another --split it adds to "
        "the folder.",
    )  # fmt: skip
    add_source(parser)
    add_part(parser, "whole shards are fetched until N samples are there")
    parser.add_argument(
        "--output", type=Path, default=Path(schema.NAME), metavar="DIR",
        help=f"folder to write (default: {schema.NAME})",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Fetch, verify, and say where it is."""
    from ld_portrait_20k.download import download, select
    from ld_portrait_20k.errors import PortraitError
    from ld_portrait_20k.streaming.resolve import default_repo
    from ld_portrait_20k.streaming.sources import HttpSource

    if options.repo is None and options.source == schema.NAME:
        # A folder of the bare name is what shall be filled, not where the dataset comes from.
        options.repo = default_repo()
    source = resolve_source(options)
    if not isinstance(source, HttpSource):
        raise PortraitError(f"{source.name} is a folder on this machine already")
    part = {
        "subset": options.subset, "split": options.split, "max_samples": options.max_samples,
    }  # fmt: skip
    shards, _ = select(source.manifest(), **part)
    with progress_bar(sum(shard.bytes for shard in shards), "B", scale=True) as bar:
        manifest = download(source, options.output, progress=bar.update, **part)
    fetched = sum(shard.samples for shard in shards)
    show(
        options,
        {"output": str(options.output), "samples": fetched, "splits": manifest.splits},
        [
            f"{fetched} samples in {len(shards)} shards, verified, in {options.output}",
            f"next: python -m ld_portrait_20k info {shlex.quote(str(options.output))}",
        ],
    )
    return exit_codes.DONE
