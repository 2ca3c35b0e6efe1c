"""``python -m ld_portrait_20k export``: convert a dataset to another format."""

from __future__ import annotations

import argparse
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
from ld_portrait_20k.export import FORMATS

_LOADED_WITH = {
    "folder": 'load_dataset("imagefolder", data_dir={output!r})',
    "parquet": 'load_dataset("parquet", data_dir={output!r})',
    "lance": 'lance.dataset({output!r} + "/{split}.lance")',
}


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands, "export", run, "convert to a folder of pictures, Parquet or Lance",
        "Pictures are copied as they are, never encoded again.",
    )  # fmt: skip
    add_source(parser)
    add_part(parser, "at most N samples of each split")
    parser.add_argument("--to", required=True, choices=FORMATS, help="format")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder to write")


def run(options: argparse.Namespace) -> int:
    """Convert, and say how to load the result."""
    from ld_portrait_20k.export import export

    source = resolve_source(options)
    with progress_bar(None, " samples") as bar:
        counts = export(
            source,
            options.output,
            options.to,
            subset=options.subset,
            split=options.split,
            max_samples=options.max_samples,
            progress=bar.update,
        )
    written = ", ".join(f"{count} {split}" for split, count in counts.items())
    loaded_with = _LOADED_WITH[options.to].format(
        output=str(options.output), split=next(iter(counts))
    )
    show(
        options,
        {"output": str(options.output), "splits": counts},
        [f"{written} samples in {options.output}", f"load with: {loaded_with}"],
    )
    return exit_codes.DONE
