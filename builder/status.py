"""How far a build has come, read from its folder alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from builder.build import finished
from builder.plan import Plan
from builder.units import WORK_FOLDER, WorkFolder
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.manifest import Manifest


@dataclass
class Status:
    """The state of a build.

    Attributes:
        output: The dataset folder.
        state: ``complete``, ``unfinished`` or ``published`` (a dataset without a plan: it
            was downloaded, or its work folder was removed).
        generator: What makes its portraits.
        plan_hash: Its plan.
        planned: Samples planned.
        accepted: Samples in finished units, or in the dataset when complete.
        shards_planned: Units of the plan.
        shards_built: Units that are done.
        rejected: Rejected attempts so far, by reason.
    """

    output: str
    state: str
    generator: str
    plan_hash: str
    planned: int
    accepted: int
    shards_planned: int
    shards_built: int
    rejected: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return asdict(self)


def status(output: Path) -> Status:
    """Read a build's state; nothing is changed and no lock is taken.

    Raises:
        PortraitError: No build and no dataset there.
    """
    plan = Plan.load(output / WORK_FOLDER)
    if plan is None:
        manifest = Manifest.load(output)
        shards = len(manifest.select())
        samples = sum(manifest.splits.values())
        return Status(
            str(output), "published", manifest.generator, manifest.plan_hash,
            int(manifest.about.get("planned", samples)), samples, shards, shards,
            dict(manifest.about.get("rejected", {})),
        )  # fmt: skip
    units = plan.units()
    complete = finished(output, plan)
    if complete is not None:
        about = complete.about
        rejected = Counter(about.get("rejected", {})) + Counter(about.get("retried", {}))
        accepted, built = sum(complete.splits.values()), len(units)
    else:
        work = WorkFolder(output, plan)
        done = [result for unit in units if (result := work.load(unit, check=False))]
        rejected = Counter(line["reason"] for result in done for line in result.rejected)
        accepted, built = sum(len(result.samples) for result in done), len(done)
    return Status(
        str(output),
        "complete" if complete is not None else "unfinished",
        str(plan.header["generator"]["name"]),
        plan.hash,
        len(plan.rows),
        accepted,
        len(units),
        built,
        dict(sorted(rejected.items())),
    )


def require(output: Path) -> Status:
    """The status of a folder that must exist.

    Raises:
        PortraitError: No such folder, or nothing of ours in it.
    """
    if not output.is_dir():
        raise PortraitError(
            f"{output}: no such folder; mend: python -m builder regenerate --output {output}"
        )
    return status(output)
