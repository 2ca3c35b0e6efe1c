"""The report's two forms: what a name holds stays text."""

from __future__ import annotations

from ld_portrait_20k.matting.experiments.figures import draw
from ld_portrait_20k.matting.experiments.report import escape, markdown, page
from ld_portrait_20k.matting.experiments.sections import Curve, Grid, Section
from ld_portrait_20k.matting.experiments.statistics import Interval

NAME = "a|b <img src=x onerror=alert(1)> [c](http://d) `e` *f*\n| g"


def test_names_are_text() -> None:
    body = [Section(NAME, [NAME, Grid(NAME, ("arm",), [(NAME,)])])]
    text = markdown(body)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 3
    assert rows[2].replace("\\|", "").count("|") == 2
    assert "<img" not in text.replace("\\<", "")
    assert "](http" not in text.replace("\\]", "")
    html = page(body, {})
    assert "<img" not in html
    assert "&lt;img" in html


def test_escape_keeps_words() -> None:
    assert escape("Table 1: MAD x 1000, +7.35 (2.8 to 11.9)") == (
        "Table 1: MAD x 1000, +7.35 (2.8 to 11.9)"
    )


def test_figures_repeat_and_load_nothing() -> None:
    points = [("raw", Interval(7.3, 2.0, 12.0, 3)), ("keyed", Interval(1.0, -2.0, 4.0, 3))]
    curve = Curve("source", "MAD less that of refined", "bars", {"test": points}, "MAD")
    first, second = draw(curve), draw(curve)
    assert first == second
    assert first["png"].startswith(b"\x89PNG")
    assert b"<image" not in first["svg"]
    assert b'href="http' not in first["svg"]
    sizes = [(8, Interval(90, 80, 100, 3)), (64, Interval(70, float("nan"), float("nan"), 1))]
    line = Curve("capacity", "MAD by size", "line", {"test": sizes}, "MAD")
    assert b"training samples" in draw(line)["svg"]
