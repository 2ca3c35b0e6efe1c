"""The end of a build: pack shards, write card, pictures and manifest, clear the work folder."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import dataset_card
from builder.files import write_bytes
from builder.pipeline import card_pictures
from builder.pipeline.packing import Packer, near_duplicates
from builder.pipeline.tally import Tally
from builder.pipeline.work_folder import UnitResult, WorkFolder
from builder.plan import Plan
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.manifest import FILE_NAME, Manifest
from ld_portrait_20k.version import __version__

REJECTED_FILE = "rejected.jsonl"
CARD_FILE = "README.md"


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
    duplicates = near_duplicates(work, results, max_distance=_duplicate_distance(plan))
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
        pictures, contents = _contents(plan, work.output, manifest, tally.statistics)
    for name, content in contents.items():
        write_bytes(work.output / name, content)
        manifest.files[name] = {
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    for stray in card_pictures.strays(work.output, pictures):
        stray.unlink()
    return manifest.save(work.output)


def _duplicate_distance(plan: Plan) -> int | None:
    """Bits in which near-duplicates differ at most; None where they are not looked for."""
    if not plan.header["reject"] or "derived" in plan.header:
        return None
    return int(plan.header["quality"]["thresholds"]["max_duplicate_distance"])


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
) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The pictures of the card; and all that is written: the card, the licence and these."""
    pictures, shown = card_pictures.draw(output, manifest, statistics)
    licence = plan.header["licence"]
    card = dataset_card.render(
        manifest,
        statistics,
        pictures=shown,
        origin=plan.header["origin"],
        licence=licence,
        contact=plan.header.get("contact"),
        viewer=_viewer_before(output),
    )
    terms = dataset_card.licence_text(manifest.generator, licence)
    return pictures, {CARD_FILE: card.encode(), "LICENSE": terms.encode(), **pictures}


def _viewer_before(output: Path) -> str | None:
    """The link to the viewer that publishing noted in an earlier card of the same folder."""
    try:
        return dataset_card.viewer_of((output / CARD_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def _about(plan: Plan, tally: Tally) -> dict[str, Any]:
    return {
        "plan": plan.header,
        "environment": plan.environment,
        "package_version": __version__,
        "planned": plan.header.get("planned", len(plan.rows)),
        "rejected": dict(sorted(tally.lost.items())),
        "retried": dict(sorted(tally.retried.items())),
        "fidelity": tally.fidelity(),
    }


def _drop_strays(work: WorkFolder, folder: str, wanted: set[str]) -> None:
    """Remove the old names of shards: growing a dataset changes them."""
    for path in (work.output / folder).glob("*.tar"):
        if f"{folder}/{path.name}" not in wanted:
            path.unlink()
