"""``python -m ld_portrait_20k info``: what a dataset consists of."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ld_portrait_20k.cli.options import add_command, add_source, resolve_source, show
from ld_portrait_20k.common import exit_codes
from ld_portrait_20k.common.printable import printable
from ld_portrait_20k.format import schema

if TYPE_CHECKING:
    from ld_portrait_20k.format.manifest import Manifest


def add_parser(commands: Any) -> None:
    """Declare the command."""
    add_source(add_command(commands, "info", run, "show what a dataset consists of"))


def run(options: argparse.Namespace) -> int:
    """Print subsets, splits, sizes and origin."""
    source = resolve_source(options)
    manifest = source.manifest()
    subsets = _subsets(manifest)
    body: dict[str, Any] = {
        "source": source.name,
        "commit": getattr(source, "identity", None),
        "generator": manifest.generator,
        "foreground_format": manifest.foreground_format,
        "plan_hash": manifest.plan_hash,
        "subsets": subsets,
        "about": manifest.about,
    }
    lines = [
        printable(source.name),
        f"made by {printable(manifest.generator, 80)}, {manifest.foreground_format} foregrounds, "
        f"plan {printable(manifest.plan_hash[:12])}",
    ]
    if body["commit"]:
        lines.append(f"commit {body['commit']}")
    for subset, splits in subsets.items():
        for split, row in splits.items():
            lines.append(
                f"  {subset:8s} {split:10s} {row['samples']:7d} samples  {row['shards']:4d} shards"
                f"  {row['bytes'] / 2**20:10.1f} MiB"
            )
    show(options, body, lines)
    return exit_codes.DONE


def _subsets(manifest: Manifest) -> dict[str, dict[str, dict[str, int]]]:
    """Samples, shards and bytes of each split of each subset."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for subset in manifest.subsets():
        found[subset] = {}
        for split in schema.SPLITS:
            shards = manifest.select(subset, split)
            if shards:
                found[subset][split] = {
                    "samples": sum(shard.samples for shard in shards),
                    "shards": len(shards),
                    "bytes": sum(shard.bytes for shard in shards),
                }
    return found
