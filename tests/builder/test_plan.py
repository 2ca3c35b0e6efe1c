from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.config import BuildConfig, configure, parse_size, parse_splits
from builder.pipeline.planner import make_plan
from builder.plan import Plan, apportion, derive_seed, difference, equal_parts, split_of
from builder.prompts.vocabulary import DEFAULT_FILE
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import schema

SPLITS = {"train": 0.8, "validation": 0.1, "test": 0.1}


def test_a_plan_survives_saving(tmp_path: Path) -> None:
    plan = make_plan(BuildConfig(count=30, seed=7, splits=SPLITS))
    plan.save(tmp_path)
    assert Plan.load(tmp_path) == plan
    assert Plan.load(tmp_path / "elsewhere") is None


def test_a_damaged_plan_is_named(tmp_path: Path) -> None:
    make_plan(BuildConfig(count=3)).save(tmp_path)
    rows = tmp_path / "plan.jsonl"
    rows.write_text(rows.read_text().replace("ldp-0000001", "ldp-0000009"))
    with pytest.raises(PortraitError, match=r"plan\.json: damaged plan .*hash"):
        Plan.load(tmp_path)
    rows.unlink()
    with pytest.raises(PortraitError, match=r"plan\.jsonl: missing"):
        Plan.load(tmp_path)


def test_growing_changes_no_row() -> None:
    small = make_plan(BuildConfig(count=20, seed=3, splits=SPLITS))
    large = make_plan(BuildConfig(count=200, seed=3, splits=SPLITS))
    assert large.rows[:20] == small.rows
    assert len({row.prompt for row in large.rows}) == 200
    assert len({row.seed for row in large.rows}) == 200


def test_every_field_that_matters_changes_the_hash() -> None:
    base = BuildConfig(count=6, damage=1.0)
    variants = [
        base,
        replace(base, seed=1),
        replace(base, count=7),
        replace(base, width=640),
        replace(base, shards=3),
        replace(base, damage=0.5),
        replace(base, attempts=2),
        replace(base, keep_raw=False),
        replace(base, foreground_format="jpeg"),
        replace(base, splits={"train": 0.5, "test": 0.5}),
    ]
    plans = [make_plan(variant) for variant in variants]
    assert len({plan.hash for plan in plans}) == len(variants)
    assert make_plan(base).hash == plans[0].hash
    assert difference(plans[0], plans[0]) is None
    assert difference(plans[0], plans[1]) == "seed was 0, now 1"
    assert "width" in (difference(plans[0], plans[3]) or "")


def test_prompts_of_ones_own(tmp_path: Path) -> None:
    listed = tmp_path / "prompts.json"
    listed.write_text(json.dumps(["a woman", "a man"]))
    plan = make_plan(BuildConfig(count=2, prompts=listed))
    assert [row.prompt for row in plan.rows] == ["a woman", "a man"]
    # The procedural generator draws attributes: they are read from the text and filled up.
    assert [row.attributes["gender"] for row in plan.rows] == ["woman", "man"]
    assert all(row.attributes["light"] and row.attributes["clothing"] for row in plan.rows)
    with pytest.raises(PortraitError, match="2 prompts for 3 samples; try: --count 2"):
        make_plan(BuildConfig(count=3, prompts=listed))


@given(
    sizes=st.dictionaries(st.sampled_from(schema.SPLITS), st.integers(0, 5000), min_size=1),
    shards=st.integers(1, 300),
)
def test_shards_are_apportioned(sizes: dict[str, int], shards: int) -> None:
    if not sum(sizes.values()):
        return
    counts = apportion(sizes, shards)
    present = {name for name, size in sizes.items() if size}
    assert set(counts) == present
    assert all(1 <= counts[name] <= sizes[name] for name in present)
    if shards >= len(present) and sum(sizes.values()) >= shards:
        assert sum(counts.values()) == shards


@given(st.lists(st.integers(), max_size=400), st.integers(1, 40))
def test_parts_are_equal_within_one(items: list[int], count: int) -> None:
    parts = equal_parts(items, count)
    assert [item for part in parts for item in part] == items
    lengths = {len(part) for part in parts}
    assert max(lengths) - min(lengths) <= 1


def test_units_keep_to_their_split() -> None:
    plan = make_plan(BuildConfig(count=300, shards=8, splits=SPLITS))
    units = plan.units()
    assert len(units) == 8
    assert all(row.split == unit.split for unit in units for row in unit.rows)
    assert sorted(row.id for unit in units for row in unit.rows) == [row.id for row in plan.rows]


