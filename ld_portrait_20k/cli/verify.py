"""``verify``: is a dataset what its manifest says?

Behind ``python -m ld_portrait_20k verify`` and, for folders, ``python -m builder verify``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ld_portrait_20k.cli.options import add_command, positive, show
from ld_portrait_20k.common import exit_codes
from ld_portrait_20k.common.progress import progress_bar
from ld_portrait_20k.format import schema

if TYPE_CHECKING:
    from ld_portrait_20k.format.integrity import Problem

DETAILS = (
    "Compare the size and sha256 of every shard with the manifest, and find files that it does "
    "not list. With --deep, also decode every sample and check its checksum, metadata, id and "
    "dimensions. Every problem is named by shard, sample and byte offset."
)


class Verification(Protocol):
    """What a verification found, of a folder or of a repository."""

    samples: int
    shards: int

    @property
    def problems(self) -> Sequence[Problem | str]:
        """Everything that is wrong, one line each."""
        ...

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        ...


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(commands, "verify", run, "check a folder against its manifest", DETAILS)
    parser.add_argument(
        "dataset", type=Path, nargs="?", default=Path(schema.NAME), metavar="FOLDER",
        help=f"the dataset folder (default: {schema.NAME})",
    )  # fmt: skip
    add_options(parser)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare how to check, for both commands."""
    parser.add_argument("--deep", action="store_true", help="also decode every sample")
    parser.add_argument(
        "--partial", action="store_true",
        help="do not report shards that are absent, nor files that the manifest does not list",
    )  # fmt: skip
    parser.add_argument(
        "--subset", choices=tuple(schema.SUBSETS), help="check one subset (default: all)"
    )
    parser.add_argument("--split", choices=schema.SPLITS, help="check one split (default: all)")
    parser.add_argument(
        "--workers", type=positive, default=2, metavar="N", help="threads (default: 2)"
    )


def run(options: argparse.Namespace) -> int:
    """Verify a folder and report.

    Args:
        options: ``dataset``, the options of :func:`add_options`, and ``json``.
    """
    from ld_portrait_20k.format.integrity import verify

    folder = Path(options.dataset)
    total = sum(path.stat().st_size for path in folder.glob("*/*.tar"))
    with progress_bar(total, "B", scale=True) as bar:
        found = verify(
            folder,
            deep=options.deep,
            subset=options.subset,
            split=options.split,
            strays=not options.partial,
            workers=options.workers,
            progress=bar.update,
        )
    advice = []
    # Without shards the problem is the manifest, whose line says what to try.
    if not found.ok and found.shards:
        if not options.deep:
            advice.append(f"next: the same command with --deep checks every sample of {folder}")
        advice.append(
            "try: delete the files named above, then run the command that built or downloaded "
            "them again; it makes only what is missing"
        )
    return report(
        options, found, str(folder), "every sample decoded" if options.deep else "sizes and sha256",
        advice,
    )  # fmt: skip


def report(
    options: argparse.Namespace,
    found: Verification,
    where: str,
    method: str,
    advice: Sequence[str] = (),
) -> int:
    """Print the problems and the verdict, or all of it as JSON.

    Args:
        options: Of the command line; ``json`` is looked at.
        found: What the verification found.
        where: The folder or repository.
        method: How it was checked.
        advice: Lines that follow the verdict.

    Returns:
        The exit code.
    """
    count = len(found.problems)
    verdict = "sound" if found.ok else f"{count} problem{'s' * (count != 1)}"
    checked = f"{found.samples} samples of all subsets in {found.shards} shards"
    lines = [
        *map(str, found.problems),
        f"{where}: {checked}, {method}: {verdict}",
        *advice,
    ]
    show(options, found.to_dict(), lines)
    return exit_codes.DONE if found.ok else exit_codes.PROBLEM
