"""The end of a build: pack shards, write card, pictures and manifest, clear the work folder."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import dataset_card
from builder.files import canonical_json, write_bytes
from builder.pipeline import card_pictures
from builder.pipeline.packing import AcceptedSamples, Packer, accepted_samples
from builder.pipeline.work_folder import UnitResult, WorkFolder
from builder.plan import Plan
from ld_portrait_20k import schema
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.manifest import FILE_NAME, Manifest
from ld_portrait_20k.version import __version__

REJECTED_FILE = "rejected.jsonl"


def finish_dataset(plan: Plan, work: WorkFolder, results: Sequence[UnitResult]) -> Manifest:
    """Make the publishable folder from finished units.

    The manifest is written last: a dataset is finished when it is there. Everything before it
    may be repeated any number of times.

    Raises:
        PortraitError: Quality control left nothing.
    """
    output = work.output
    (output / FILE_NAME).unlink(missing_ok=True)
    accepted = accepted_samples(results, max_distance=_duplicate_distance(plan))
    if not accepted.samples:
        counts = Counter(line["reason"] for line in accepted.rejected)
        listed = ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()))
        first = accepted.rejected[0]["detail"] if accepted.rejected else ""
        raise PortraitError(f"{output}: no sample was accepted ({listed}); first: {first}")
    shards = tuple(Packer(plan, work, results).write(accepted))
    for folder in {shard.path.partition("/")[0] for shard in shards}:
        _drop_strays(work, folder, {shard.path for shard in shards})

    split_of = {row.id: row.split for row in plan.rows}
    counts = Counter(split_of[item["id"]] for item in accepted.samples)
    manifest = Manifest(
        foreground_format=plan.foreground_format,
        plan_hash=plan.hash,
        generator=str(plan.header["generator"]["name"]),
        splits={split: counts[split] for split in schema.SPLITS if counts[split]},
        shards=shards,
        about=_about(plan, accepted),
    )
    texts = {REJECTED_FILE: "".join(canonical_json(line) + "\n" for line in accepted.rejected)}
    statistics = dataset_card.Statistics.of(accepted.samples)
    pictures, shown = card_pictures.draw(output, manifest, statistics)
    licence = plan.header["licence"]
    texts["README.md"] = dataset_card.render(
        manifest,
        statistics,
        pictures=shown,
        origin=plan.header["origin"],
        licence=licence,
        contact=plan.header.get("contact"),
    )
    texts["LICENSE"] = dataset_card.licence_text(manifest.generator, licence)
    contents = {**{name: text.encode() for name, text in texts.items()}, **pictures}
    for name, content in contents.items():
        write_bytes(output / name, content)
        manifest.files[name] = {
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    for stray in card_pictures.strays(output, pictures):
        stray.unlink()
    return manifest.save(output)


def _duplicate_distance(plan: Plan) -> int | None:
    """Bits in which near-duplicates differ at most; None where they are not looked for."""
    if not plan.header["reject"] or "derived" in plan.header:
        return None
    return int(plan.header["quality"]["thresholds"]["max_duplicate_distance"])


def _about(plan: Plan, accepted: AcceptedSamples) -> dict[str, Any]:
    taken = {item["id"] for item in accepted.samples}
    last = {line["id"]: line["reason"] for line in accepted.rejected}
    lost = Counter(reason for key, reason in last.items() if key not in taken)
    retried = Counter(line["reason"] for line in accepted.rejected if line["id"] in taken)
    return {
        "plan": plan.header,
        "environment": plan.environment,
        "package_version": __version__,
        "planned": plan.header.get("planned", len(plan.rows)),
        "rejected": dict(sorted(lost.items())),
        "retried": dict(sorted(retried.items())),
        "fidelity": _fidelity(accepted.samples),
    }


def _fidelity(samples: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Mean error against truth, raw and refined; empty where there is no truth."""
    known = [item["truth"] for item in samples if item["truth"]["raw_sad"] is not None]
    return {
        key: float(f"{sum(item[key] for item in known) / len(known):.6g}")
        for key in (known[0] if known else {})
    }


def _drop_strays(work: WorkFolder, folder: str, wanted: set[str]) -> None:
    """Remove the old names of shards: growing a dataset changes them."""
    for path in (work.output / folder).glob("*.tar"):
        if f"{folder}/{path.name}" not in wanted:
            path.unlink()
