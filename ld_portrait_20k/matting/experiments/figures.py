"""The report's figures as PNG and SVG, the same bytes for the same figures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Final

from ld_portrait_20k.errors import missing_extra
from ld_portrait_20k.matting.experiments.sections import Curve

_COLOURS: Final = ("#2f6db3", "#c2571a", "#3d8b40", "#8a4fa3")
_GREY: Final = "#808080"  # seen on white and on black


def check_matplotlib() -> None:
    """Check before hours of training that the report can be drawn.

    Raises:
        PortraitError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as problem:
        raise missing_extra("matplotlib", "matting") from problem


def draw(curve: Curve) -> dict[str, bytes]:
    """A figure by suffix, ``png`` and ``svg``; transparent, grey axes, for light and dark."""
    import matplotlib
    from matplotlib.figure import Figure

    style: Any = {
        "svg.hashsalt": curve.name, "svg.fonttype": "none", "font.size": 10,
        "text.color": _GREY, "axes.labelcolor": _GREY, "axes.edgecolor": _GREY,
        "xtick.color": _GREY, "ytick.color": _GREY,
    }  # fmt: skip
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(6.4, 3.6), layout="constrained")
        axes = figure.subplots()
        (_bars if curve.kind == "bars" else _line)(axes, curve)
        axes.grid(True, color=_GREY, alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if len(curve.series) > 1:
            axes.legend(frameon=False)
        made = {}
        for suffix in ("png", "svg"):
            stream = io.BytesIO()
            figure.savefig(stream, format=suffix, transparent=True, dpi=150,
                           metadata={"Date": None} if suffix == "svg" else {})  # fmt: skip
            made[suffix] = stream.getvalue()
    return made


def _bars(axes: Any, curve: Curve) -> None:
    """Differences with intervals, an arm a row, 0 marked."""
    names = list(dict.fromkeys(name for points in curve.series.values() for name, _ in points))
    step = 0.6 / max(1, len(curve.series))
    for number, (series, points) in enumerate(curve.series.items()):
        shift = (number - (len(curve.series) - 1) / 2) * step
        _points(axes, [found for _, found in points],
                [names.index(name) + shift for name, _ in points],
                label=series, color=_COLOURS[number % 4], across=True)  # fmt: skip
    axes.axvline(0, color=_GREY, linewidth=1)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel(curve.axis)


def _line(axes: Any, curve: Curve) -> None:
    """Errors by size with intervals, both axes logarithmic."""
    from matplotlib.ticker import MaxNLocator, ScalarFormatter

    sizes: list[int] = []
    for number, (series, points) in enumerate(curve.series.items()):
        colour = _COLOURS[number % 4]
        sizes = [size for size, _ in points]
        axes.plot(sizes, [found.mean for _, found in points], color=colour, linewidth=1)
        _points(axes, [found for _, found in points], sizes,
                label=series, color=colour, across=False)  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    # Within a decade the logarithmic locator would name one value or none.
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.set_xlabel("training samples")
    axes.set_ylabel(curve.axis)


def _points(
    axes: Any, found: list[Any], places: Sequence[float], *, label: str, color: str, across: bool
) -> None:
    means = [one.mean for one in found]
    reach = [[one.mean - one.low if one.known else 0 for one in found],
             [one.high - one.mean if one.known else 0 for one in found]]  # fmt: skip
    x, y, error = (means, places, "xerr") if across else (places, means, "yerr")
    axes.errorbar(x, y, **{error: reach}, fmt="o", markersize=5, capsize=3, label=label,
                  color=color)  # fmt: skip
