"""From a configuration to the whole plan, before anything is generated."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from builder import plan as planned
from builder.config import BuildConfig
from builder.plan import Plan, PlanRow, Source
from ld_portrait_20k import schema
from ld_portrait_20k.errors import PortraitError

SAMPLES_PER_SHARD = 256
DECIDING_LIBRARIES = ("numpy", "opencv-python-headless", "pillow")


def make_plan(config: BuildConfig) -> Plan:
    """Plan every sample of a dataset.

    Row ``i`` depends on the configuration's seed and on ``i`` alone, so that a larger
    count adds rows and changes none.

    Raises:
        PortraitError: No usable source folder or prompt file, missing model weights.
    """
    rows = tuple(_rows(config))
    shards = config.shards or _default_shards(len(rows))
    return Plan(_header(config, len(rows), shards), _environment(config), rows)


def _rows(config: BuildConfig) -> Iterator[PlanRow]:
    if config.generator == "folder":
        return _folder_rows(config)
    if config.generator == "dataset":
        from builder.generation import dataset

        assert config.source is not None
        return dataset.plan_rows(config.source)
    return _prompt_rows(config)


def _header(config: BuildConfig, count: int, shards: int) -> dict[str, Any]:
    import refinement
    from builder import quality
    from builder.generation import registry

    return {
        "format": planned.FORMAT,
        "name": schema.NAME,
        "schema_version": schema.SCHEMA_VERSION,
        "generator": registry.identity(config),
        "refinement_version": refinement.VERSION,
        "quality_version": quality.VERSION,
        "seed": config.seed,
        "count": count,
        "shards": shards,
        "stages": [[count, shards]],
        "splits": {name: float(share) for name, share in config.splits.items()},
        "foreground_format": config.foreground_format,
        "attempts": config.attempts,
        "reject": config.reject,
        **_continued(config),
        "licence": config.licence,
        "origin": config.origin,
    }


def _continued(config: BuildConfig) -> dict[str, Any]:
    """The subsets to write, and the versions that came before."""
    if config.generator == "dataset":
        from builder.generation import dataset

        assert config.source is not None
        subsets = dataset.open_manifest(config.source).subsets()
        return {"subsets": subsets, "history": dataset.history(config.source)}
    has_truth = config.generator == "procedural" and config.damage > 0
    raw, truth = ["raw"] if config.keep_raw else [], ["truth"] if has_truth else []
    return {"subsets": ["default", *raw, *truth], "history": []}


def _environment(config: BuildConfig) -> dict[str, str]:
    libraries: tuple[str, ...] = DECIDING_LIBRARIES
    if config.generator == "layer-diffusion":
        libraries += ("torch", "diffusers", "transformers")
    found = {"python": platform.python_version()}
    for name in libraries:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # cv2 may come from another of its wheels
            found[name] = "unknown"
    return found


def _prompt_rows(config: BuildConfig) -> Iterator[PlanRow]:
    from builder.prompts import grammar

    assert config.count is not None
    own = _own_prompts(config.prompts) if config.prompts is not None else None
    if own is not None and len(own) < config.count:
        raise PortraitError(
            f"{config.prompts}: {len(own)} prompts for {config.count} samples; "
            f"mend: --count {len(own)}, or more prompts"
        )
    for index in range(config.count):
        identity = schema.sample_id(index)
        if own is None:
            prompt = grammar.prompt_at(index, config.seed)
            text, negative, attributes = prompt.text, prompt.negative, prompt.attributes
        else:
            text, negative, attributes = own[index], grammar.NEGATIVE_PROMPT, {}
        yield PlanRow(
            id=identity,
            split=planned.split_of(identity, config.splits),
            prompt=text,
            negative_prompt=negative if config.generator == "layer-diffusion" else None,
            attributes=dict(attributes),
            seed=planned.derive_seed(config.seed, "sample", identity),
            width=config.width,
            height=config.height,
        )


def _own_prompts(path: Path) -> list[str]:
    from builder.prompts import reading

    return reading.read_prompt_list(path)


def _folder_rows(config: BuildConfig) -> Iterator[PlanRow]:
    from builder.generation import folder
    from builder.prompts import reading
    from ld_portrait_20k.manifest import file_sha256

    assert config.source is not None
    found = folder.list_pictures(config.source)
    prompts: Mapping[str, str] = reading.read_prompts(config.prompts) if config.prompts else {}
    for index, relative in enumerate(found[: config.count]):
        path = config.source / relative
        identity = schema.sample_id(index)
        stem = path.stem
        by_path = relative.rsplit(".", 1)[0]
        prompt = prompts.get(by_path) or prompts.get(stem) or reading.sidecar_prompt(path) or ""
        yield PlanRow(
            id=identity,
            split=planned.split_of(identity, config.splits),
            prompt=prompt,
            negative_prompt=None,
            attributes={},
            seed=planned.derive_seed(config.seed, "sample", identity),
            width=0,
            height=0,
            source=Source(stem, relative, file_sha256(path)),
        )


def _default_shards(count: int) -> int:
    shards = 1
    while count > shards * SAMPLES_PER_SHARD:
        shards *= 2
    return shards
