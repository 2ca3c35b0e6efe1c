"""From a configuration to the whole plan, before anything is generated.

Planning happens here and only here: the command that a person types plans once, and every
other process (ranks, devices, tasks of a cluster, finishing) reads the plan that is saved in
the output's work folder. Planning needs no GPU, no torch and none of the weights.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from builder import plan as planned
from builder.config import WITHOUT_PROMPTS, BuildConfig
from builder.files import WORK_FOLDER
from builder.pipeline.environment import library_versions
from builder.pipeline.output_folder import check_output, freeze, refuse_foreign
from builder.pipeline.run_options import RunOptions
from builder.pipeline.source_index import known_hashes
from builder.plan import Plan, PlanRow, SourceFile
from ld_portrait_20k.codec import png_writing
from ld_portrait_20k.common.locks import held
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import schema

if TYPE_CHECKING:
    from builder.prompts.vocabulary import Vocabulary

LOGGER: Final = logging.getLogger(__name__)
SAMPLES_PER_SHARD: Final = 256
"""At most, where no number of shards is given; chosen by eye."""


def plan_for_output(config: BuildConfig, output: Path, run: RunOptions | None = None) -> Plan:
    """The plan to build in an output folder: a new one, or the one that is saved there.

    Where a plan is saved already, the configuration is planned only to compare: files of a
    source folder that did not change since are not hashed again, and a larger count adds a
    stage to the saved plan and changes nothing before.

    Ranks that are started side by side take turns: the first one plans and saves, the others
    find its plan. Of a single process nothing is written here.

    Args:
        config: What to build.
        output: The dataset folder; need not exist.
        run: How it will be run. Its device decides what dtype ``auto`` stands for.

    Raises:
        PortraitError: As :func:`make_plan` and
            :func:`builder.pipeline.output_folder.check_output`.
    """
    run = run or RunOptions.for_config(config)
    if run.world_size == 1:
        return compare_with_saved(config, output, run)
    refuse_foreign(output)  # before the lock makes the folder
    folder = output / WORK_FOLDER
    with (
        held(folder / "lock", str(output), shared=True),
        held(folder / "lock.plan", str(output), wait=True),
    ):
        plan = compare_with_saved(config, output, run)
        freeze(output, plan, run.source, at_once=run.units_twice())
    return plan


def compare_with_saved(
    config: BuildConfig, output: Path, run: RunOptions, *, allow_unresolved: bool = False
) -> Plan:
    """Plan a configuration and settle it with the plan that is saved in an output folder.

    Args:
        config: What to build.
        output: The dataset folder; need not exist, and nothing is written to it.
        run: How it will be run.
        allow_unresolved: As for :func:`make_plan`.

    Returns:
        The saved plan where it means the same, the saved one with a stage added where the
        configuration asks for more samples, else a new one.

    Raises:
        PortraitError: As :func:`plan_for_output`.
    """
    refuse_foreign(output)
    saved = Plan.load(output / WORK_FOLDER)
    known: Mapping[str, str] = {}
    if saved is not None and run.source is not None:
        known = known_hashes(output / WORK_FOLDER, saved, run.source)
    plan = make_plan(config, run.device, known=known, allow_unresolved=allow_unresolved)
    if any(model["sha256"] is None for model in plan.models):
        # A dry run that cannot ask for the models' hashes compares everything else.
        if saved is not None:
            awaited = planned.with_models(plan, saved)
            check_output(output, planned.settle(saved, awaited, config.shards))
        return plan
    if saved is not None:
        plan = planned.settle(saved, plan, config.shards)
    check_output(output, plan)
    return plan


def make_plan(
    config: BuildConfig,
    device: str = "auto",
    *,
    known: Mapping[str, str] | None = None,
    allow_unresolved: bool = False,
) -> Plan:
    """Plan every sample of a dataset.

    Row ``i`` depends on the configuration's seed and on ``i`` alone, so that a larger
    count adds rows and changes none.

    Args:
        config: What to build.
        device: Where it will be generated; it need not be there now.
        known: Relative path to SHA-256 of source files that need not be hashed again.
        allow_unresolved: Whether models of which neither cache nor Hub tells the hashes
            are left without them, for a dry run; such a plan cannot be built.

    Raises:
        PortraitError: No usable source folder or prompt file, models that do not exist.
    """
    from builder.generation import registry

    quality = _quality(config)
    spec = registry.generator_spec(config, device, allow_unresolved=allow_unresolved)
    vocabulary = _vocabulary(config)
    rows = tuple(_rows(config, vocabulary, known or {}))
    _tell_of_empty_splits(config, rows)
    shards = config.shards or _default_shards(len(rows))
    header = _header(config, spec, quality, vocabulary, len(rows), shards)
    return Plan(header, library_versions(spec), rows)


def _tell_of_empty_splits(config: BuildConfig, rows: Sequence[PlanRow]) -> None:
    """Say which splits get no sample: an id's hash decides, so a small count may leave one out."""
    filled = {row.split for row in rows}
    empty = [name for name in schema.SPLITS if name in config.splits and name not in filled]
    if empty:
        LOGGER.warning(
            "--splits: no sample for %s among %d; try: a larger share or a larger --count",
            " and ".join(empty),
            len(rows),
        )


