"""``python -m builder plan``: what would be built, sample by sample."""

from __future__ import annotations

import argparse
from typing import Any

from ld_portrait_20k.common.printable import MAX_MESSAGE, printable, say


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "plan",
        help="show what would be built, without building it",
        description="Draw the whole plan (prompts, attributes, seeds, splits) and show it, with "
        "the thresholds of quality control.",
        epilog="next: python -m builder regenerate, with the same options",
    )
    from builder.cli.options import add_build_options, add_json, add_layer_diffusion_options

    add_build_options(parser)
    add_layer_diffusion_options(parser)
    parser.add_argument(
        "--show",
        type=int,
        nargs="?",
        const=5,
        default=5,
        metavar="N",
        help="print the first N prompts (5)",
    )
    parser.add_argument(
        "--rows", action="store_true", help="print every planned sample, a JSON object a line"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make the plan and print it."""
    from dataclasses import asdict

    from builder.cli.options import config_from, devices_from
    from builder.cli.plan_report import needs, plan_summary, print_needs, print_plan, print_quality
    from builder.files import canonical_json
    from builder.pipeline.planner import make_plan

    plan = make_plan(config_from(options), devices_from(options)[0], allow_unresolved=True)
    if options.rows:
        for row in plan.rows:
            say(canonical_json(asdict(row)))
        return 0
    summary, needed = plan_summary(plan), needs(plan)
    if options.json:
        say(canonical_json({**summary, "needs": needed}))
        return 0
    print_plan(summary)
    print_needs(needed)
    print_quality(summary["quality"])
    for row in plan.rows[: max(0, options.show)]:
        say(f"{row.id}  {printable(row.prompt or '(no prompt)', MAX_MESSAGE)}")
    return 0
