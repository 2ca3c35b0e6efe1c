"""Cells as a step of a datatrove pipeline. Needs datatrove; imported where it is used.

from datatrove.executor import SlurmPipelineExecutor
from ld_portrait_20k.matting.experiments.steps import RunCells
SlurmPipelineExecutor(pipeline=[RunCells("report")], tasks=16, ...).run()
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datatrove.pipeline.base import PipelineStep

from ld_portrait_20k.matting.experiments.dealing import devices, work_off
from ld_portrait_20k.matting.experiments.study import load_study


class RunCells(PipelineStep):
    """Runs the cells of a rank; a cell that is done is not run again.

    Args:
        output: Folder of a prepared study, on a file system that all ranks see.
    """

    type = "ld-portrait-20k"
    name = "run cells"

    def __init__(self, output: str) -> None:
        super().__init__()
        self.output = output

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Any:
        """Run them; ``data`` is passed on untouched."""
        device = devices(None)[0].partition(":")[0]
        ran = work_off(
            load_study(Path(self.output)), device=device, rank=rank, world_size=world_size
        )
        self.stat_update("cells", value=ran)
        return data