def _quality(config: BuildConfig) -> dict[str, Any]:
    """The plan's section on quality control; every added rule is imported once."""
    from builder.quality import QualityControl, Thresholds

    thresholds = Thresholds.from_values(config.quality)
    return QualityControl.from_names(thresholds, config.quality_rules).to_dict()


def _vocabulary(config: BuildConfig) -> Vocabulary | None:
    """What prompts are made of; None where they are given, or there are none."""
    if config.generator in WITHOUT_PROMPTS or config.prompts is not None:
        return None
    from builder.generation import registry
    from builder.prompts.vocabulary import default_vocabulary, load_vocabulary

    assert config.count is not None
    if config.vocabulary is None:
        vocabulary = default_vocabulary()
    else:
        vocabulary = load_vocabulary(config.vocabulary)
        registry.entry_named(config.generator).check_values(vocabulary.values)
    if config.count > vocabulary.capacity:
        raise PortraitError(
            f"--count {config.count}: the vocabulary has phrases for {vocabulary.capacity:,} "
            "different prompts; try: a smaller --count, or --vocabulary with more phrases"
        )
    return vocabulary


def _rows(
    config: BuildConfig, vocabulary: Vocabulary | None, known: Mapping[str, str]
) -> Iterator[PlanRow]:
    if config.generator == "folder":
        return _folder_rows(config, known)
    if config.generator == "dataset":
        from builder.generation import dataset

        assert config.source is not None
        return dataset.plan_rows(config.source)
    return _prompt_rows(config, vocabulary)


def _header(
    config: BuildConfig,
    generator_spec: Mapping[str, Any],
    quality: Mapping[str, Any],
    vocabulary: Vocabulary | None,
    count: int,
    shards: int,
) -> dict[str, Any]:
    import refinement
    from builder.quality import VERSION

    return {
        "format": planned.FORMAT,
        "name": schema.NAME,
        "schema_version": schema.SCHEMA_VERSION,
        "generator": dict(generator_spec),
        "refinement_version": refinement.VERSION,
        "quality_version": VERSION,
        "quality": dict(quality),
        "png_version": png_writing.VERSION,
        "vocabulary": None if vocabulary is None else vocabulary.sha256,
        "seed": config.seed,
        "count": count,
        "shards": shards,
        "stages": [[count, shards]],
        "splits": {name: float(share) for name, share in config.splits.items()},
        "foreground_format": config.foreground_format,
        "attempts": config.attempts,
        "reject": config.reject,
        **_continued(config, generator_spec),
        "licence": config.licence,
        "origin": config.origin,
        **({"contact": config.contact} if config.contact else {}),
    }


