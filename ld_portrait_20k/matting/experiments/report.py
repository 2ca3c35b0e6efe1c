"""The report: ``report.md``, ``report.html``, ``cells.csv`` and figures, from results alone."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from ld_portrait_20k.common.files import write_bytes
from ld_portrait_20k.matting.experiments.figures import draw
from ld_portrait_20k.matting.experiments.results import Row, comma_separated, rows
from ld_portrait_20k.matting.experiments.run_cell import judged_region
from ld_portrait_20k.matting.experiments.sections import Curve, Grid, Section, in_short, sections
from ld_portrait_20k.matting.experiments.study import Study
from ld_portrait_20k.matting.training.logging import duration

TITLE: Final = "What the data are worth"
FIGURES: Final = "figures"

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>#|~&])")


def write_report(study: Study) -> list[Path]:
    """Write the report of what is done so far.

    Args:
        study: Its results are read from their files; nothing is trained.

    Returns:
        The files, the report first.
    """
    found = rows(study)
    body = [_summary(study, found), *sections(study, found), _setting(study)]
    drawn = {
        part.name: draw(part) for section in body for part in section.parts
        if isinstance(part, Curve)
    }  # fmt: skip
    files = {
        "report.md": markdown(body).encode(),
        "report.html": page(body, drawn).encode(),
        "cells.csv": comma_separated(found).encode(),
        **{f"{FIGURES}/{name}.{suffix}": content
           for name, pictures in drawn.items() for suffix, content in pictures.items()},
    }  # fmt: skip
    for name, content in files.items():
        write_bytes(study.output / name, content)
    return [study.output / name for name in files]


def markdown(body: Iterable[Section]) -> str:
    """The report as Markdown; whatever a name holds, it is text."""
    lines = [f"# {TITLE}", ""]
    for section in body:
        lines += [f"## {escape(section.heading)}", ""]
        for part in section.parts:
            if isinstance(part, str):
                lines += [escape(part), ""]
            elif isinstance(part, Curve):
                lines += [f"![{escape(part.title)}]({FIGURES}/{part.name}.svg)", ""]
            else:
                lines += [f"**{escape(part.title)}**", "", *_pipes(part), ""]
    return "\n".join(lines).rstrip() + "\n"


def page(body: Iterable[Section], drawn: Mapping[str, Mapping[str, bytes]]) -> str:
    """The report as one HTML page that loads nothing.

    Args:
        body: The sections.
        drawn: Of each figure's name its files by suffix; the SVG is put into the page.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    pictures = {
        name: "data:image/svg+xml;base64," + base64.b64encode(files["svg"]).decode()
        for name, files in drawn.items()
    }
    kinds = {str: "text", Grid: "grid", Curve: "curve"}
    shown = [
        (section.heading, [(kinds[type(part)], part) for part in section.parts]) for section in body
    ]
    template = environment.get_template("report.html.j2")
    return template.render(title=TITLE, sections=shown, pictures=pictures) + "\n"


def escape(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _pipes(grid: Grid) -> list[str]:
    lines = [grid.header, tuple("---" for _ in grid.header), *grid.rows]
    return [
        "| " + " | ".join(cell if cell == "---" else escape(cell) for cell in line) + " |"
        for line in lines
    ]


def _summary(study: Study, found: list[Row]) -> Section:
    cells, done = study.cells, study.results()
    section = Section("In short")
    if len(done) < len(cells):
        section.parts.append(
            f"Only {len(done)} of {len(cells)} cells are done: figures of the others are missing "
            "below. The same command goes on."
        )
    region = judged_region(study.settings["recipe"]["model"])
    where = "unknown region of their" if region == "unknown" else "whole of their"
    section.parts.append(
        f"Every figure is an error of matting models over the {where} test "
        "pictures, lower is better. A difference is taken between models that share their seed "
        "(the weights at the start, crops, backgrounds); its 95 % interval is Student's, over "
        "seeds. Of twenty comparisons without any effect, one stands out by chance."
    )
    lines = in_short(found)
    if lines:
        header = ("table", "test", "protocol", "difference", "MAD x 1000", "verdict")
        section.parts.append(Grid("Differences", header, lines))
    section.parts += study.notes
    return section


def _setting(study: Study) -> Section:
    """Command, settings, versions and hashes."""
    results = study.results()
    section = Section("How it was made")
    chosen = dict(study.settings)
    chosen.pop("notes", None)  # said in short already
    recipe = {**chosen.pop("recipe"), **chosen}
    known: list[tuple[str, ...]] = [
        (key, _plain(value)) for key, value in recipe.items() if value not in (None, [], {})
    ]
    seconds = sum(r["seconds_training"] + r["seconds_testing"] for r in results.values())
    section.parts += [
        f"Command: {study.command}",
        f"{len(results)} of {len(study.cells)} cells are done; together they took "
        f"{duration(seconds)} of one process.",
        Grid("Settings", ("setting", "value"), known),
        Grid("Computed by", ("what", "which"), _software(results)),
        Grid("Data", ("used as", "name", "samples", "fingerprint"), _data(study)),
    ]
    return section


def _software(results: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for result in results.values():
        for name, value in {"device": result["device"], **result["versions"]}.items():
            found.setdefault(name, set()).add(str(value))
    return [(name, ", ".join(sorted(values))) for name, values in found.items()]


def _data(study: Study) -> list[tuple[str, ...]]:
    """Every training and test set with its fingerprint, each once."""
    lines: dict[tuple[str, ...], None] = {}
    for place in study.places:
        data = place.cell.data
        used = f"{place.table}, {place.protocol}"
        lines[used, data.name, str(data.samples), data.fingerprint] = None
    for test in study.cells[0].tests if study.cells else ():
        lines["test", test.name, str(test.samples), test.fingerprint] = None
    return list(lines)


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return json.dumps(value)
