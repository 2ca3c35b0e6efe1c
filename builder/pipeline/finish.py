"""The end of a build: pack shards, write card, pictures and manifest, clear the work folder."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import dataset_card
from builder import preview
from builder.files import write_bytes
from builder.pipeline.packing import Packer, near_duplicates
from builder.pipeline.tally import Tally
from builder.pipeline.work_folder import UnitResult, WorkFolder
from builder.plan import Plan
from ld_portrait_20k import schema
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.manifest import FILE_NAME, Manifest
from ld_portrait_20k.version import __version__

REJECTED_FILE = "rejected.jsonl"
GALLERY_FILE = "assets/gallery.png"
GALLERY_SAMPLES = 8
GALLERY_COLUMNS = 2
GALLERY_CELL = 192
"""Samples in the card's gallery, how many side by side, and the side of one picture in px.
Chosen by eye."""


def finish_dataset(
    plan: Plan, work: WorkFolder, results: Sequence[UnitResult], *, threads: int = 1
) -> Manifest:
    """Make the publishable folder from finished units.

    The manifest is written last: a dataset is finished when it is there. Everything before it
    may be repeated any number of times.

    Args:
        plan: The plan.
        work: The work folder with every unit done.
        results: Every unit, in the order of the plan.
        threads: How many units are moved side by side; it changes no byte.

    Raises:
        PortraitError: Quality control left nothing.
    """
    (work.output / FILE_NAME).unlink(missing_ok=True)
    duplicates = near_duplicates(
        work,
        results,
        max_distance=plan.header["quality"]["thresholds"]["max_duplicate_distance"],
        reject=bool(plan.header["reject"]),
    )
    if not any(duplicates.kept.values()):
        raise _nothing_accepted(work, results)
    with closing(Tally(work.folder)) as tally:
        shards = Packer(plan, work, results, duplicates).write(tally.add, threads=threads)
        for folder in {shard.path.partition("/")[0] for shard in shards}:
            _drop_strays(work, folder, {shard.path for shard in shards})
        manifest = Manifest(
            foreground_format=plan.foreground_format,
            plan_hash=plan.hash,
            generator=str(plan.header["generator"]["name"]),
            splits={split: tally.splits[split] for split in schema.SPLITS if tally.splits[split]},
            shards=tuple(shards),
            about=_about(plan, tally),
        )
        manifest.files[REJECTED_FILE] = tally.write_rejected(work.output / REJECTED_FILE)
        contents = _contents(plan, work.output, manifest, tally.statistics)
    for name, content in contents.items():
        write_bytes(work.output / name, content)
        manifest.files[name] = {
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    return manifest.save(work.output)


def _nothing_accepted(work: WorkFolder, results: Sequence[UnitResult]) -> PortraitError:
    counts: Counter[str] = Counter()
    first: dict[str, Any] = {"id": "", "detail": ""}
    for result in results:
        for line in work.log(result.name).rejected:
            counts[line["reason"]] += 1
            if not first["id"] or line["id"] < first["id"]:
                first = line
    listed = ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()))
    return PortraitError(
        f"{work.output}: no sample was accepted ({listed}); first: {first['detail']}"
    )


def _contents(
    plan: Plan, output: Path, manifest: Manifest, statistics: dataset_card.Statistics
) -> dict[str, bytes]:
    """The card, its pictures and the licence."""
    gallery = preview.sheet(
        output, manifest, count=GALLERY_SAMPLES, columns=GALLERY_COLUMNS, cell=GALLERY_CELL
    )
    drawn = {GALLERY_FILE: gallery, **dataset_card.figures(statistics)}
    pictures = {name: _png(picture) for name, picture in drawn.items()}
    licence = plan.header["licence"]
    card = dataset_card.render(
        manifest,
        statistics,
        pictures=list(pictures),
        origin=plan.header["origin"],
        licence=licence,
    )
    terms = dataset_card.licence_text(manifest.generator, licence)
    return {"README.md": card.encode(), "LICENSE": terms.encode(), **pictures}


def _about(plan: Plan, tally: Tally) -> dict[str, Any]:
    return {
        "plan": plan.header,
        "environment": plan.environment,
        "package_version": __version__,
        "planned": len(plan.rows),
        "rejected": dict(sorted(tally.lost.items())),
        "retried": dict(sorted(tally.retried.items())),
        "fidelity": tally.fidelity(),
    }


def _drop_strays(work: WorkFolder, folder: str, wanted: set[str]) -> None:
    """Remove the old names of shards: growing a dataset changes them."""
    for path in (work.output / folder).glob("*.tar"):
        if f"{folder}/{path.name}" not in wanted:
            path.unlink()


def _png(picture: Any) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG", optimize=True)
    return out.getvalue()
