"""The builder from Python, with plain options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from builder.pipeline.run_options import RunOptions
    from builder.plan import Plan

_RUN_FIELDS: Final = ("workers", "device", "decode_memory_gib")


def regenerate(output: Path, *, progress: bool = False, **options: Any) -> Path:
    """Build a dataset, or go on with one.

    Args:
        output: The dataset folder.
        progress: Whether to say on standard error where the dataset lies and how far it is.
        options: ``preset``, ``workers``, ``device``, ``decode_memory_gib`` and the fields of
            :class:`builder.config.BuildConfig`; ``size`` (one number or ``"WxH"``) stands
            for width and height, and paths may be text.

    Returns:
        The dataset folder, complete.

    Raises:
        PortraitError: As :func:`builder.pipeline.build.build`; also an option that does not exist.
    """
    from builder.config import BuildConfig, configure, parse_size
    from builder.pipeline.build import build
    from builder.pipeline.planner import plan_for_output
    from builder.pipeline.run_options import RunOptions
    from ld_portrait_20k.errors import PortraitError

    preset = options.pop("preset", None)
    run_fields = {name: options.pop(name) for name in _RUN_FIELDS if name in options}
    if "size" in options:
        options["width"], options["height"] = parse_size(str(options.pop("size")))
    unknown = set(options) - set(BuildConfig.__dataclass_fields__)
    if unknown:
        raise PortraitError(
            f"no such builder option: {', '.join(sorted(unknown))}; there are preset, size, "
            f"{', '.join((*_RUN_FIELDS, *BuildConfig.__dataclass_fields__))}"
        )
    for name in ("source", "prompts", "vocabulary"):
        if options.get(name) is not None:
            options[name] = Path(options[name])
    config = configure(preset, **options)
    run = RunOptions.for_config(config, **run_fields)
    plan = plan_for_output(config, Path(output), run)
    if not progress:
        return build(plan, Path(output), run).output
    return _build_visibly(plan, Path(output), run)


def _build_visibly(plan: Plan, output: Path, run: RunOptions) -> Path:
    from builder.pipeline.build import build
    from builder.pipeline.output_folder import finished
    from ld_portrait_20k.common.printable import say
    from ld_portrait_20k.common.progress import progress_bar

    there = finished(output, plan) is not None
    say(f"{output}: {'built already' if there else 'the dataset is built here'}", error=True)
    if there:
        return build(plan, output, run).output
    with progress_bar(unit=" portraits") as bar:
        return build(plan, output, run.shown_by(bar)).output
