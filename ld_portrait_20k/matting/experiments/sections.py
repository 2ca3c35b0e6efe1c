"""The report's sections, from rows alone: tables, sentences, what to draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ld_portrait_20k.matting.experiments import design
from ld_portrait_20k.matting.experiments.results import SCALE, Row, by_seed
from ld_portrait_20k.matting.experiments.statistics import (
    Interval,
    exponent,
    interval,
    paired,
    verdict,
)
from ld_portrait_20k.matting.experiments.study import Study

HEADINGS: Final = {
    "source": "Table 1: matte source",
    "capacity": "Table 2: capacity",
    "datasets": "Table 3: against other datasets",
    "refinement": "Table 4: parts of the refinement",
}
BASES: Final = {"source": "refined", "datasets": "ours", "refinement": "all parts"}
"""The arm from which each table's differences are taken."""

_METRICS: Final = ("mad", "sad", "mse", "grad", "conn")


@dataclass(frozen=True, slots=True)
class Grid:
    """A table.

    Attributes:
        title: What it shows.
        header: Names of the columns.
        rows: Cells as text.
    """

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Curve:
    """What a figure shows.

    Attributes:
        name: File name without suffix.
        title: In words.
        kind: ``bars`` (differences by name) or ``line`` (errors by size, both logarithmic).
        series: Name of a series to its points: a name or a size, and an interval.
        axis: What the values are.
    """

    name: str
    title: str
    kind: str
    series: Mapping[str, Sequence[tuple[Any, Interval]]]
    axis: str


@dataclass(slots=True)
class Section:
    """A part of the report.

    Attributes:
        heading: Its heading.
        parts: Sentences, :class:`Grid` and :class:`Curve`, in order.
    """

    heading: str
    parts: list[str | Grid | Curve] = field(default_factory=list)


def sections(study: Study, rows: list[Row]) -> list[Section]:
    """The sections of a study's tables, in their order."""
    made = []
    for table in study.settings["tables"]:
        own = [row for row in rows if row.place.table == table]
        section = Section(HEADINGS[table])
        if table == "source":
            section.parts += _mattes(study)
        if not own:
            section.parts.append("No cell of this table is done.")
        elif table == "capacity":
            section.parts += _capacity(own)
        else:
            section.parts += _comparison(table, own)
        made.append(section)
    return made


def in_short(rows: list[Row]) -> list[tuple[str, ...]]:
    """Every comparison by MAD: table, test set, protocol, difference, verdict."""
    lines: list[tuple[str, ...]] = []
    for table, base in BASES.items():
        own = [row for row in rows if row.place.table == table]
        for protocol in dict.fromkeys(row.place.protocol for row in own):
            for test in dict.fromkeys(row.test for row in own):
                these = [r for r in own if r.place.protocol == protocol and r.test == test]
                arms = {arm: [row for row in these if row.place.arm == arm]
                        for arm in dict.fromkeys(row.place.arm for row in these)}  # fmt: skip
                for arm in arms:
                    found = None if arm == base else _difference(arms, arm, base, "mad")
                    if found is not None:
                        said = verdict(found, arm, base)
                        text = _text(found, sign=True)
                        lines.append((table, test, protocol, f"{arm} less {base}", text, said))
    return lines


def _mattes(study: Study) -> list[str | Grid | Curve]:
    """The mattes' own errors, before anything is trained."""
    grids: list[str | Grid | Curve] = []
    for region, where in (("whole", "whole picture"), ("unknown", "unknown region")):
        lines = []
        for arm, regions in study.matte_errors.items():
            if region in regions:
                found = [_scaled(regions[region][m], m) for m in _METRICS]
                count = str(len(regions[region]["mad"]))
                lines.append((arm, count, *(_text(one) for one in found)))
        if lines:
            title = f"The mattes' own errors to the truth, {where}"
            grids.append(Grid(title, ("arm", "foregrounds", *map(_head, _METRICS)), lines))
    if grids:
        grids.insert(0, (
            "First the mattes themselves: the mean over training foregrounds, with its 95 % "
            "interval over foregrounds. A model that is given a trimap is asked for the unknown "
            "region alone; errors elsewhere reach it only where a trimap drawn from the wrong "
            "matte calls them unknown."
        ))  # fmt: skip
    return grids


def _comparison(table: str, rows: list[Row]) -> list[str | Grid | Curve]:
    """Arms against a base, for each protocol and test set."""
    base = BASES[table]
    parts: list[str | Grid | Curve] = []
    if table == "source":
        parts.append(_PROTOCOLS)
    for protocol in dict.fromkeys(row.place.protocol for row in rows):
        of_protocol = [row for row in rows if row.place.protocol == protocol]
        arms = list(dict.fromkeys(row.place.arm for row in of_protocol))
        series = {}
        for test in dict.fromkeys(row.test for row in of_protocol):
            own = {arm: [row for row in of_protocol if row.place.arm == arm and row.test == test]
                   for arm in arms}  # fmt: skip
            named = f", {protocol}" if table == "source" else ""
            parts.append(_errors(f"Errors on {test}{named}", own))
            parts.append(_differences(f"Less the error of {base}, on {test}{named}", own, base))
            points = [(arm, _difference(own, arm, base, "mad")) for arm in arms if arm != base]
            series[test] = [(arm, found) for arm, found in points if found is not None]
        if any(series.values()):
            name = f"{table}-{protocol.replace(' ', '-')}"
            title = f"MAD less that of {base}" + (f", {protocol}" if table == "source" else "")
            parts.append(Curve(name, title, "bars", series, "MAD x 1000, difference"))
    return parts


