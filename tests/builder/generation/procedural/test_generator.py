"""The procedural generator behind the protocol."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from builder.generation.procedural import VERSION, ProceduralGenerator, draw
from builder.generation.protocol import Generated, Rejection, Request
from builder.plan import PlanRow
from ld_portrait_20k.format import schema
from tests.processes import ROOT


def request(seed: int, width: int = 128, height: int = 160, **attributes: str | None) -> Request:
    row = PlanRow(
        schema.sample_id(seed), "train", "a portrait", None, dict(attributes), seed, width, height
    )
    return Request(row, 0, seed)


def test_exact_without_damage() -> None:
    made = next(iter(ProceduralGenerator().generate([request(4, hair_color="red")])))
    assert isinstance(made, Generated)
    exact = draw(4, {"hair_color": "red"}, 128, 160)
    assert (made.foreground == exact.foreground).all() and (made.alpha == exact.alpha).all()
    assert made.truth is None


def test_damage_keeps_the_truth() -> None:
    made = next(iter(ProceduralGenerator(damage=1.0).generate([request(4)])))
    assert isinstance(made, Generated) and made.truth is not None
    exact = draw(4, {}, 128, 160)
    assert (made.truth[0] == exact.foreground).all() and (made.truth[1] == exact.alpha).all()
    assert (made.alpha != exact.alpha).any()


def test_record_fits_the_schema() -> None:
    record = ProceduralGenerator(damage=0.5).record()
    full = schema.complete({"generator": record})["generator"]
    assert full["name"] == "procedural" and full["version"] == VERSION and full["damage"] == 0.5
    assert f"numpy {np.__version__}" in full["software"]


def test_neighbours_do_not_matter() -> None:
    generator = ProceduralGenerator(damage=1.0)
    together = list(generator.generate([request(s) for s in (1, 2, 3)]))
    alone = [next(iter(generator.generate([request(s)]))) for s in (1, 2, 3)]
    for a, b in zip(together, alone, strict=True):
        assert isinstance(a, Generated) and isinstance(b, Generated)
        assert (a.alpha == b.alpha).all() and (a.foreground == b.foreground).all()


def test_bad_rows_are_rejections_and_the_run_goes_on() -> None:
    rows = [request(1, width=10), request(2, hair_color="plaid"), request(3)]
    results = list(ProceduralGenerator().generate(rows))
    assert [type(r) for r in results] == [Rejection, Rejection, Generated]
    assert isinstance(results[0], Rejection) and results[0].reason == "bad-request"
    assert "size" in results[0].detail
    assert isinstance(results[1], Rejection) and "plaid" in results[1].detail


def test_bad_damage_is_refused() -> None:
    with pytest.raises(ValueError, match="damage"):
        ProceduralGenerator(damage=-0.1)


def test_import_is_cheap() -> None:
    code = (
        "import sys,builder.generation.procedural;"
        "heavy={'torch','diffusers','transformers','datasets','numba','scipy'}&set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
