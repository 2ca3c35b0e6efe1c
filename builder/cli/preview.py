"""``python -m builder preview``: a contact sheet to look at."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ld_portrait_20k.common.printable import say


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "preview",
        help="draw a contact sheet of a dataset",
        description="Draw samples on light, on dark and on a photo-like background, beside "
        "their mattes, into one PNG; below, mattes before and after refinement.",
    )
    from builder.cli.options import add_dataset
    from ld_portrait_20k.format.schema import SUBSETS

    add_dataset(parser)
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="PNG to write (DATASET-preview.png)"
    )
    parser.add_argument(
        "--count", type=int, default=12, metavar="N", help="samples, spread evenly (12)"
    )
    parser.add_argument(
        "--columns", type=int, default=2, metavar="N", help="samples side by side (2)"
    )
    parser.add_argument(
        "--cell", type=int, default=256, metavar="PX", help="side of one picture in px (256)"
    )
    parser.add_argument(
        "--subset",
        choices=tuple(SUBSETS),
        default="default",
        help="which mattes: default (refined), raw or truth",
    )
    parser.add_argument(
        "--compare", type=int, default=4, metavar="N",
        help="below them, the N samples that refinement changed most, raw beside refined with the "
        "change (4)",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Draw the sheet and print where it is."""
    import io

    from PIL import Image

    from builder.files import write_bytes
    from builder.preview import sheet
    from ld_portrait_20k.errors import PortraitError
    from ld_portrait_20k.format.manifest import Manifest

    if not 32 <= options.cell <= 1024 or not 1 <= options.columns <= 16:
        raise PortraitError("--cell is 32 to 1024, --columns is 1 to 16")
    if options.picture is not None and options.picture.suffix.lower() != ".png":
        raise PortraitError(
            f"--picture {options.picture}: the sheet is a PNG; try: a name that ends in .png"
        )
    manifest = Manifest.load(options.dataset)
    picture = sheet(
        options.dataset,
        manifest,
        count=options.count,
        columns=options.columns,
        cell=options.cell,
        subset=options.subset,
        compare=max(0, options.compare),
    )
    name = options.dataset.resolve().name
    path = options.picture or Path(f"{name}-preview.png")
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG")
    try:
        write_bytes(path, out.getvalue())
    except OSError as problem:
        raise PortraitError(f"{path}: cannot be written ({problem.strerror})") from problem
    say(path)
    return 0
