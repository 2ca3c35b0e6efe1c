"""``python -m builder verify``: is the dataset what its manifest says?"""

from __future__ import annotations

import argparse
from typing import Any


def add_parser(commands: Any) -> None:
    """Declare the command."""
    from builder.cli.options import DEFAULT_OUTPUT, add_json
    from ld_portrait_20k.cli.verify import DETAILS, add_options

    parser = commands.add_parser(
        "verify",
        help="check a dataset against its manifest",
        description=f"Check a dataset against its manifest. {DETAILS}",
        epilog="exit codes: 0 sound, 1 something is wrong; 21 and up: the Hub cannot be asked; "
        "130 interrupted",
    )
    parser.add_argument(
        "dataset",
        nargs="?",
        default=DEFAULT_OUTPUT,
        metavar="DIR|OWNER/NAME[@REV]",
        help=f"dataset folder ({DEFAULT_OUTPUT}), or a repository on the Hub, which is checked "
        "by sizes and hashes that the server tells; --deep downloads and checks every byte",
    )
    add_options(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Verify a folder or a repository, and report."""
    from builder.cli.hub_options import remote_or_folder
    from ld_portrait_20k.cli import verify

    remote = remote_or_folder(options.dataset)
    return verify.run(options) if remote is None else _run_remote(options, *remote)


def _run_remote(options: argparse.Namespace, repo_id: str, revision: str) -> int:
    from builder.hub import verify_remote
    from ld_portrait_20k.cli.verify import report
    from ld_portrait_20k.common.progress import progress_bar
    from ld_portrait_20k.errors import PortraitError

    if options.partial or options.subset or options.split:
        raise PortraitError(
            "--partial, --subset and --split are for folders; try: without them, or download "
            f"a part with python -m ld_portrait_20k download {repo_id}"
        )
    with progress_bar(None, "B", scale=True) as bar:
        found = verify_remote(repo_id, revision, deep=options.deep, progress=bar.update)
    method = "every byte read" if options.deep else "sizes and hashes as the server tells"
    return report(options, found, f"{repo_id}@{revision} ({found.commit[:12]})", method)
