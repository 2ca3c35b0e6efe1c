"""Options of whatever talks to the Hub."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ld_portrait_20k.common.printable import say

if TYPE_CHECKING:
    from builder.hub import PublishReport, UploadState

_REPO = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?\Z", re.ASCII)


def add_hub_options(parser: argparse.ArgumentParser) -> None:
    """How to publish: visibility, revision, tag, commits."""
    group = parser.add_argument_group("publishing (the token comes from HF_TOKEN or the login)")
    group.add_argument("--private", action="store_true", help="create the repository as private")
    group.add_argument("--revision", default="main", metavar="BRANCH", help="branch (main)")
    group.add_argument("--tag", metavar="NAME", help="tag the result, v1.0")
    group.add_argument(
        "--overwrite-card", action="store_true",
        help="replace a README.md that was edited on the website since it was published",
    )  # fmt: skip
    group.add_argument(
        "--commit-every", type=int, default=8, metavar="N", help="shards a commit (8)"
    )


def hub_keywords(options: argparse.Namespace) -> dict[str, Any]:
    """The options as keywords of :class:`builder.hub.Uploader` and :func:`builder.hub.publish`."""
    names = ("private", "revision", "tag", "overwrite_card", "commit_every")
    return {name: getattr(options, name) for name in names}


def remote_or_folder(text: str) -> tuple[str, str] | None:
    """As :func:`remote_name`, and says so before the Hub is asked: it may be a folder misspelt."""
    remote = remote_name(text)
    if remote is not None:
        say(f"no folder {text} here: asking the Hub for {remote[0]}", error=True)
    return remote


def remote_name(text: str) -> tuple[str, str] | None:
    """Repository and revision of ``OWNER/NAME[@REV]``; None for a local path.

    A folder of that name wins, so that ``out/ld-portrait-20k`` stays a folder.
    """
    found = _REPO.match(text)
    if found is None or Path(text).exists():
        return None
    return found["repo"], found["revision"] or "main"


def print_published(report: PublishReport) -> None:
    """What a publication did, for a person."""
    size = report.bytes / 2**20
    if report.dry_run:
        change = "would change it" if report.changed else "has it all already"
        say(
            f"{report.repo_id}@{report.revision}: {report.shards} shards, {size:.1f} MiB, "
            f"{report.bytes_to_send / 2**20:.1f} MiB to send in about {report.commits} commits; "
            f"this {change}"
        )
        if report.card_edited:
            say(
                "README.md was edited on the website since it was published; "
                "it is replaced only with --overwrite-card, and lost then"
            )
        if not report.rights_known:
            say(
                "no token: whether you may write there, and what is private, is not known; "
                "try: hf auth login"
            )
        say("nothing was sent; the same command without --dry-run publishes it")
        return
    say(
        f"{report.url}: {report.shards} shards, {size:.1f} MiB, "
        f"{report.bytes_sent / 2**20:.1f} MiB sent in {report.commits} commits, "
        f"{report.failures} requests tried again"
    )
    if report.tag:
        say(f"tag: {report.tag}")
    say(f"next: python -m builder verify {report.repo_id}@{report.tag or report.revision}")


class UploadBar:
    """A progress bar of the upload, in bytes, on standard error."""

    def __init__(self) -> None:
        from ld_portrait_20k.common.progress import progress_bar

        self._bar = progress_bar(unit="B", scale=True, about="upload")

    def __call__(self, state: UploadState) -> None:
        """Show a new state; called from the uploader's threads."""
        self._bar.total = state.bytes_added
        self._bar.n = min(state.bytes_added, state.bytes_sent + state.bytes_held)
        self._bar.refresh()

    def close(self) -> None:
        """Leave the line."""
        self._bar.close()
