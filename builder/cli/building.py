"""Building from the command line: dry run, progress, devices, the report at the end."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builder.config import BuildConfig
    from builder.hub import Uploader
    from builder.pipeline.build import BuildReport


def build_and_report(config: BuildConfig, options: argparse.Namespace) -> int:
    """Build what a configuration says, and say what came of it.

    Args:
        config: What to build.
        options: How: ``output``, ``workers``, ``dry_run``, ``json`` and, where the command
            has them, ``rank``, ``world_size`` and ``device``.

    Returns:
        The exit code.

    Raises:
        PortraitError: As :func:`builder.pipeline.build.build`.
    """
    from tqdm import tqdm

    from builder import hub
    from builder.cli.hub_options import print_published
    from builder.engines.devices import run_on_devices
    from builder.files import canonical_json
    from builder.pipeline.build import Part, build
    from builder.pipeline.unit_builder import RunOptions
    from builder.plan import Plan
    from ld_portrait_20k.errors import PortraitError

    if options.workers is not None and not 0 <= options.workers <= 1024:
        raise PortraitError("--workers is 0 to 1024")
    if options.dry_run:
        return _dry_run(config, options)
    rank, world_size = getattr(options, "rank", 0), getattr(options, "world_size", 1)
    bar: tqdm[Any] = tqdm(disable=None, unit="portrait", file=sys.stderr)

    def on_plan(plan: Plan, done: int) -> None:
        bar.reset(total=-(-len(plan.rows) // world_size))
        bar.update(done)

    run_options = RunOptions(
        workers=options.workers, rank=rank, world_size=world_size, on_sample=bar.update
    )
    devices = (getattr(options, "device", None) or "").split(",")
    with ExitStack() as stack:
        uploader = _open_uploader(options, stack)
        if uploader is not None:
            run_options.on_shard = uploader.add
        part: Part = "all"
        if len(devices) > 1:
            config = replace_device(config, devices[0])
            watch = _Watch(config, options.output, uploader) if uploader else None
            run_on_devices(options.arguments, devices, rank, world_size, watch or (lambda: None))
            part = "finish"  # every shard of ours is there now
        stack.enter_context(bar)
        report = build(config, options.output, run_options, part=part, on_plan=on_plan)
        bar.close()
        if report.manifest is None:
            if uploader is not None:
                uploader.wait()
            print(
                f"rank {rank}: its {report.run.built + report.run.found} shards are done; "
                f"{report.waiting_for} of other ranks are not; the last rank done finishes"
            )
            return 0
        published = hub.finish_publication(options.output, uploader) if uploader is not None else None
    figures = _as_json(report)
    if options.json:
        more = {"published": published.to_dict()} if published else {}
        print(canonical_json({**figures, **more}))
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


class _Watch:
    """Hands the shards that other processes finish to an uploader."""

    def __init__(self, config: BuildConfig, output: Path, uploader: Uploader) -> None:
        from builder.pipeline.build import plan_for
        from builder.pipeline.work_folder import WorkFolder

        plan, _ = plan_for(config, output)
        self._work = WorkFolder(output, plan)
        self._open = plan.units()
        self._uploader = uploader

    def __call__(self) -> None:
        for unit in list(self._open):
            result = self._work.load(unit, check=False)
            if result is not None:
                self._open.remove(unit)
                for shard in self._work.final_shards(unit, result):
                    self._uploader.add(*shard)


def replace_device(config: BuildConfig, device: str) -> BuildConfig:
    """The configuration for one of several devices."""
    from dataclasses import replace

    return replace(config, layer_diffusion={**config.layer_diffusion, "device": device})


def _dry_run(config: BuildConfig, options: argparse.Namespace) -> int:
    from builder.cli.options import plan_summary, print_plan
    from builder.files import canonical_json
    from builder.pipeline.build import plan_for

    device = config.layer_diffusion.get("device")
    if device:
        config = replace_device(config, device.split(",")[0])
    plan, saved = plan_for(config, options.output)
    summary = {**plan_summary(plan), "output": str(options.output), "begun": saved is not None}
    if options.json:
        print(canonical_json(summary))
    else:
        print_plan(summary)
        print(f"output     {options.output}" + (" (begun)" if saved else ""))
        print("nothing was built; the same command without --dry-run builds it")
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


def _print(report: BuildReport, figures: dict[str, Any]) -> None:
    if report.was_complete:
        print(f"{report.output}: already complete")
    size = figures["bytes"] / 2**20
    others = list(report.plan.subsets)[1:]
    more = f" with {' and '.join(others)}" if others else ""
    print(
        f"{figures['samples']} of {figures['planned']} portraits ({figures['generator']}) in "
        f"{figures['shards']} shards, {size:.1f} MiB{more}: {report.output}"
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
