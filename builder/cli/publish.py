"""``python -m builder publish``: a finished dataset to the Hub."""

from __future__ import annotations

import argparse
from typing import Any

from ld_portrait_20k.common.printable import say

_EPILOG = """\
Shards go to a staging branch first; card, manifest and all shards then appear in one commit,
so that whatever happens the repository either loads or says that it is incomplete. The same
command again goes on where it stood and sends nothing twice.

a viewer beside it, in a static Space:
  ld-portrait view DATASET --export page
  hf repos create YOU/NAME-viewer --type space --space-sdk static
  hf upload YOU/NAME-viewer page --repo-type space
  python -m builder publish DATASET --viewer https://YOU-NAME-viewer.static.hf.space/index.html

exit codes: 0 published, 1 not a dataset; 21 and up name what the Hub refused (no token, no
right, foreign content, quota, moved revision, unreachable), 130 interrupted
"""


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "publish",
        help="publish a finished dataset on the Hub",
        description="Upload shards, check what the server holds, commit card and manifest, tag.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    from builder.cli.hub_options import add_hub_options
    from builder.cli.options import add_dataset, add_json

    add_dataset(parser)
    parser.add_argument(
        "--repo-id", metavar="OWNER/NAME", help="repository (default: YOU/ld-portrait-20k)"
    )
    add_hub_options(parser)
    parser.add_argument(
        "--viewer", metavar="URL",
        help="page of `ld-portrait view --export` that the card's gallery links to; it is noted in "
        "the dataset's folder, so it need not be said again",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="ask the Hub, send nothing")
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Publish and report."""
    from builder import hub
    from builder.cli.hub_options import UploadBar, hub_keywords, print_published
    from builder.files import canonical_json

    bar = UploadBar()
    try:
        report = hub.publish(
            options.dataset,
            options.repo_id,
            viewer=options.viewer,
            dry_run=options.dry_run,
            progress=bar,
            **hub_keywords(options),
        )
    finally:
        bar.close()
    if options.json:
        say(canonical_json(report.to_dict()))
    else:
        print_published(report)
    return 0
