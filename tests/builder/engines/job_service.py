"""Hugging Face Jobs played in this process."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

from ld_portrait_20k.errors import PortraitError


class JobService:
    """Runs each Job when it is submitted; those in ``fail`` end before they did anything."""

    def __init__(self) -> None:
        self.submitted: list[dict[str, Any]] = []
        self.fail: set[int] = set()

    def run_uv_job(self, script: str, **asked: Any) -> SimpleNamespace:
        import dill
        from datatrove.io import open_file

        self.submitted.append(asked)
        number = len(self.submitted) - 1
        if number not in self.fail:
            before = dict(os.environ)
            os.environ.update(asked["env"])
            try:
                with open_file(asked["script_args"][0], "rb") as stream:
                    dill.load(stream).run()
            except PortraitError:
                self.fail.add(number)
            finally:
                os.environ.clear()
                os.environ.update(before)
        return SimpleNamespace(id=str(number), url="https://huggingface.co/jobs/x")

    def inspect_job(self, job_id: str, **_: Any) -> SimpleNamespace:
        stage = "ERROR" if int(job_id) in self.fail else "COMPLETED"
        return SimpleNamespace(status=SimpleNamespace(stage=stage))
