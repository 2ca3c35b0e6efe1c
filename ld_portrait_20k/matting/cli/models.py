"""``python -m ld_portrait_20k.matting models``."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from ld_portrait_20k.common.printable import say

if TYPE_CHECKING:
    from ld_portrait_20k.matting.models.registry import ModelEntry

_DESCRIPTION = """\
The models that --model takes by name: parameters, licence, whether they need a trimap, and
whether what they need is installed. Folders that `train` wrote and repositories on the Hub
are taken as well.
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = _DESCRIPTION
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from ld_portrait_20k.matting.models.registry import MODELS, default_model

    chosen = default_model()[0]
    rows = [_row(entry, chosen) for entry in MODELS.values()]
    if options.json:
        say(json.dumps({"models": rows}, ensure_ascii=False))
        return 0
    say(f"{'name':15} {'parameters':>10}  {'trimap':6}  {'installed':9}  {'weights':8}  licence")
    for entry, row in zip(MODELS.values(), rows, strict=True):
        size = f"{entry.parameters / 1e6:.2f} M" if entry.parameters else "-"
        installed = "yes" if row["installed"] else "no"
        trimap = "needed" if entry.needs_trimap else "no"
        say(
            f"{entry.name:15} {size:>10}  {trimap:6}  {installed:9}  {row['weights']:8}  "
            f"{entry.licence}"
        )
        say(f"    {entry.summary}{' (the default)' if entry.name == chosen else ''}")
        if entry.published:
            say(f"    published weights: {entry.published}")
        if entry.missing:
            say(f"    needs {', '.join(entry.missing)}: pip install '{_extra(entry)}'")
    return 0


def _row(entry: ModelEntry, chosen: str) -> dict[str, Any]:
    shipped = entry.shipped
    weights = "none" if entry.kind == "classical" else "shipped" if shipped else "fresh"
    return {
        "name": entry.name,
        "kind": entry.kind,
        "parameters": entry.parameters,
        "bytes": (shipped / "model.safetensors").stat().st_size if shipped else 0,
        "licence": entry.licence,
        "needs_trimap": entry.needs_trimap,
        "installed": not entry.missing,
        "missing": list(entry.missing),
        "weights": weights,
        "published": entry.published,
        "summary": entry.summary,
        "default": entry.name == chosen,
    }


def _extra(entry: ModelEntry) -> str:
    return f"ld-portrait-20k[{entry.extra}]"
