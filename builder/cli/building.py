"""Building from the command line: dry run, progress, devices, the report at the end."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ld_portrait_20k.common.printable import say

if TYPE_CHECKING:
    from builder.config import BuildConfig
    from builder.hub import Uploader
    from builder.pipeline.build import BuildReport, Part
    from builder.pipeline.run_options import RunOptions
    from builder.plan import Plan


def build_and_report(
    plan: Plan,
    run: RunOptions,
    options: argparse.Namespace,
    *,
    devices: Sequence[str] = (),
    part: Part = "all",
) -> int:
    """Build a plan, and say what came of it.

    Args:
        plan: What to build.
        run: How.
        options: Where to: ``output``, ``json`` and, where the command has them, those of
            publishing.
        devices: Two or more run a process each.
        part: ``finish`` where an engine has made the shards.

    Returns:
        The exit code.

    Raises:
        PortraitError: As :func:`builder.pipeline.build.build`.
    """
    from builder import hub
    from builder.cli.hub_options import print_published
    from builder.engines.devices import run_on_devices
    from builder.files import canonical_json
    from builder.pipeline.build import build
    from ld_portrait_20k.common.progress import progress_bar

    bar = progress_bar(unit=" portraits")
    run = run.shown_by(bar)
    with ExitStack() as stack:
        uploader = _open_uploader(options, stack)
        if uploader is not None:
            run = replace(run, on_shard=uploader.add)
        if len(devices) > 1:
            shards = _FinishedShards(plan, options.output, uploader) if uploader else None
            run_on_devices(plan, options.output, devices, run, shards or (lambda: None))
            part = "finish"  # every shard of ours is there now
        stack.enter_context(bar)
        report = build(plan, options.output, run, part=part)
        bar.close()
        if report.manifest is None:
            if uploader is not None:
                uploader.wait()
            say(
                f"rank {run.rank}: its {report.run.built + report.run.found} shards are done; "
                f"{report.waiting_for} of other ranks are not; the last rank done finishes"
            )
            return 0
        published = None
        if uploader is not None:
            published = hub.finish_publication(options.output, uploader)
    figures = _as_json(report)
    if options.json:
        more = {"published": published.to_dict()} if published else {}
        say(canonical_json({**figures, **more}))
        return 0
    _print(report, figures)
    if published is not None:
        print_published(published)
    return 0


def _open_uploader(options: argparse.Namespace, stack: ExitStack) -> Uploader | None:
    """The uploader that ``--push-to-hub`` asks for, signed in before anything is built."""
    repo_id = getattr(options, "push_to_hub", None)
    if repo_id is None:
        return None
    from builder.cli.hub_options import UploadBar, hub_keywords
    from builder.hub import Uploader

    bar = UploadBar()
    stack.callback(bar.close)
    return stack.enter_context(Uploader(repo_id or None, progress=bar, **hub_keywords(options)))


class _FinishedShards:
    """Hands the shards that other processes finish to an uploader."""

    def __init__(self, plan: Plan, output: Path, uploader: Uploader) -> None:
        from builder.pipeline.work_folder import WorkFolder

        self._work = WorkFolder(output, plan)
        self._open = list(plan.units())
        self._uploader = uploader

    def __call__(self) -> None:
        for unit in list(self._open):
            result = self._work.load(unit, check=False)
            if result is not None:
                self._open.remove(unit)
                for shard in self._work.final_shards(unit, result):
                    self._uploader.add(*shard)


def dry_run(config: BuildConfig, run: RunOptions, options: argparse.Namespace) -> int:
    """Plan, print what a build would make and need, and write nothing.

    Raises:
        PortraitError: As :func:`builder.pipeline.planner.plan_for_output`.
    """
    from builder.cli.plan_report import needs, plan_summary, print_needs, print_plan
    from builder.files import WORK_FOLDER, canonical_json
    from builder.pipeline.output_folder import finished
    from builder.pipeline.planner import compare_with_saved
    from builder.plan import HEADER_FILE

    plan = compare_with_saved(config, options.output, run, allow_unresolved=True)
    begun = (options.output / WORK_FOLDER / HEADER_FILE).exists()
    complete = begun and finished(options.output, plan) is not None
    summary = {**plan_summary(plan), "output": str(options.output), "begun": begun}
    summary["complete"] = complete
    devices = len((getattr(options, "device", None) or "auto").split(","))
    needed = needs(plan, run.units_twice(devices))
    if options.json:
        say(canonical_json({**summary, "needs": needed}))
        return 0
    print_plan(summary)
    print_needs(needed)
    state = " (complete)" if complete else " (begun)" if begun else ""
    say(f"output     {options.output}{state}")
    if complete:
        say("nothing is left to build")
    else:
        say("nothing was built; the same command without --dry-run builds it")
    return 0


def _as_json(report: BuildReport) -> dict[str, Any]:
    from ld_portrait_20k.format import schema

    manifest = report.manifest
    assert manifest is not None
    return {
        "output": str(report.output),
        "plan_hash": manifest.plan_hash,
        "generator": manifest.generator,
        "planned": len(report.plan.rows),
        "samples": sum(manifest.splits.values()),
        # A split whose samples were all rejected has no shard, and is reported all the same.
        "splits": {
            split: manifest.splits.get(split, 0)
            for split in schema.SPLITS
            if split in report.plan.header["splits"]
        },
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


def _print(report: BuildReport, figures: dict[str, Any]) -> None:
    if report.was_complete:
        say(f"{report.output}: already complete")
    size = figures["bytes"] / 2**20
    others = list(report.plan.subsets)[1:]
    more = f" with {' and '.join(others)}" if others else ""
    say(
        f"{figures['samples']} of {figures['planned']} portraits ({figures['generator']}) in "
        f"{figures['shards']} shards, {size:.1f} MiB{more}: {report.output}"
    )
    for title, counts in (("rejected", report.rejected), ("tried again", report.retried)):
        if counts:
            listed = ", ".join(f"{reason} {count}" for reason, count in counts.items())
            say(f"{title}: {listed} (details: {report.output}/rejected.jsonl)")
    empty = [split for split, samples in figures["splits"].items() if not samples]
    if empty:
        say(f"no samples in the split {' and '.join(empty)}: it has no shards")
    if report.fidelity:
        say(
            "refinement against exact alpha, mean of all samples: "
            "SAD {raw_sad:.3f} -> {refined_sad:.3f} thousand px, "
            "MSE {raw_mse:.3f} -> {refined_mse:.3f} x 1e-3".format(**report.fidelity)
        )
    say(f"next: {shlex.join(['python', '-m', 'builder', 'verify', str(report.output)])}")
    script = f"import datasets; print(datasets.load_dataset({str(report.output)!r}))"
    say(f"      {_quoted('python', '-c', script)}")


def _quoted(*words: str) -> str:
    """A command for the shell; in double quotes where that is enough, as people write it."""
    plain = [word for word in words if not set(word) & set('"$`\\!')]
    return " ".join(
        f'"{word}"' if word in plain and shlex.quote(word) != word else shlex.quote(word)
        for word in words
    )
