"""How far a build has come, read from its folder alone."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from builder.files import WORK_FOLDER
from builder.pipeline.output_folder import finished
from builder.pipeline.work_folder import UnitResult, WorkFolder
from builder.plan import Plan
from ld_portrait_20k.common.nearby import suggestion
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.manifest import Manifest


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
        shards_verified: Units whose shards were read and match their hashes; None where
            that was not asked for.
        samples_a_minute: Accepted samples a minute, from the times at which units ended;
            None for fewer than two units.
        minutes_left: How long the rest takes at that rate; None where nothing is left or known.
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
    shards_verified: int | None = None
    samples_a_minute: float | None = None
    minutes_left: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return asdict(self)


def status(output: Path, *, check: bool = False) -> Status:
    """Read a build's state; nothing is changed and no lock is taken.

    Args:
        output: The dataset folder.
        check: Whether to read every finished shard and compare its hash.

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
    work = WorkFolder(output, plan)
    verified = sum(work.load(unit) is not None for unit in units) if check else None
    rate = left = None
    complete = finished(output, plan)
    if complete is not None:
        about = complete.about
        rejected = Counter(about.get("rejected", {})) + Counter(about.get("retried", {}))
        accepted, built = sum(complete.splits.values()), len(units)
    else:
        done = [result for unit in units if (result := work.load(unit, check=False))]
        rejected = Counter(
            line["reason"] for result in done for line in work.log(result.name).rejected
        )
        accepted, built = sum(result.samples for result in done), len(done)
        rate = _rate(work, done)
        if rate:
            left = sum(len(unit.rows) for unit in units[built:]) / rate
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
        verified,
        rate,
        left,
    )


def _rate(work: WorkFolder, done: list[UnitResult]) -> float | None:
    ends = sorted((work.ended_at(result.name), result.samples) for result in done)
    if len(ends) < 2 or ends[-1][0] <= ends[0][0]:
        return None
    return 60.0 * sum(samples for _, samples in ends[1:]) / (ends[-1][0] - ends[0][0])


def require(output: Path, *, check: bool = False) -> Status:
    """The status of a folder that must exist.

    Raises:
        PortraitError: No such folder, or nothing of ours in it.
    """
    if not output.is_dir():
        advice = suggestion(str(output)) or (
            f"try: python -m builder regenerate --output {shlex.quote(str(output))}"
            if str(output) == schema.NAME
            else "try: ls, or check the name"
        )
        raise PortraitError(f"{output}: no such folder; {advice}")
    return status(output, check=check)
