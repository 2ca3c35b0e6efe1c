"""Settings: layers, files, and errors that name the setting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.training.config import (
    FILE_NAME,
    build,
    continued,
    read_file,
)

LEAST = {"model": "hint-unet", "data": ["a=b"], "steps": 10}


def test_later_layers_win_and_the_recipe_fills_up() -> None:
    config = build(
        {**LEAST, "seed": 1, "losses": {"known": 0}}, {"seed": 2, "losses": {"unknown": 3}}
    )
    assert (config.seed, config.losses.known, config.losses.unknown) == (2, 0, 3)
    assert config.learning_rate == 1.5e-3 and config.losses.gradient == 0.5
    assert build({**LEAST, "model": "vitmatte-small"}).crop == 512


def test_a_saved_file_gives_the_same_settings(tmp_path: Path) -> None:
    config = build(
        {**LEAST, "data": ["a=b:2", "c"], "crops": {"merged": 0.5}, "losses": {"gradient": 1}}
    )
    config.save(tmp_path)
    assert build(read_file(tmp_path / FILE_NAME)) == config


def test_toml_and_yaml_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        'model = "hint-unet"\ndata = ["a=b"]\nsteps = 10\nlearning_rate = 1e-3\n'
        "[losses]\ngradient = 2\n"
    )
    # YAML 1.1 reads 1e-3, without a point, as a word.
    (tmp_path / "a.yaml").write_text(
        "model: hint-unet\ndata: [a=b]\nsteps: 10\nlearning_rate: 1e-3\nlosses: {gradient: 2}\n"
    )
    toml, plain = (build(read_file(tmp_path / name)) for name in ("a.toml", "a.yaml"))
    assert toml == plain and toml.learning_rate == 1e-3 and toml.losses.gradient == 2


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"learning_rat": 1}, "learning_rate"),
        ({"losses": {"alpha": 1}}, "alpha"),
        ({"crops": {"merge": 1}}, "merged"),
        ({"losses": 3}, "losses must map"),
        ({"steps": "many"}, "not a whole number"),
        ({"steps": 10**20}, "must be below"),
        ({"steps": "inf"}, "not a whole number"),
        ({"learning_rate": "nan"}, "not a finite number"),
        ({"learning_rate": -1}, "0 or more"),
        ({"weight_decay": float("inf")}, "not a finite number"),
        ({"losses": {"unknown": -1}}, "losses.unknown is -1.0"),
        ({"losses": {"unknown": "nan"}}, "not a finite number"),
        ({"seed": -1}, "seed is -1"),
        ({"workers": -1}, "workers is -1"),
        ({"workers": 99999}, "workers is 99999"),
        ({"warmup_steps": -5}, "warmup_steps is -5"),
        ({"steps": 0}, "at least 1"),
        ({"crop": 100}, "96"),
        ({"data": []}, "data is missing"),
        ({"model": None}, "model is missing"),
        ({"precision": "fp8"}, "fp8"),
        ({"ema_decay": 1.0}, "ema_decay"),
    ],
)
def test_what_is_wrong_is_named(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(PortraitError, match=told):
        build(LEAST, settings)


def test_broken_files_are_named(tmp_path: Path) -> None:
    for name, text in (("a.toml", "steps = = 3"), ("a.yaml", "a: [1"), ("b.yaml", "3")):
        (tmp_path / name).write_text(text)
        with pytest.raises(PortraitError, match=name):
            read_file(tmp_path / name)
    with pytest.raises(PortraitError, match=r"none\.yaml"):
        read_file(tmp_path / "none.yaml")


def test_only_what_changes_no_done_step_may_change() -> None:
    saved = build(LEAST, {"precision": "bf16", "warmup_steps": 2})
    longer = continued(saved, build(LEAST, {"steps": 20, "workers": 3}))
    # What was left open is what it came to when the run began.
    assert (longer.steps, longer.precision, longer.warmup) == (20, "bf16", 2)
    for changed in ({"seed": 1}, {"precision": "fp32"}, {"losses": {"known": 0}}):
        with pytest.raises(PortraitError, match=next(iter(changed))):
            continued(saved, build(LEAST, changed))
