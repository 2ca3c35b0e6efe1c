"""``python -m builder refine``: refine the raw pictures of a dataset again."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ld_portrait_20k.common.printable import say


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "refine",
        help="refine the raw pictures of a dataset again, with this version",
        description="Make a new version of a built or downloaded dataset: refine its raw subset "
        "with the installed version of the refinement, which is recorded. Nothing is generated "
        "again; ids, prompts, seeds and splits stay.",
        epilog="next: python -m builder verify, preview and publish on the new folder",
    )
    from builder.cli.options import add_json, add_quality_options

    parser.add_argument(
        "dataset", type=Path, metavar="DIR", help="dataset folder with a raw subset"
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="new folder (DATASET-refined-VERSION)"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="CPU processes (one a core)")
    parser.add_argument("--dry-run", action="store_true", help="show the plan and stop")
    add_quality_options(
        parser.add_argument_group("quality control (default: as the dataset was built)")
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Refine again and say what came of it."""
    from builder.cli.building import build_and_report, dry_run
    from builder.cli.options import thresholds_from
    from builder.config import BuildConfig
    from builder.generation import dataset
    from builder.pipeline.planner import plan_for_output
    from builder.pipeline.run_options import RunOptions
    from refinement import VERSION

    manifest = dataset.open_manifest(options.dataset)
    root = options.dataset.resolve()
    if options.output is None:
        options.output = root.with_name(f"{root.name}-refined-{VERSION}")
        say(f"output: {options.output}", error=True)
    before = manifest.about.get("plan", {})
    quality = before.get("quality", {"added_rules": []})
    config = BuildConfig(
        generator="dataset",
        count=None,
        source=root,
        shards=len(manifest.select(dataset.SUBSET)),
        splits=dataset.shares(manifest),
        foreground_format=manifest.foreground_format,
        reject=bool(before.get("reject", True)),
        quality=thresholds_from(options, quality.get("thresholds")),
        quality_rules=options.quality_rule or [rule["path"] for rule in quality["added_rules"]],
        licence=before.get("licence"),
        origin=before.get("origin"),
        contact=before.get("contact"),
    )
    run_options = RunOptions.for_config(config, workers=options.workers)
    if options.dry_run:
        return dry_run(config, run_options, options)
    plan = plan_for_output(config, options.output, run_options)
    return build_and_report(plan, run_options, options)
