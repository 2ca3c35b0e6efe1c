"""Fixtures of the engines' tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from builder.config import BuildConfig
from tests.builder.building import plan_and_build
from tests.builder.pictures import save_cutouts


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> BuildConfig:
    """Nine cut-outs in three shards; large enough to be caught at work."""
    folder = save_cutouts(tmp_path_factory.mktemp("people") / "cutouts", 9, width=320, height=400)
    return BuildConfig(generator="folder", source=folder, count=None, shards=3)


@pytest.fixture(scope="session")
def undisturbed(
    people: BuildConfig,
    tmp_path_factory: pytest.TempPathFactory,
    digest: Callable[[Path], dict[str, str]],
) -> dict[str, str]:
    """What one process makes of them, to compare with."""
    output = tmp_path_factory.mktemp("undisturbed") / "out"
    plan_and_build(people, output)
    return digest(output)
