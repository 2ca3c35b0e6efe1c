"""``python -m builder status``: how far a build has come."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "status",
        help="show how far a build has come",
        description="Shards planned and built, samples accepted, rejects by reason. May run "
        "beside a build.",
        epilog="exit codes: 0 complete, 3 unfinished, 1 nothing there",
    )
    from builder.cli.options import DEFAULT_OUTPUT, add_json

    parser.add_argument("dataset", type=Path, nargs="?", default=Path(DEFAULT_OUTPUT))
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the status."""
    from builder.files import canonical_json
    from builder.status import require

    found = require(options.dataset)
    if options.json:
        print(canonical_json(found.to_dict()))
    else:
        print(f"{found.output}: {found.state} ({found.generator}, plan {found.plan_hash[:16]})")
        print(f"shards    {found.shards_built} of {found.shards_planned}")
        print(f"samples   {found.accepted} accepted of {found.planned} planned")
        for reason, count in found.rejected.items():
            print(f"rejected  {reason} {count}")
        if found.state == "unfinished":
            print("next: the same `python -m builder regenerate` command as before goes on")
    return 0 if found.state != "unfinished" else 3
