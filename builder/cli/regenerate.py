"""``python -m builder regenerate``: the main job."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builder.build import BuildReport

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
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Build, and say what came of it."""
    from tqdm import tqdm

    from builder.build import build, plan_for
    from builder.cli.options import config_from, plan_summary, print_plan
    from builder.files import canonical_json
    from builder.plan import Plan
    from builder.run import RunOptions
    from ld_portrait_20k.errors import PortraitError

    config = config_from(options)
    if options.workers is not None and not 0 <= options.workers <= 1024:
        raise PortraitError("--workers is 0 to 1024")
    if options.dry_run:
        plan, saved = plan_for(config, options.output)
        summary = {**plan_summary(plan), "output": str(options.output), "begun": saved is not None}
        if options.json:
            print(canonical_json(summary))
        else:
            print_plan(summary)
            print(f"output     {options.output}" + (" (begun)" if saved else ""))
            print("nothing was built; the same command without --dry-run builds it")
        return 0

    bar: tqdm[Any] = tqdm(disable=None, unit="portrait", file=sys.stderr)

    def on_plan(plan: Plan, done: int) -> None:
        bar.reset(total=-(-len(plan.rows) // options.world_size))
        bar.update(done)

    run_options = RunOptions(
        workers=options.workers,
        rank=options.rank,
        world_size=options.world_size,
        on_sample=bar.update,
    )
    with bar:
        report = build(config, options.output, run_options, on_plan=on_plan)
    if report.manifest is None:
        print(
            f"rank {options.rank}: its {report.run.built + report.run.found} shards are done; "
            f"{report.waiting_for} of other ranks are not; the last rank done finishes"
        )
    elif options.json:
        print(canonical_json(_as_json(report)))
    else:
        _print(report)
    return 0


def _as_json(report: BuildReport) -> dict[str, Any]:
    manifest = report.manifest
    assert manifest is not None
    return {
        "output": str(report.output),
        "plan_hash": manifest.plan_hash,
        "generator": manifest.generator,
        "planned": len(report.plan.rows),
        "samples": sum(manifest.splits.values()),
        "splits": manifest.splits,
        "shards": len(manifest.select()),
        "bytes": sum(shard.bytes for shard in manifest.shards),
        "rejected": report.rejected,
        "retried": report.retried,
        "fidelity": report.fidelity,
        "was_complete": report.was_complete,
        "units_built": report.run.built,
        "units_found": report.run.found,
        "seconds": {key: round(value, 3) for key, value in report.run.seconds.items()},
    }


def _print(report: BuildReport) -> None:
    figures = _as_json(report)
    if report.was_complete:
        print(f"{report.output}: already complete")
    size = figures["bytes"] / 2**20
    print(
        f"{figures['samples']} of {figures['planned']} portraits ({figures['generator']}) in "
        f"{figures['shards']} shards, {size:.1f} MiB with raw and truth: {report.output}"
    )
    for title, counts in (("rejected", report.rejected), ("tried again", report.retried)):
        if counts:
            listed = ", ".join(f"{reason} {count}" for reason, count in counts.items())
            print(f"{title}: {listed} (details: {report.output}/rejected.jsonl)")
    if report.fidelity:
        print(
            "refinement against exact alpha, mean of all samples: "
            "SAD {raw_sad:.3f} -> {refined_sad:.3f} thousand px, "
            "MSE {raw_mse:.3f} -> {refined_mse:.3f} x 1e-3".format(**report.fidelity)
        )
    print(f"next: python -m builder verify {report.output}")
    print(f"      python -c \"import datasets; print(datasets.load_dataset('{report.output}'))\"")
