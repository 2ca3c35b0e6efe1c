"""Fixtures for every room."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Timings say nothing about the code on a machine that is busy with other things.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data that LD_PORTRAIT_SHARED names; skipped where it is absent."""
    named = os.environ.get("LD_PORTRAIT_SHARED")
    if not named:
        pytest.skip("LD_PORTRAIT_SHARED does not name a folder of real data")
    folder = Path(named)
    if not (folder / "data").is_dir():
        pytest.skip(f"{folder}: LD_PORTRAIT_SHARED has no data/")
    return folder
