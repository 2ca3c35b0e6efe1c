"""Our tasks as steps of a datatrove pipeline. Needs datatrove; imported where it is used."""

from __future__ import annotations

from typing import Any

from datatrove.pipeline.base import PipelineStep

from builder.engines import exchange
from builder.engines.tasks import TaskSpec, finish_tasks, run_task


class BuildShards(PipelineStep):
    """Makes the shards of a rank; raises where one does not read back whole.

    Args:
        spec: :meth:`TaskSpec.to_dict`, plain values so that executor.json shows them.
    """

    type = "ld-portrait-20k"
    name = "build shards"

    def __init__(self, spec: dict[str, Any]) -> None:
        super().__init__()
        self.spec = spec

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Any:
        """Do one task; ``data`` is passed on untouched."""
        spec = TaskSpec.from_dict(self.spec)
        assert world_size == spec.tasks
        task = exchange.run_task if spec.exchange else run_task
        self.stat_update("shards built", value=task(spec, rank))
        return data


class FinishDataset(BuildShards):
    """Finishes the dataset (packing, card, manifest) once every shard is there."""

    name = "finish dataset"

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Any:
        """Finish it; ``data`` is passed on untouched."""
        report = finish_tasks(TaskSpec.from_dict(self.spec))
        assert report.manifest is not None
        self.stat_update("shards", value=len(report.manifest.select()))
        return data
