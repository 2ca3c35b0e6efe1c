"""``python -m builder verify``: is the dataset what its manifest says?"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builder.hub import RemoteVerification
    from ld_portrait_20k.integrity import Report


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "verify",
        help="check a dataset against its manifest",
        description="Check every file's size and sha256; with --deep also decode every sample "
        "and compare its metadata, ids and dimensions. Names shard, sample and byte offset of "
        "whatever is wrong.",
        epilog="exit codes: 0 sound, 1 something is wrong; 21 and up: the Hub cannot be asked",
    )
    from builder.cli.options import DEFAULT_OUTPUT, add_json

    parser.add_argument(
        "dataset",
        nargs="?",
        default=DEFAULT_OUTPUT,
        metavar="DIR|OWNER/NAME[@REV]",
        help=f"dataset folder ({DEFAULT_OUTPUT}), or a repository on the Hub, which is checked "
        "by sizes and hashes that the server tells; --deep downloads and checks every byte",
    )
    parser.add_argument("--deep", action="store_true", help="decode every sample too")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="threads (2)")
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Verify and report."""
    from tqdm import tqdm

    from builder.cli.hub_options import remote_or_folder
    from ld_portrait_20k.errors import PortraitError
    from ld_portrait_20k.integrity import verify

    if options.workers < 1:
        raise PortraitError("--workers is at least 1")
    remote = remote_or_folder(options.dataset)
    if remote is not None:
        return _run_remote(options, *remote)
    with tqdm(disable=None, unit="B", unit_scale=True, file=sys.stderr) as bar:
        report = verify(
            Path(options.dataset),
            deep=options.deep,
            workers=options.workers,
            progress=bar.update,
        )
    how = "every sample decoded" if options.deep else "sizes and hashes"
    where = f"{options.dataset}: {report.samples} samples of all subsets in {report.shards} shards"
    _print(options, report, f"{where}, {how}")
    if not report.ok and not options.json:
        print(
            "next: the command that built it mends it when the named files are deleted; "
            "a downloaded one is downloaded again"
        )
    return 0 if report.ok else 1


def _run_remote(options: argparse.Namespace, repo_id: str, revision: str) -> int:
    from tqdm import tqdm

    from builder.hub import verify_remote

    with tqdm(disable=None, unit="B", unit_scale=True, file=sys.stderr) as bar:
        found = verify_remote(repo_id, revision, deep=options.deep, progress=bar.update)
    how = "every byte read" if options.deep else "sizes and hashes as the server tells"
    where = f"{repo_id}@{revision} ({found.commit[:12]})"
    _print(options, found, f"{where}: {found.samples} samples in {found.shards} shards, {how}")
    return 0 if found.ok else 1


def _print(options: argparse.Namespace, found: Report | RemoteVerification, checked: str) -> None:
    """The problems and the verdict, or all of it as JSON."""
    from builder.files import canonical_json

    if options.json:
        print(canonical_json(found.to_dict()))
        return
    for problem in found.problems:
        print(problem)
    count = len(found.problems)
    verdict = "sound" if found.ok else f"{count} problem{'s' * (count != 1)}"
    print(f"{checked}: {verdict}")
