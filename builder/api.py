"""The builder from Python, with plain options."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

_RUN_FIELDS: Final = ("workers", "device", "decode_memory_gib")


def regenerate(output: Path, **options: Any) -> Path:
    """Build a dataset, or go on with one.

    Args:
        output: The dataset folder.
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
    return build(plan, Path(output), run).output