def _errors(title: str, own: Mapping[str, list[Row]]) -> Grid:
    lines = []
    for arm, rows in own.items():
        if rows:
            found = [interval(list(by_seed(rows, metric).values())) for metric in _METRICS]
            samples = str(rows[0].place.cell.data.samples)
            lines.append((arm, samples, str(len(rows)), *(_text(one) for one in found)))
    return Grid(title, ("arm", "samples", "seeds", *map(_head, _METRICS)), lines)


def _differences(title: str, own: Mapping[str, list[Row]], base: str) -> Grid:
    lines = []
    for arm in own:
        if arm == base:
            continue
        found = {metric: _difference(own, arm, base, metric) for metric in ("mad", "sad", "grad")}
        texts = ["not measured" if one is None else _text(one, sign=True)
                 for one in found.values()]  # fmt: skip
        lines.append((arm, *texts, verdict(found["mad"], arm, base)))
    heads = [_head(metric) for metric in ("mad", "sad", "grad")]
    return Grid(title, ("arm", *heads, "verdict by MAD"), lines)


def _difference(own: Mapping[str, list[Row]], arm: str, base: str, metric: str) -> Interval | None:
    return paired(by_seed(own[arm], metric), by_seed(own.get(base, []), metric))


def _capacity(rows: list[Row]) -> list[str | Grid | Curve]:
    parts: list[str | Grid | Curve] = [
        "Nested subsets by id: each holds the next smaller one. Equal steps: every subset is "
        "trained as long. Equal epochs: as often over, so smaller ones for fewer steps. With equal "
        "epochs a difference is of length and size together."
    ]
    for protocol in (design.EQUAL_STEPS, design.EQUAL_EPOCHS):
        of_protocol = [row for row in rows if row.place.protocol == protocol]
        series = {}
        for test in dict.fromkeys(row.test for row in of_protocol):
            own = [row for row in of_protocol if row.test == test]
            parts.append(_sizes(f"Errors on {test}, {protocol}", own))
            fit = _fit(own, test, protocol)
            parts += [fit] if fit else []
            series[test] = [
                (size, interval(list(by_seed(group, "mad").values())))
                for size, group in _by_size(own).items()
            ]
        if series:
            name = f"capacity-{protocol.replace(' ', '-')}"
            parts.append(Curve(name, f"MAD by size of the training set, {protocol}", "line",
                               series, "MAD x 1000"))  # fmt: skip
    return parts


def _by_size(rows: list[Row]) -> dict[int, list[Row]]:
    sizes = sorted({row.place.cell.data.samples for row in rows})
    return {size: [row for row in rows if row.place.cell.data.samples == size] for size in sizes}


def _sizes(title: str, rows: list[Row]) -> Grid:
    groups = _by_size(rows)
    whole = by_seed(groups[max(groups)], "mad")
    lines = []
    for size, group in groups.items():
        found = [interval(list(by_seed(group, metric).values())) for metric in _METRICS]
        said = "" if size == max(groups) else _said(paired(by_seed(group, "mad"), whole), size)
        place = group[0].place
        lines.append((f"{place.fraction:g}", str(size), str(place.cell.steps), str(len(group)),
                      *(_text(one) for one in found), said))  # fmt: skip
    header = ("fraction", "samples", "steps", "seeds", *map(_head, _METRICS), "MAD less the whole")
    return Grid(title, header, lines)


def _said(found: Interval | None, size: int) -> str:
    said = verdict(found, f"{size} samples", "all")
    return said if found is None else f"{_text(found, sign=True)}: {said}"


def _fit(rows: list[Row], test: str, protocol: str) -> str | None:
    groups = _by_size(rows)
    errors = {size: by_seed(group, "mad") for size, group in groups.items()}
    seeds = sorted(set.intersection(*(set(found) for found in errors.values())))
    if len(groups) < 2 or not seeds:
        return None
    found = exponent(list(groups), {s: [errors[size][s] for size in groups] for s in seeds})
    said = {
        (True, True): "more data is better",
        (True, False): "more data is worse",
    }.get((found.clear_of_zero, found.mean > 0), "no effect of size shown at this length")
    return (
        f"Fit on {test}, {protocol}: MAD falls as (samples) to the power of "
        f"-b with b = {_text(found)}; {said}."
    )


def _scaled(values: Sequence[float], metric: str) -> Interval:
    return interval([value * SCALE[metric] for value in values])


def _head(metric: str) -> str:
    return metric.upper() + (" x 1000" if SCALE[metric] != 1 else "") if metric in (
        "mad", "sad", "mse") else metric.capitalize()  # fmt: skip


def _text(found: Interval, *, sign: bool = False) -> str:
    digits = 2 if abs(found.mean) >= 1 else 3
    form = f"{'+' if sign else ''}.{digits}f"
    if not found.known:
        return f"{found.mean:{form}}"
    return f"{found.mean:{form}} ({found.low:{form}} to {found.high:{form}})"


_PROTOCOLS: Final = (
    "Two protocols. Recomposited: each arm's foreground is composited with the arm's own alpha "
    "over new backgrounds at every draw. Picture and label then always agree, whatever the matte,"
    " so a wrong matte teaches another kind of object rather than a contradiction. In place: the "
    "picture is the true composite, the same for every arm, and only the label is the arm's; a "
    "wrong matte contradicts what the network sees. That is what labels of photographs do. Smooth"
    " labels are learnt faster than sharp ones, so early in training this protocol can favour the"
    " worse matte; below about 2,000 steps read it with care."
)