def _continued(config: BuildConfig, generator_spec: Mapping[str, Any]) -> dict[str, Any]:
    """The subsets to write, and the versions that came before."""
    if config.generator == "dataset":
        from builder.generation import dataset

        assert config.source is not None
        manifest = dataset.open_manifest(config.source)
        return {"subsets": manifest.subsets(), "history": dataset.history(manifest)}
    from builder.generation import registry

    truth = ["truth"] if registry.gives_truth(generator_spec) else []
    raw = ["raw"] if config.keep_raw else []
    return {"subsets": ["default", *raw, *truth], "history": []}


def _prompt_rows(config: BuildConfig, vocabulary: Vocabulary | None) -> Iterator[PlanRow]:
    from builder.generation import registry
    from builder.prompts import grammar
    from builder.prompts.vocabulary import default_vocabulary

    assert config.count is not None
    own = _own_prompts(config.prompts) if config.prompts is not None else None
    entry = registry.entry_named(config.generator)
    if own is not None and len(own) < config.count:
        raise PortraitError(
            f"{config.prompts}: {len(own)} prompts for {config.count} samples; "
            f"try: --count {len(own)}, or more prompts"
        )
    for index in range(config.count):
        sample_id = schema.sample_id(index)
        seed = planned.derive_seed(config.seed, "sample", sample_id)
        if own is None:
            prompt = grammar.prompt_at(index, config.seed, vocabulary)
            text, negative, attributes = prompt.text, prompt.negative, prompt.attributes
        else:
            text, negative = own[index], default_vocabulary().negative_prompt
            try:
                attributes = entry.attributes_of(text, seed)
            except PortraitError as problem:
                raise PortraitError(
                    f"{config.prompts}: prompt {index + 1}, {text!r:.100}: {problem}"
                ) from None
        yield PlanRow(
            id=sample_id,
            split=planned.split_of(sample_id, config.splits),
            prompt=text,
            negative_prompt=negative if entry.reads_negative_prompt else None,
            attributes=dict(attributes),
            seed=seed,
            width=config.width,
            height=config.height,
        )


def _own_prompts(path: Path) -> list[str]:
    from builder.prompts import reading

    return reading.read_prompt_list(path)


def _folder_rows(config: BuildConfig, known: Mapping[str, str]) -> Iterator[PlanRow]:
    from builder.generation import folder
    from builder.prompts import matching, reading

    assert config.source is not None
    found = folder.list_pictures(config.source)
    if config.count is not None and config.count > len(found):
        raise PortraitError(
            f"{config.source}: {len(found)} pictures for {config.count} samples; "
            f"try: --count {len(found)}, or no --count to take every picture"
        )
    prompts: Mapping[str, str] = {}
    if config.prompts is not None:
        given = reading.read_prompts(config.prompts)
        prompts = matching.match_prompts(given, found, config.prompts)
    for index, relative in enumerate(found[: config.count]):
        path = folder.locate(config.source, relative)
        sample_id = schema.sample_id(index)
        prompt = prompts.get(relative) or reading.sidecar_prompt(path) or ""
        yield PlanRow(
            id=sample_id,
            split=planned.split_of(sample_id, config.splits),
            prompt=prompt,
            negative_prompt=None,
            attributes={},
            seed=planned.derive_seed(config.seed, "sample", sample_id),
            width=0,
            height=0,
            source=_source_file(config.source, relative, known),
        )


def _source_file(source: Path, relative: str, known: Mapping[str, str]) -> SourceFile:
    from builder.generation import folder

    digest = known.get(relative) or folder.file_hash(source, relative)
    return SourceFile(Path(relative).stem, relative, digest)


def _default_shards(count: int) -> int:
    shards = 1
    while count > shards * SAMPLES_PER_SHARD:
        shards *= 2
    return shards
