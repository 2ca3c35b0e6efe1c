"""``python -m builder status``: how far a build or a publication has come."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ld_portrait_20k.common.printable import printable, say


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "status",
        help="show how far a build or a publication has come",
        description="Shards planned, built, verified, uploaded and committed; rate and time "
        "left; rejects by reason. May run beside a build.",
        epilog="exit codes: 0 complete, 3 unfinished or not on the Hub, 1 no such folder; "
        "21 and up: the Hub cannot be asked",
    )
    from builder.cli.options import DEFAULT_OUTPUT, add_json

    parser.add_argument(
        "dataset",
        nargs="?",
        default=DEFAULT_OUTPUT,
        metavar="DIR|OWNER/NAME[@REV]",
        help=f"dataset folder ({DEFAULT_OUTPUT}), or a repository on the Hub",
    )
    parser.add_argument(
        "--check", action="store_true", help="read every finished shard and compare its hash"
    )
    parser.add_argument(
        "--repo-id", metavar="OWNER/NAME", help="also show how far this repository is"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the status."""
    from builder.cli.hub_options import remote_name, remote_or_folder
    from builder.files import canonical_json
    from ld_portrait_20k.common.exit_codes import DONE, UNFINISHED

    remote = remote_or_folder(options.dataset)
    local = _local(options) if remote is None else None
    if remote is None and options.repo_id is not None:
        remote = remote_name(options.repo_id) or (options.repo_id, "main")
    published = _remote(*remote) if remote is not None else None
    if options.json:
        say(canonical_json({**(local or {}), **({"hub": published} if published else {})}))
    else:
        if local is not None:
            _print_local(local)
        if published is not None:
            _print_remote(published)
    unfinished = local is not None and local["state"] == "unfinished"
    if local is None and published is not None:
        unfinished = published["state"] != "published"
    return UNFINISHED if unfinished else DONE


def _local(options: argparse.Namespace) -> dict[str, Any]:
    from builder.engines.slurm_queue import queued
    from builder.pipeline.status import require

    folder = Path(options.dataset)
    found = require(folder, check=options.check).to_dict()
    if found["state"] == "unfinished":
        found["queued"] = queued(folder)
    return found


def _remote(repo_id: str, revision: str) -> dict[str, Any]:
    from builder.hub import remote_status

    return remote_status(repo_id, revision).to_dict()


def _print_local(found: dict[str, Any]) -> None:
    say(
        f"{found['output']}: {found['state']} ({printable(found['generator'], 80)}, "
        f"plan {printable(found['plan_hash'][:16])})"
    )
    say(f"shards    {found['shards_built']} of {found['shards_planned']} built")
    if found["shards_verified"] is not None:
        say(f"          {found['shards_verified']} verified")
    say(f"samples   {found['accepted']} accepted of {found['planned']} planned")
    for reason, count in found["rejected"].items():
        say(f"rejected  {printable(reason, 80)} {count}")
    if found["samples_a_minute"] is not None:
        say(f"rate      {found['samples_a_minute']:.1f} samples a minute")
    if found["minutes_left"] is not None:
        say(f"left      {found['minutes_left']:.0f} minutes")
    jobs = found.get("queued")
    for job, states in (jobs or {}).items():
        listed = ", ".join(f"{count} {state.lower()}" for state, count in states.items())
        say(f"{'queued   ' if job == 'array' else 'then     '} Slurm: {listed}")
    if jobs == {}:
        say("queued    nothing: the Slurm jobs of the last submission are over")
    if found["state"] == "unfinished" and not jobs:
        say("next: the same command as before goes on")


def _print_remote(found: dict[str, Any]) -> None:
    where = f"{found['repo_id']}@{found['revision']}"
    if found["state"] == "published":
        tags = f", tags {printable(', '.join(found['tags']))}" if found["tags"] else ""
        say(
            f"{where}: published, {found['samples']} samples in {found['shards']} shards, "
            f"{found['bytes'] / 2**20:.1f} MiB{tags}"
        )
    else:
        say(f"{where}: {found['state']}")
    if found["uploading"]:
        size = found["uploading_bytes"] / 2**20
        say(f"uploading {found['uploading']} shards committed to staging, {size:.1f} MiB")
