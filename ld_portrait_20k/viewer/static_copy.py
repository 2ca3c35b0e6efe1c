"""The viewer as static files that open from disk or from any web server.

Pages from disk may neither fetch nor import modules, so data lies in scripts that assign it, the
page's modules are joined into one script, and pictures for the canvas are data URLs.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.common.files import replacing_folder
from ld_portrait_20k.common.printable import printable
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.viewer.answers import BINS
from ld_portrait_20k.viewer.pictures import decode, encode_webp, shrunk
from ld_portrait_20k.viewer.queries import Query
from ld_portrait_20k.viewer.server import POLICY, page_files
from ld_portrait_20k.viewer.viewer import Viewer

MAX_SAMPLES: Final = 1000
BYTES_A_SAMPLE: Final = 30_000
"""Default budget: 30 MB for 1,000 samples, which a static Space on the Hub shows at once."""

SIDES: Final = (1024, 896, 768, 640, 576, 512, 448, 416, 384, 352, 320, 288, 256)
"""Longer sides tried for the pictures of one sample; the largest that fits the budget is taken."""

_SPRITE: Final = 160
_COLUMNS: Final = 10
_PER_SHEET: Final = 100
_PER_PAGE: Final = 200
_TRIED: Final = 8  # samples whose sizes decide about all
_SHARE: Final = 0.85  # of the budget for the pictures tried: others may be larger
_QUALITY: Final = 72  # chosen by eye: hair keeps its strands
_MODULES: Final = '<script type="module" src="static/main.js"></script>'

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class StaticCopy:
    """What was written.

    Attributes:
        folder: Where.
        samples: How many samples it shows.
        bytes: Size of all files.
        side: Longer side of the pictures of one sample in pixels; smaller ones keep their size.
    """

    folder: Path
    samples: int
    bytes: int
    side: int


def write_static_copy(
    viewer: Viewer,
    folder: Path,
    *,
    max_samples: int = MAX_SAMPLES,
    bytes_a_sample: int = BYTES_A_SAMPLE,
    progress: Callable[[int], object] | None = None,
) -> StaticCopy:
    """Write the page and a part of the dataset as static files.

    Args:
        viewer: Its dataset's metadata has been read.
        folder: Where to; an earlier copy there is replaced.
        max_samples: Most samples; they are spread evenly over the dataset.
        bytes_a_sample: Budget. The pictures are made smaller until it holds.
        progress: Called with 1 for every sample.

    Raises:
        PortraitError: The folder holds something else, or a sample is damaged.
    """
    is_new = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not is_new and not (folder / "data/dataset.js").is_file():
        raise PortraitError(f"{folder}: holds other files; try: a new folder for --export")
    keys = _spread(viewer, max_samples)
    side = _fitting_side(viewer, keys, bytes_a_sample)
    with replacing_folder(folder, sync=False) as temporary:
        _write_page(temporary)
        (temporary / "data").mkdir()
        (temporary / "sheets").mkdir()
        rows = []
        sprites: list[Pixels] = []
        for place, key in enumerate(keys):
            row, sprite, detail = _one(viewer, key, side)
            rows.append(row)
            sprites.append(sprite)
            _assign(temporary / "data" / f"{key}.js", f"PORTRAITS.samples[{key!r}] = ", detail)
            if len(sprites) == _PER_SHEET or place + 1 == len(keys):
                sheet = temporary / "sheets" / f"{place // _PER_SHEET:03d}.webp"
                sheet.write_bytes(_sprite_webp(_sheet(sprites)))
                sprites = []
            if progress is not None:
                progress(1)
        _write_index(temporary, viewer, rows, side)
        (temporary / "README.md").write_text(_space_card(viewer), encoding="utf-8")
        size = sum(path.stat().st_size for path in temporary.rglob("*") if path.is_file())
    return StaticCopy(folder, len(keys), size, side)


def _spread(viewer: Viewer, count: int) -> list[str]:
    rows = viewer.answers.order(Query())
    places = range(len(rows))
    if len(rows) > count:
        places = [(2 * place + 1) * len(rows) // (2 * count) for place in range(count)]  # type: ignore[assignment]
    return [viewer.answers.brief(int(rows[place]))["id"] for place in places]


def _fitting_side(viewer: Viewer, keys: Sequence[str], budget: int) -> int:
    """The largest side at which some of the samples fit the budget."""
    step = max(1, len(keys) // _TRIED)
    tried = keys[::step][:_TRIED]
    for side in SIDES:
        total = 0
        for key in tried:
            row, sprite, detail = _one(viewer, key, side)
            total += len(json.dumps(row)) + len(json.dumps(detail)) + len(_sprite_webp(sprite))
        if total <= _SHARE * budget * len(tried):
            return side
    return SIDES[-1]


def _one(viewer: Viewer, key: str, side: int) -> tuple[dict[str, Any], Pixels, dict[str, Any]]:
    """A sample as a row of the grid, its sprite, and all about it."""
    detail = viewer.sample(key, public=True)
    detail.pop("mark", None)
    subset = viewer.dataset.subset
    foreground, alpha = decode(viewer.pictures.sample(subset, key))
    small = shrunk(foreground, alpha, side)
    pictures = {
        f"{subset} foreground": _data_url(small[..., :3]),
        f"{subset} alpha": _data_url(small[..., 3]),
    }
    for other in detail["subsets"]:
        if other != subset:
            _, matte = decode(viewer.pictures.sample(other, key))
            size = (small.shape[1], small.shape[0])
            pictures[f"{other} alpha"] = _data_url(_resized(matte, size))
    sprite = shrunk(foreground, alpha, _SPRITE)
    row = viewer.answers.values(viewer.answers.row(key))
    row.update({"id": key, "width": sprite.shape[1], "height": sprite.shape[0]})
    return row, sprite, {**detail, "pictures": pictures}


def _resized(matte: Pixels, size: tuple[int, int]) -> Pixels:
    if (matte.shape[1], matte.shape[0]) == size:
        return matte
    return np.asarray(cv2.resize(matte, size, interpolation=cv2.INTER_AREA), np.uint8)


def _data_url(picture: Pixels) -> str:
    content = encode_webp(np.ascontiguousarray(picture), _QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(content).decode()}"


def _sprite_webp(picture: Pixels) -> bytes:
    return encode_webp(picture, _QUALITY, alpha_quality=_QUALITY)


def _sheet(sprites: Sequence[Pixels]) -> Pixels:
    rows = -(-len(sprites) // _COLUMNS)
    sheet = np.zeros((rows * _SPRITE, _COLUMNS * _SPRITE, 4), np.uint8)
    for place, sprite in enumerate(sprites):
        top, left = place // _COLUMNS * _SPRITE, place % _COLUMNS * _SPRITE
        sheet[top : top + sprite.shape[0], left : left + sprite.shape[1]] = sprite
    return sheet


def _write_index(
    folder: Path, viewer: Viewer, rows: Sequence[Mapping[str, Any]], side: int
) -> None:
    facets = viewer.answers.facets(Query())
    texts = [facet["name"] for facet in facets["texts"] if facet["name"] not in ("mark", "state")]
    numbers = [facet["name"] for facet in facets["numbers"]]
    about = {**viewer.about(public=True), "samples": len(rows)}
    about["orders"] = ["id", "split", "prompt", *sorted(numbers)]
    varied = [name for name in texts if len({row["texts"].get(name) for row in rows}) > 1]
    body = {
        "about": about,
        "note": f"In this copy pictures have at most {side} pixels a side and are compressed, so "
        "pixel values are near those of the dataset, not equal.",
        "texts": varied,
        "numbers": [name for name in numbers if _varies(row["numbers"][name] for row in rows)],
        "bins": BINS,
        "sheets": {"side": _SPRITE, "columns": _COLUMNS, "perSheet": _PER_SHEET},
        "pages": [],
        "samples": {},
    }
    _assign(folder / "data/dataset.js", "globalThis.PORTRAITS = ", body)
    pages = range(0, len(rows), _PER_PAGE)
    scripts = ["data/dataset.js"]
    for number, first in enumerate(pages):
        scripts.append(f"data/page-{number:03d}.js")
        chosen = [_kept(row, varied, numbers) for row in rows[first : first + _PER_PAGE]]
        _assign(folder / scripts[-1], f"PORTRAITS.pages[{number}] = ", chosen)
    scripts.append("static/viewer.js")
    tags = "\n  ".join(f'<script defer src="{name}"></script>' for name in scripts)
    policy = POLICY.partition("; frame-ancestors")[0]  # a policy in a page may not say it
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    html = page_files()["index.html"].decode()
    html = html.replace('<meta charset="utf-8">', f'<meta charset="utf-8">\n  {meta}')
    (folder / "index.html").write_text(html.replace(_MODULES, tags), encoding="utf-8")


def _space_card(viewer: Viewer) -> str:
    """What makes the folder a static Space of the Hub. JSON is YAML."""
    name = str(viewer.about(public=True)["name"]).rpartition("/")[2]
    title = json.dumps(printable(name, 60))
    return (
        f"---\ntitle: {title}\nsdk: static\napp_file: index.html\npinned: false\n---\n\n"
        "Samples of a dataset of portraits with alpha mattes. Open `index.html` in a browser.\n"
    )


def _varies(values: Iterator[float | None]) -> bool:
    return len({value for value in values if value is not None}) > 1


def _kept(row: Mapping[str, Any], texts: Sequence[str], numbers: Sequence[str]) -> dict[str, Any]:
    return {
        **row,
        "texts": {name: row["texts"][name] for name in dict.fromkeys(["split", *texts])},
        "numbers": {name: row["numbers"][name] for name in numbers},
    }


def _assign(path: Path, begin: str, value: Any) -> None:
    # ASCII alone: a browser may take a script from disk for another encoding.
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    path.write_text(f"{begin}{text};\n", encoding="ascii")


def _write_page(folder: Path) -> None:
    (folder / "static").mkdir()
    pages = page_files()
    (folder / "static/viewer.css").write_bytes(pages["viewer.css"])
    (folder / "static/viewer.js").write_text(joined_script(pages), encoding="utf-8")


def joined_script(pages: Mapping[str, bytes], first: str = "main.js") -> str:
    """The page's modules as one script, each in a function of its own.

    Args:
        pages: The page's files by name. Their imports stand on one line each, and what they
            export is a function, a class or a constant.
        first: The module that imports the others.
    """
    written: dict[str, str] = {}

    def add(name: str) -> None:
        text = pages[name].decode()
        for imported in re.findall(r'^import .* from "\./(.+)";$', text, re.MULTILINE):
            if imported not in written:
                add(imported)
        exported = re.findall(
            r"^export (?:async )?(?:function|class|const) (\w+)", text, re.MULTILINE
        )
        text = re.sub(
            r'^import (.*) from "\./(.+)";$', r'const \1 = modules["\2"];', text, flags=re.MULTILINE
        )
        text = re.sub(r"^export ", "", text, flags=re.MULTILINE)
        returned = f"return {{ {', '.join(exported)} }};"
        written[name] = f'modules["{name}"] = (() => {{\n{text}{returned}\n}})();\n'

    add(first)
    return '"use strict";\nconst modules = {};\n' + "".join(written.values())
