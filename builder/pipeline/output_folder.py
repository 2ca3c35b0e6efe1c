"""An output folder: whether a plan may be built there, the plan saved in it, its end."""

from __future__ import annotations

from pathlib import Path

from builder.files import WORK_FOLDER
from builder.pipeline.disk import check_space
from builder.pipeline.environment import first_difference, library_versions
from builder.pipeline.source_index import write_index
from builder.plan import HEADER_FILE, Plan, difference, grows, settle
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format.manifest import FILE_NAME as MANIFEST_NAME
from ld_portrait_20k.format.manifest import Manifest


def check_output(output: Path, plan: Plan) -> Plan | None:
    """Check that a plan may be built in a folder; nothing is written.

    Returns:
        The plan that is saved there, the same or one that ``plan`` adds to; None for a
        fresh folder.

    Raises:
        PortraitError: A file is in the way, the folder holds other things or another plan,
            or it was begun with other versions of libraries.
    """
    refuse_foreign(output)
    saved = Plan.load(output / WORK_FOLDER)
    if saved is None:
        return None
    differing = None if grows(saved, plan) else difference(saved, plan)
    if differing is not None:
        _refuse_few_shards(output, saved, plan)
        again = "the same options as before"
        if differing.partition(" ")[0].endswith("version"):
            again = "the version of this package that began it"
        raise PortraitError(
            f"{output}: was planned otherwise: {differing}; "
            f"try: {again}, or --output another folder"
        )
    here = library_versions(plan.header["generator"])
    name = first_difference(saved.environment, here)
    whole = finished(output, plan) or (not grows(saved, plan) and finished(output, saved))
    if name is not None and not whole:
        raise PortraitError(
            f"{output}: begun with {name} {saved.environment[name]}, here is {here[name]}: bytes "
            "could differ; try: install that version, or --output another folder"
        )
    return saved


def _refuse_few_shards(output: Path, saved: Plan, plan: Plan) -> None:
    """Say what to change where only the number of shards keeps a dataset from growing."""
    shards = sum(count for _, count in saved.stages)
    grown = settle(saved, plan, None)
    if grown is plan or not grows(saved, grown):
        return
    needed = sum(count for _, count in grown.stages)
    raise PortraitError(
        f"{output}: has {len(saved.rows)} samples in {shards} shards, which stay as they are, so "
        f"{len(plan.rows)} samples need more shards than --shards {plan.header['shards']}; "
        f"try: --shards {needed}, or leave --shards out"
    )


def refuse_foreign(output: Path) -> None:
    """Check that a folder is absent, empty or an output of ours.

    Raises:
        PortraitError: A file is in the way, or the folder holds other things.
    """
    if output.is_symlink() and not output.exists():
        raise PortraitError(f"{output}: a link that leads nowhere; try: --output another folder")
    if not output.exists():
        return
    if not output.is_dir():
        raise PortraitError(f"{output}: a file is in the way; try: --output another folder")
    if (output / WORK_FOLDER / HEADER_FILE).exists():
        return
    others = sorted(path.name for path in output.iterdir() if path.name != WORK_FOLDER)
    if others:
        raise PortraitError(
            f"{output}: holds {others[0]!r} and no plan of ours; "
            "try: --output a new or empty folder"
        )


def freeze(output: Path, plan: Plan, source: Path | None = None, *, at_once: int = 1) -> None:
    """Save a plan where all who work on an output read it, unless it is there already.

    Args:
        output: The dataset folder; made if need be.
        plan: The plan.
        source: The folder of a ``folder`` plan, so that its files need not be hashed again.
        at_once: How many units will be made or packed at the same time.

    Raises:
        PortraitError: As :func:`check_output`; the disk is too small; a plan that names
            models without their hashes.
    """
    saved = check_output(output, plan)
    if saved is not None and saved.hash == plan.hash:
        return
    unresolved = [model["id"] for model in plan.models if model["sha256"] is None]
    if unresolved:
        raise PortraitError(
            f"the hashes of {unresolved[0]} are not known yet, so nothing can be built; "
            "try: plan again where the Hub can be reached"
        )
    check_space(output, plan, 0 if saved is None else len(saved.rows), at_once)
    plan.save(output / WORK_FOLDER)
    if source is not None:
        write_index(output / WORK_FOLDER, plan, source)


def frozen_plan(output: Path, plan_hash: str) -> Plan:
    """The plan that was saved before a process was started to work on it.

    Raises:
        PortraitError: There is none, or it is another one.
    """
    plan = Plan.load(output / WORK_FOLDER)
    if plan is None:
        raise PortraitError(
            f"{output}: no plan there; try: put --output on a file system that every "
            "machine sees at the same path"
        )
    if plan.hash != plan_hash:
        raise PortraitError(
            f"{output}: the plan changed since this task was submitted "
            f"({plan_hash[:12]} then, {plan.hash[:12]} now); try: submit again"
        )
    return plan


def finished(output: Path, plan: Plan) -> Manifest | None:
    """The manifest of a finished output whose files are all there with their sizes.

    ``python -m builder verify`` compares the hashes too.
    """
    if not (output / MANIFEST_NAME).exists():
        return None
    try:
        manifest = Manifest.load(output)
    except PortraitError:
        return None
    if manifest.plan_hash != plan.hash:
        return None
    sizes = {shard.path: shard.bytes for shard in manifest.shards}
    sizes.update({path: int(item["bytes"]) for path, item in manifest.files.items()})
    for path, size in sizes.items():
        file = output / path
        if not file.is_file() or file.stat().st_size != size:
            return None
    return manifest


def sweep(output: Path) -> None:
    """Remove the temporary files of runs that were killed; nobody else is at work here."""
    for folder in (output, *(path for path in output.iterdir() if path.is_dir())):
        for pattern in (".*.tmp", ".*.part"):
            for path in folder.glob(pattern):
                path.unlink(missing_ok=True)
    for pattern in (".*.tmp", ".*.part"):
        for path in (output / WORK_FOLDER).rglob(pattern):
            path.unlink(missing_ok=True)
