"""``python -m builder regenerate``: the main job."""

from __future__ import annotations

import argparse
from typing import Any

_EPILOG = """\
examples:
  python -m builder regenerate --output demo
  python -m builder regenerate --generator folder --source cutouts --prompts prompts.json
  python -m builder regenerate --preset ld-portrait-20k --splits train=0.98,test=0.02

The same command again goes on where it stood: a finished shard is never made twice. Another
plan in the same folder is refused, and the field that differs is named.
"""


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "regenerate",
        help="build the dataset, or go on building it",
        description="Plan, generate, refine, judge, encode, pack and describe a dataset.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    from builder.cli.cluster_options import add_cluster_options
    from builder.cli.hub_options import add_hub_options
    from builder.cli.options import (
        add_build_options,
        add_json,
        add_layer_diffusion_options,
        add_output,
    )

    add_build_options(parser)
    add_layer_diffusion_options(parser)
    group = parser.add_argument_group("how to run it (none of it changes a byte)")
    add_output(group)
    group.add_argument(
        "--workers", type=int, metavar="N", help="CPU processes (default: one a core; 0: this one)"
    )
    group.add_argument(
        "--rank", type=int, default=0, metavar="R", help="number of this process among several"
    )
    group.add_argument(
        "--world-size",
        type=int,
        default=1,
        metavar="W",
        help="processes that share the output folder, each started with its own --rank; each "
        "builds every W-th shard, the last one done finishes the dataset",
    )
    group.add_argument("--dry-run", action="store_true", help="show the plan and stop")
    add_json(group)
    parser.add_argument(
        "--push-to-hub",
        nargs="?",
        const="",
        metavar="OWNER/NAME",
        help="publish too, finished shards while later ones are built (YOU/ld-portrait-20k)",
    )
    parser.add_argument(
        "--no-push-to-hub",
        dest="push_to_hub",
        action="store_const",
        const=None,
        help="do not publish (default)",
    )
    add_hub_options(parser)
    add_cluster_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Plan once, build, and say what came of it."""
    from builder.cli.building import build_and_report, dry_run
    from builder.cli.cluster_options import cluster_options, explain_tasks, run_on_cluster
    from builder.cli.options import config_from, devices_from, run_options_from
    from builder.engines.cluster import check_engine
    from builder.hub.names import check_names
    from builder.pipeline.planner import plan_for_output

    if options.push_to_hub is not None:
        check_names(options.push_to_hub or None, options.revision, options.tag)
    config = config_from(options)
    run_options = run_options_from(config, options)
    where = cluster_options(config, options)
    if where is not None:
        check_engine(options.output, run_options, where, submitting=not options.dry_run)
    if options.dry_run and where is None:
        return dry_run(config, run_options, options)
    plan = plan_for_output(config, options.output, run_options)
    if where is None:
        return build_and_report(plan, run_options, options, devices=devices_from(options))
    if options.dry_run:
        explain_tasks(plan, run_options, where, options)
        return 0
    if not run_on_cluster(plan, run_options, where, options):
        return 0
    return build_and_report(plan, run_options, options, part="finish")