def test_splits_follow_the_shares() -> None:
    found = Counter(split_of(schema.sample_id(index), SPLITS) for index in range(20_000))
    assert found["train"] == pytest.approx(16_000, rel=0.02)
    assert found["test"] == pytest.approx(2_000, rel=0.06)


def test_seeds_are_apart() -> None:
    seeds = {derive_seed(seed, "sample", index) for seed in range(20) for index in range(200)}
    assert len(seeds) == 4000
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_presets_give_way_to_options() -> None:
    demo = configure("demo")
    assert (demo.generator, demo.count, demo.shards, demo.damage) == ("procedural", 48, 4, 1.0)
    paper = configure("ld-portrait-20k")
    assert (paper.generator, paper.count, paper.width) == ("layer-diffusion", 20_051, 1024)
    assert configure(None, generator="layer-diffusion").count == 20_051
    folder = configure(None, generator="folder", source=Path("x"))
    assert (folder.count, folder.damage, folder.shards) == (None, 0.0, None)
    assert configure("demo", count=5).shards is None
    assert configure("demo", seed=9).shards == 4


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"count": 0}, "--count"),
        ({"width": 32}, "--size"),
        ({"width": 2048, "height": 512}, "--size"),
        ({"seed": -1}, "--seed"),
        ({"splits": {"train": 0.5}}, "--splits"),
        ({"splits": {"dev": 1.0}}, "--splits"),
        ({"generator": "folder"}, "--source"),
        ({"generator": "paint"}, "--generator"),
        ({"foreground_format": "bmp"}, "--foreground-format"),
        ({"attempts": 0}, "--attempts"),
        ({"generator": "layer-diffusion", "damage": 1.0}, "--damage"),
    ],
)
def test_impossible_options_are_named(options: dict[str, object], named: str) -> None:
    with pytest.raises(PortraitError, match=named):
        BuildConfig(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quality": {"min_coverage": 2}}, "--quality min_coverage=2.0: is 0 to 1 "),
        ({"quality": {"coverage": 0.1}}, "--quality no threshold 'coverage'; there are min_c"),
        ({"vocabulary": Path("absent.toml")}, "absent.toml: no such file"),
        ({"count": 1_200_000}, "the vocabulary has phrases for 1,105,920 different prompts"),
    ],
)
def test_what_cannot_be_planned_is_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(PortraitError) as caught:
        make_plan(BuildConfig(**options))  # type: ignore[arg-type]
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"generator_options": {"radius": "1"}}, "--generator-option goes with a generator of"),
        ({"vocabulary": Path("a"), "prompts": Path("b")}, "--vocabulary and --prompts"),
        (
            {"generator": "folder", "source": Path("x"), "vocabulary": Path("a")},
            "--vocabulary goes with generators that draw from prompts",
        ),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, object], named: str) -> None:
    with pytest.raises(PortraitError, match=named):
        BuildConfig(**options)  # type: ignore[arg-type]


def test_thresholds_and_vocabulary_are_in_the_plan(tmp_path: Path) -> None:
    plain = make_plan(BuildConfig(count=3))
    strict = make_plan(BuildConfig(count=3, quality={"min_coverage": 0.05}))
    assert plain.rows == strict.rows
    told = "quality.thresholds.min_coverage was 0.01, now 0.05"
    assert difference(plain, strict) == told
    path = tmp_path / "mine.toml"
    text = DEFAULT_FILE.read_text(encoding="utf-8")
    path.write_text(text.replace('"modern portrait",', '"modern portrait", "old portrait",'))
    other = make_plan(BuildConfig(count=3, vocabulary=path))
    assert other.header["vocabulary"] != plain.header["vocabulary"]
    path.write_text(text)
    assert make_plan(BuildConfig(count=3, vocabulary=path)).hash == plain.hash
    path.write_text(text.replace('"tank top"', '"toga"'))
    with pytest.raises(PortraitError, match="procedural generator cannot draw clothing 'toga'"):
        make_plan(BuildConfig(count=3, vocabulary=path))
    listed = tmp_path / "prompts.txt"
    listed.write_text("a man\na woman\nan old man\n")
    assert make_plan(BuildConfig(count=3, prompts=listed)).header["vocabulary"] is None


def test_texts_become_values() -> None:
    assert parse_size("1024") == (1024, 1024)
    assert parse_size("896x1152") == (896, 1152)
    assert parse_splits("train=0.9, test=0.1") == {"train": 0.9, "test": 0.1}
    for text in ("big", "1x2x3", ""):
        with pytest.raises(PortraitError, match="--size"):
            parse_size(text)
    for text in ("train", "train=a", "train=.5,train=.5"):
        with pytest.raises(PortraitError, match="--splits"):
            parse_splits(text)
