"""The builder from Python, with plain options."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def regenerate(output: Path, **options: Any) -> Path:
    """Build a dataset, or go on with one.

    Args:
        output: The dataset folder.
        options: ``preset``, ``workers`` and the fields of
            :class:`builder.config.BuildConfig`; ``size`` (one number or ``"WxH"``) stands
            for width and height, and paths may be text.

    Returns:
        The dataset folder, complete.

    Raises:
        PortraitError: As :func:`builder.pipeline.build.build`; also an option that does not exist.
    """
    from builder.config import BuildConfig, configure, parse_size
    from builder.pipeline.build import build
    from builder.pipeline.unit_builder import RunOptions
    from ld_portrait_20k.errors import PortraitError

    preset = options.pop("preset", None)
    workers = options.pop("workers", None)
    if "size" in options:
        options["width"], options["height"] = parse_size(str(options.pop("size")))
    unknown = set(options) - set(BuildConfig.__dataclass_fields__)
    if unknown:
        raise PortraitError(
            f"no such builder option: {', '.join(sorted(unknown))}; "
            f"there are preset, workers, size, {', '.join(BuildConfig.__dataclass_fields__)}"
        )
    for name in ("source", "prompts"):
        if options.get(name) is not None:
            options[name] = Path(options[name])
    config = configure(preset, **options)
    return build(config, Path(output), RunOptions(workers=workers)).output
