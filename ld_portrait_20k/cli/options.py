"""What the sub-commands have in common: options, the progress bar, the result on stdout."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ld_portrait_20k.common.printable import say
from ld_portrait_20k.format import schema

if TYPE_CHECKING:
    from ld_portrait_20k.streaming.sources import DatasetSource


def add_command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    details: str = "",
) -> argparse.ArgumentParser:
    """Declare a sub-command with ``--json``.

    Args:
        commands: What ``add_subparsers`` gave.
        name: The sub-command's name.
        run: Called with the parsed options; gives the exit code.
        summary: One line for the list of commands, starting in lower case.
        details: More for the sub-command's own help.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}. {details}"
    )
    parser.set_defaults(run=run)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser


def add_source(parser: argparse.ArgumentParser) -> None:
    """Declare which dataset is meant."""
    parser.add_argument(
        "source", nargs="?", default=schema.NAME, metavar="SOURCE",
        help=f"folder, URL, OWNER/NAME on the Hub, or a bare name (default: {schema.NAME})",
    )  # fmt: skip
    parser.add_argument("--repo", metavar="OWNER/NAME", help="Hub repository, instead of SOURCE")
    parser.add_argument("--revision", metavar="REV", help="branch, tag or commit on the Hub")


def add_part(parser: argparse.ArgumentParser, max_samples: str) -> None:
    """Declare which part of the dataset is meant.

    Args:
        parser: The sub-command's.
        max_samples: Help of ``--max-samples``.
    """
    parser.add_argument(
        "--subset", choices=tuple(schema.SUBSETS), default="default",
        help="refined mattes (default), those before refinement (raw), or exact ones (truth)",
    )  # fmt: skip
    parser.add_argument("--split", choices=schema.SPLITS, help="one split (default: all)")
    parser.add_argument("--max-samples", type=positive, metavar="N", help=max_samples)


def positive(text: str) -> int:
    """A whole number from 1 up, for ``type=``."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def resolve_source(options: argparse.Namespace) -> DatasetSource:
    """The dataset that the options of :func:`add_source` name."""
    from ld_portrait_20k.streaming.resolve import resolve

    return resolve(options.source, repo_id=options.repo, revision=options.revision)


def show(options: argparse.Namespace, body: dict[str, Any], lines: Sequence[str]) -> None:
    """Print a result: ``body`` as JSON with ``--json``, else the lines."""
    say(json.dumps(body, ensure_ascii=False) if options.json else "\n".join(lines))
