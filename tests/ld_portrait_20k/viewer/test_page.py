"""The page in headless Chromium, from the server and as a static copy."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from ld_portrait_20k import codec
from ld_portrait_20k.cli import main
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.manifest import FILE_NAME, Manifest
from ld_portrait_20k.format.shards import ShardWriter

from ..samples import picture
from .browser import Watched, chromium, open_page
from .conftest import COUNT
from .large import HAIR, metadata, write
from .site import site

pytestmark = pytest.mark.slow

HOSTILE = "\u202e<img src=x onerror=alert(1)> \"quoted\" 'single' <script>alert(2)</script> &amp;"

QUERIES = (
    "sort=-confidence&q=curly",
    "hair_color=red&hair_color=grey&confidence=0.3..",
    "sort=hair_color&split=test",
    "sort=-refined_sad&confidence=..0.7&age=old",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as one:
        yield one


def total(watched: Watched, text: str) -> None:
    watched.until("text => document.getElementById('count').textContent.startsWith(text)", text)


def count_beside(watched: Watched, field: str, value: str) -> str:
    row = f"details[data-field={field}] label:has(span:text-is('{value}')) output"
    return watched.text(row)


def red_adults() -> tuple[int, int]:
    red = [n for n in range(COUNT) if metadata(n, 1, 1)["attributes"]["hair_color"] == "red"]
    adult = [n for n in red if metadata(n, 1, 1)["attributes"]["age"] == "adult"]
    return len(red), len(adult)


def test_filters_search_and_order(browser: Any, dataset: Path) -> None:
    red, adults = red_adults()
    with site(dataset) as one:
        watched = open_page(browser, one.address)
        page = watched.page
        page.wait_for_selector("details[data-field=hair_color]")
        page.click("details[data-field=hair_color] summary")
        assert count_beside(watched, "hair_color", "red") == str(red)
        page.check("details[data-field=hair_color] label:has(span:text-is('red')) input")
        total(watched, f"{red} of {COUNT}")
        watched.until(
            "wanted => [...document.querySelectorAll('details[data-field=age] label')]"
            ".some(one => one.textContent === `adult${wanted}`)",
            adults,
        )
        assert count_beside(watched, "hair_color", HAIR[0]) != "0"  # its own filter aside
        assert "hair_color=red" in page.url
        page.select_option("#order", "confidence")
        page.click("#falling")
        watched.until("() => document.querySelectorAll('.cell .figure').length > 0")
        figures = page.eval_on_selector_all(".cell .figure", "all => all.map(x => +x.textContent)")
        assert figures == sorted(figures, reverse=True) and len(figures) == red

        other = open_page(browser, page.url)  # a view that was sent to somebody
        total(other, f"{red} of {COUNT}")
        assert other.page.input_value("#order") == "confidence"
        assert other.page.is_checked("details[data-field=hair_color] label:has-text('red') input")
        page.click("#clear")
        page.keyboard.press("Escape")
        page.fill("#search", "nothing like it")
        total(watched, "0 of")
        assert page.is_visible("#empty")
        page.fill("#search", "ldp-0000007")
        total(watched, "1 of")
        page.fill("#search", "")
        total(watched, f"{COUNT} samples")
        page.click("details[data-field=confidence] summary")
        page.fill("details[data-field=confidence] input >> nth=0", "0.5")
        watched.until("() => location.hash.includes('confidence=0.5..')")
        sure = sum(metadata(n, 1, 1)["refinement"]["confidence"] >= 0.5 for n in range(COUNT))
        total(watched, f"{sure} of {COUNT}")
        assert watched.problems == [] and other.problems == []
        assert all(url.startswith((one.address, "data:")) for url in watched.asked)


def test_where(browser: Any, dataset: Path) -> None:
    red, _ = red_adults()
    with site(dataset) as one:
        watched = open_page(browser, one.address)
        page = watched.page
        page.wait_for_selector("details[data-field=hair_color]")
        page.keyboard.press("w")
        page.keyboard.type("hair_color = 'red'")
        total(watched, f"{red} of {COUNT}")
        assert "where=hair_color" in page.url
        page.click("details[data-field=hair_color] summary")
        watched.until("() => [...document.querySelectorAll("
                      "'details[data-field=hair_color] output')]"
                      ".filter(one => one.textContent !== '0').length === 1")  # fmt: skip
        page.fill("#where", "hair_color = <img src=x onerror=alert(1)>")
        watched.until("() => document.getElementById('where-problem').textContent !== ''")
        assert watched.text("#where-problem").startswith("column 14: ")
        assert page.get_attribute("#where", "aria-invalid") == "true"
        assert watched.text("#count").startswith(f"{red} of {COUNT}")  # what it was before
        page.fill("#where", "confidence < 2")
        total(watched, f"{COUNT} samples")
        assert watched.text("#where-problem") == ""
        other = open_page(browser, f"{one.address}#where=id%20in%20('ldp-0000003')")
        total(other, "1 of 60")
        assert other.page.input_value("#where") == "id in ('ldp-0000003')"
        page.click("#clear")
        watched.until("() => !location.hash.includes('where')")
        assert page.input_value("#where") == ""
        # A browser names each answer of an error on its console.
        assert all("status of 400" in problem for problem in watched.problems)
        assert other.problems == []


def test_a_grid_of_thousands_scrolls(browser: Any, tmp_path: Path) -> None:
    write(tmp_path / "d", 3000, shards=2, size=(12, 8))
    with site(tmp_path / "d") as one:
        watched = open_page(browser, one.address)
        total(watched, "3,000 samples")
        grid = watched.page.locator("#grid")
        assert grid.evaluate("grid => grid.scrollHeight > 50 * grid.clientHeight")
        asked = len(watched.asked)
        for share in (0.2, 0.5, 0.9, 1.0):
            grid.evaluate("(grid, share) => { grid.scrollTop = share * grid.scrollHeight }", share)
            watched.page.wait_for_timeout(20)
        watched.until("() => [...document.querySelectorAll('.cell .id')]"
                      ".some(x => x.textContent === 'ldp-0002999')")  # fmt: skip
        assert watched.page.locator(".cell").count() < 100
        assert len(watched.asked) - asked < 300  # four stops of about 45 cells, not 3,000
        watched.page.focus("#grid")
        watched.page.keyboard.press("Home")
        watched.until("() => document.getElementById('cell-0')?.ariaSelected === 'true'")
        watched.page.keyboard.press("End")
        watched.until("() => document.getElementById('cell-2999')?.ariaSelected === 'true'")
        watched.page.keyboard.press("ArrowLeft")
        assert grid.get_attribute("aria-activedescendant") == "cell-2998"
        watched.page.keyboard.press("Enter")
        watched.page.wait_for_selector("#sample[open]")
        watched.until(
            "() => document.getElementById('sample-place').textContent === '2999 of 3,000'"
        )
        assert watched.problems == []


def pixel(watched: Watched, share_x: float, share_y: float) -> list[int]:
    """What the canvas shows there, of its width and height."""
    found: list[int] = watched.page.evaluate(
        "([x, y]) => { const c = document.getElementById('stage'); return [...c.getContext('2d')"
        ".getImageData(c.width * x, c.height * y, 1, 1).data] }",
        [share_x, share_y],
    )
    return found[:3]


def mattes(root: Path, *others: tuple[str, int]) -> None:
    """One sample, 40 x 20 pixels, opaque but for its left edge, with other mattes in subsets."""
    foreground = np.full((20, 40, 3), (200, 100, 50), np.uint8)
    foreground[10, 30] = (10, 20, 30)
    records = []
    for subset, alpha in (("default", 255), *others):
        name = schema.shard_name(subset, "train", 0, 1)
        with ShardWriter(root / name, "png") as writer:
            matte = np.full((20, 40), alpha, np.uint8)
            matte[:, :4] = 0
            text = schema.encode_metadata({**metadata(0, 40, 20), "prompt": HOSTILE})
            writer.add(schema.sample_id(0), codec.encode_foreground(foreground),
                       codec.encode_alpha(matte), text)  # fmt: skip
        records.append(writer.record(name, subset, "train"))
    manifest = Manifest("png", "0" * 64, "test", {"train": 1}, tuple(records))
    (root / FILE_NAME).write_text(manifest.to_json(), encoding="utf-8")


def test_the_exact_matte(browser: Any, tmp_path: Path) -> None:
    mattes(tmp_path, ("raw", 127), ("truth", 235))
    with site(tmp_path) as one:
        watched = open_page(browser, f"{one.address}#behind=%23000000&sample=ldp-0000000")
        page = watched.page
        page.wait_for_selector("#sample[open]")
        watched.until("() => document.getElementById('readout').textContent.includes('refined')")
        assert page.locator("#left option").all_text_contents() == ["raw", "refined", "truth"]
        page.select_option("#right", "truth")
        watched.until("() => document.getElementById('readout').textContent.includes('truth')")
        assert "right=truth" in page.url and watched.text("#split-label") == "Slider: raw | truth"
        page.wait_for_timeout(100)
        assert pixel(watched, 0.4, 0.4) == [100, 50, 25]
        assert pixel(watched, 0.6, 0.4) == [round(c * 235 / 255) for c in (200, 100, 50)]
        page.select_option("#left", "default")
        page.focus("#stage")
        page.keyboard.press("d")
        watched.until("() => document.getElementById('stage').ariaLabel.startsWith('difference')")
        for gain, red in ((1, 20), (4, 80), (16, 255)):  # refined is opaquer by 20 of 255
            page.select_option("#gain", str(gain))
            page.wait_for_timeout(100)
            found = pixel(watched, 0.6, 0.4)
            assert found[0] == red and found[2] == min(255, round(20 * gain / 3)), gain
        other = open_page(browser, page.url)  # the comparison is in the address
        other.page.wait_for_selector("#sample[open]")
        other.until("() => document.getElementById('readout').textContent.includes('truth')")
        assert other.page.input_value("#left") == "default"
        assert other.page.input_value("#right") == "truth"
        assert watched.problems == [] and other.problems == []


def test_pixels_at_eight_times(browser: Any, tmp_path: Path) -> None:
    """Each is a square of 8 x 8 screen pixels of exactly its own colour."""
    mattes(tmp_path)
    with site(tmp_path) as one:
        watched = open_page(browser, f"{one.address}#behind=%23000000&sample=ldp-0000000")
        page = watched.page
        page.wait_for_selector("#sample[open]")
        watched.until("() => document.getElementById('readout').textContent.includes('refined')")
        page.focus("#stage")
        page.keyboard.press("1")
        for _ in range(3):
            page.keyboard.press("+")
        page.focus("#next") if page.is_enabled("#next") else page.focus("#close")
        page.wait_for_timeout(100)
        drawn = page.evaluate(
            "() => { const c = document.getElementById('stage'); const [w, h] = [320, 160];"
            "const [x, y] = [Math.round((c.width - w) / 2), Math.round((c.height - h) / 2)];"
            "return [...c.getContext('2d').getImageData(x, y, w, h).data] }"
        )
        seen = np.array(drawn, np.uint8).reshape(20, 8, 40, 8, 4)[..., :3]
        expected = np.full((20, 40, 3), (200, 100, 50), np.uint8)
        expected[10, 30] = (10, 20, 30)
        expected[:, :4] = 0
        assert (seen == expected[:, None, :, None]).all()
        box = page.locator("#stage").bounding_box()
        left, top = box["x"] + (box["width"] - 320) / 2, box["y"] + (box["height"] - 160) / 2
        page.mouse.move(left + 30 * 8 + 4, top + 10 * 8 + 4)
        said = "column 30, row 10 · refined: colour 10 20 30, alpha 255"
        watched.until("said => document.getElementById('readout').textContent === said", said)


def test_the_line_of_the_slider_is_drawn_along(browser: Any, tmp_path: Path) -> None:
    mattes(tmp_path, ("raw", 127))
    with site(tmp_path) as one:
        watched = open_page(browser, f"{one.address}#behind=%23000000&sample=ldp-0000000")
        page = watched.page
        page.wait_for_selector("#sample[open]")
        watched.until("() => document.getElementById('readout').textContent.includes('refined')")
        page.wait_for_timeout(100)
        box = page.locator("#stage").bounding_box()
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(*middle)
        assert page.get_attribute("#stage", "class") == "at-line"
        page.mouse.down()
        page.mouse.move(middle[0] + 80, middle[1])
        page.mouse.up()
        assert int(page.input_value("#split")) == round(500 + 1000 * 80 / 320)  # 8 times 40 pixels
        assert pixel(watched, 0.55, 0.4) == [100, 50, 25]  # raw reaches beyond the middle
        page.mouse.move(middle[0] - 60, middle[1])
        page.mouse.down()
        page.mouse.move(middle[0] - 20, middle[1])
        page.mouse.up()
        assert int(page.input_value("#split")) == 750


def test_one_sample(browser: Any, tmp_path: Path) -> None:
    mattes(tmp_path, ("raw", 127))
    with site(tmp_path, tmp_path / "marks.jsonl") as one:
        watched = open_page(browser, f"{one.address}#behind=%23000000&sample=ldp-0000000")
        page = watched.page
        page.wait_for_selector("#sample[open]")
        watched.until("() => document.getElementById('readout').textContent.includes('refined')")
        # The slider stands in the middle: raw on the left, refined on the right, over black.
        assert pixel(watched, 0.4, 0.5) == [100, 50, 25]
        assert pixel(watched, 0.6, 0.5) == [200, 100, 50]
        page.fill("#split", "1000")
        assert pixel(watched, 0.6, 0.5) == [100, 50, 25]
        page.keyboard.press("a")
        watched.until("() => document.getElementById('stage').ariaLabel.startsWith('alpha')")
        page.wait_for_timeout(100)
        assert pixel(watched, 0.6, 0.5) == [127] * 3
        page.keyboard.press("t")
        watched.until("() => document.getElementById('stage').ariaLabel.startsWith('trimap')")
        page.wait_for_timeout(100)
        assert pixel(watched, 0.6, 0.5) == [128] * 3
        page.keyboard.press("d")
        watched.until("() => document.getElementById('stage').ariaLabel.startsWith('difference')")
        page.select_option("#gain", "1")
        page.wait_for_timeout(100)
        red, _, blue = pixel(watched, 0.6, 0.5)
        assert blue == 128 and red < 50 and page.is_visible("#legend")

        page.focus("#stage")
        page.keyboard.press("1")
        for _ in range(3):
            page.keyboard.press("+")
        assert page.get_attribute("#zooms button >> nth=4", "aria-pressed") == "true"
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Shift+ArrowUp")
        assert watched.text("#readout") == (
            "column 21, row 0 · raw: colour 200 100 50, alpha 127 · "
            "refined: colour 200 100 50, alpha 255"
        )
        # Eight pixels of the screen for one of the picture: 40 pixels are 320.
        page.keyboard.press("c")
        watched.until("() => document.getElementById('stage').ariaLabel.startsWith('composite')")
        page.wait_for_timeout(100)
        width = page.evaluate(
            "() => { const c = document.getElementById('stage'); const p = c.getContext('2d');"
            "const row = p.getImageData(0, c.height / 2, c.width, 1).data; let n = 0;"
            "for (let i = 0; i < row.length; i += 4) n += row[i + 3] === 255; return n }"
        )
        assert 318 <= width <= 322

        assert page.inner_text("#facts p.prompt >> nth=0") == HOSTILE
        assert page.locator("#facts img, #facts script").count() == 0
        page.keyboard.press("b")
        watched.until("() => document.getElementById('mark-bad').ariaPressed === 'true'")
        page.keyboard.press("n")
        page.keyboard.type('an "ear" <b>')
        page.keyboard.press("Tab")
        watched.until("() => document.getElementById('sample-notice').textContent === 'saved'")
        page.wait_for_timeout(200)
        (line,) = (tmp_path / "marks.jsonl").read_text().splitlines()
        assert json.loads(line) == {"id": "ldp-0000000", "mark": "bad", "note": 'an "ear" <b>'}
        page.focus("#stage")
        page.keyboard.press("Escape")
        page.wait_for_selector("#sample", state="hidden")
        assert page.inner_text(".cell .bad") == "bad" and "sample=" not in page.url
        assert watched.problems == []


def hostile_dataset(root: Path) -> None:
    """Metadata that means harm, or is not of the declared types, in samples and in the log."""
    write(root, 5, shards=1)
    foreground, alpha = picture(0, 24, 16)
    good = metadata(0, 24, 16)
    bodies: list[Any] = [
        {**good, "prompt": HOSTILE, "attributes": dict.fromkeys(good["attributes"], HOSTILE)},
        {**good, "prompt": "x" * 20_000, "generator": {"name": HOSTILE, "models": "none"}},
        {**good, "prompt": ["a", "list"], "attributes": "text", "refinement": {"confidence": "1"}},
        {"prompt": {"__proto__": {"polluted": 1}}, "attributes": {"constructor": 1, "age": True}},
        {**good, "attributes": {**good["attributes"], "age": "__proto__", "gender": "constructor"}},
    ]  # fmt: skip
    name = schema.shard_name("default", "train", 0, 1)
    with ShardWriter(root / name, "png") as writer:
        for number, body in enumerate(bodies):
            text = json.dumps({**body, "id": schema.sample_id(number)}).encode()
            members = codec.encode_foreground(foreground), codec.encode_alpha(alpha)
            writer.add(schema.sample_id(number), *members, text)
    line = {"id": "ldp-0000009", "attempt": 0, "seed": 1, "reason": HOSTILE, "detail": HOSTILE,
            "source": HOSTILE, "prompt": HOSTILE, "figures": {"coverage": HOSTILE}}  # fmt: skip
    log = f"{json.dumps(line)}\n".encode()
    (root / "rejected.jsonl").write_bytes(log)
    files = {"rejected.jsonl": {"bytes": len(log), "sha256": hashlib.sha256(log).hexdigest()}}
    manifest = Manifest("png", HOSTILE, HOSTILE, {"train": 5},
                        (writer.record(name, "default", "train"),), files=files)  # fmt: skip
    (root / FILE_NAME).write_text(manifest.to_json(), encoding="utf-8")


def look_through(watched: Watched, address: str, samples: int) -> None:
    """Open every filter and every sample; nothing of the data may have become HTML."""
    page = watched.page
    page.evaluate("() => document.querySelectorAll('#facets details').forEach(d => d.open = true)")
    foreign = "() => document.querySelectorAll('#facets img, #facts img, script:not([src])').length"
    for number in range(samples):
        page.goto(f"{address}#sample=ldp-{number:07d}")
        watched.until("id => document.getElementById('sample-id').textContent === id",
                      f"ldp-{number:07d}")  # fmt: skip
        page.wait_for_timeout(150)
        assert page.evaluate(foreign) == 0
        assert not page.evaluate("() => document.documentElement.scrollWidth > innerWidth")
    assert page.evaluate("() => ({}).polluted === undefined")


def test_hostile_data(browser: Any, tmp_path: Path) -> None:
    root, marks = tmp_path / "<b>data</b>", tmp_path / "marks.jsonl"
    hostile_dataset(root)
    marks.write_text(json.dumps({"id": "ldp-0000001", "mark": "bad", "note": HOSTILE}) + "\n")
    with site(root, marks) as one:
        watched = open_page(browser, one.address)
        page = watched.page
        page.wait_for_selector("details[data-field=age]")
        labels = page.locator("details[data-field=age] span.prompt").all_text_contents()
        assert HOSTILE in labels and "__proto__" in labels
        look_through(watched, one.address, 5)
        page.goto(f"{one.address}#sample=ldp-0000001")
        watched.until("text => document.getElementById('note').value === text", HOSTILE)
        page.goto(f"{one.address}#sample=ldp-0000009.0")
        watched.until("() => document.querySelector('#facts h3')?.textContent === 'Rejected'")
        assert HOSTILE in watched.text("#facts")
        page.goto(f"{one.address}#age={quote(HOSTILE)}&q=%3Cimg")
        total(watched, "1 of 5")
        # The browser names answers of 4xx, of samples whose metadata is no object.
        assert all("status of 4" in problem for problem in watched.problems)
        assert all(url.startswith((one.address, "data:")) for url in watched.asked)
    assert main(["view", str(root), "--export", str(tmp_path / "copy")]) == 0
    page_file = (tmp_path / "copy/index.html").as_uri()
    watched = open_page(browser, page_file)
    watched.until("() => document.querySelectorAll('#facets details').length > 0")
    look_through(watched, page_file, 5)
    assert watched.problems == []
    assert all(url.startswith(("file://", "data:")) for url in watched.asked)


def test_by_keys_alone(browser: Any, dataset: Path, tmp_path: Path) -> None:
    path = tmp_path / "marks.jsonl"
    with site(dataset, path) as one:
        watched = open_page(browser, one.address)
        page = watched.page
        watched.until("() => document.activeElement.id === 'grid'")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("g")
        watched.until("() => document.querySelector('#cell-1 .good') !== null")
        assert json.loads(path.read_text()) == {"id": "ldp-0000001", "mark": "good"}
        page.keyboard.press("x")
        page.keyboard.press("a")
        watched.until("() => document.body.className.includes('alpha-only')")
        assert "behind=dark" in page.url and "show=alpha" in page.url
        page.keyboard.press("Enter")
        page.wait_for_selector("#sample[open]")
        page.keyboard.press("j")
        watched.until("() => document.getElementById('sample-place').textContent === '3 of 60'")
        page.keyboard.press("k")
        page.keyboard.press("k")
        watched.until("() => document.getElementById('sample-id').textContent === 'ldp-0000000'")
        page.go_back()  # to the grid, as from a page of its own
        page.wait_for_selector("#sample", state="hidden")
        assert "sample=" not in page.url
        page.keyboard.press("/")
        page.keyboard.type("ldp-0000001")
        total(watched, "1 of 60")
        page.focus("#falling")
        page.keyboard.press("?")
        assert page.is_visible("#help") and watched.problems == []


def test_backgrounds(browser: Any, tmp_path: Path) -> None:
    mattes(tmp_path, ("raw", 127))
    (tmp_path / "photo.png").write_bytes(codec.encode_foreground(picture(1)[0]))
    with site(tmp_path) as one:
        watched = open_page(browser, one.address)
        page = watched.page
        for kind, image in (
            ("dark", "none"),
            ("checker", "conic"),
            ("place", "svg"),
            ("light", "none"),
        ):
            page.check(f"input[name=behind][value={kind}]")
            watched.until("kind => document.body.classList.contains(`behind-${kind}`)", kind)
            found = page.eval_on_selector(
                ".cell .backed", "one => getComputedStyle(one).backgroundImage"
            )
            assert image in found, kind
        page.set_input_files("#photo", str(tmp_path / "photo.png"))
        watched.until("() => document.documentElement.style.getPropertyValue('--behind-picture')"
                      ".includes('blob:')")  # fmt: skip
        page.fill("#colour", "#ff0000")
        watched.until("() => location.hash.includes('ff0000')")
        page.check("#alpha-only")
        watched.until("() => location.hash.includes('show=alpha')")
        assert "invert" in page.eval_on_selector(".cell img", "x => getComputedStyle(x).filter")
        assert watched.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen(browser: Any, dataset: Path, scheme: str) -> None:
    with site(dataset) as one:
        watched = open_page(browser, one.address, 400, scheme)
        page = watched.page
        wide = "() => document.documentElement.scrollWidth > innerWidth"
        assert not page.evaluate(wide) and not page.is_visible("#facets")
        dark = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, dark[4:-1].split(","))) < 200) == (scheme == "dark")
        page.click("#filters-toggle")
        assert page.is_visible("#facets") and not page.evaluate(wide)
        page.click("#filters-toggle")
        page.click(".cell >> nth=1")
        page.wait_for_selector("#sample[open]")
        assert not page.evaluate(wide)
        assert watched.problems == []


def test_the_static_copy_from_disk(
    browser: Any, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "copy"
    assert main(["view", str(dataset), "--export", str(folder)]) == 0
    assert f"{COUNT} samples in {folder}" in capsys.readouterr().out
    text = "".join(path.read_text() for path in folder.rglob("*.js"))
    assert str(dataset.parent) not in text  # it tells nothing of this machine
    watched = open_page(browser, f"{(folder / 'index.html').as_uri()}#sort=-confidence&q=curly")
    page = watched.page
    watched.until("() => document.querySelectorAll('#facets details').length > 0")
    with site(dataset) as one:
        # Both answer alike.
        for query in QUERIES:
            page.goto(f"{(folder / 'index.html').as_uri()}#{query}")
            wanted = one.ids(query)
            total(watched, f"{len(wanted)} of {COUNT}")
            watched.until(
                "wanted => wanted.every((id, place) =>"
                " document.querySelector(`#cell-${place} .id`)?.textContent === id)",
                wanted[: page.locator(".cell").count()],
            )
            facets = one.json(f"/api/facets?{query}")
            for facet in facets["texts"]:
                if facet["name"] in ("hair_color", "age", "split"):
                    for value in facet["values"]:
                        assert count_beside(watched, facet["name"], value["value"]) == str(
                            value["count"]
                        )
    assert not page.is_visible("#where")
    page.goto(f"{(folder / 'index.html').as_uri()}#where=confidence<1")
    watched.until("() => document.getElementById('notice').textContent.includes('`where`')")
    page.goto(f"{(folder / 'index.html').as_uri()}#sort=id")
    total(watched, f"{COUNT} samples")
    page.focus("#grid")
    page.keyboard.press("Enter")
    page.wait_for_selector("#sample[open]")
    watched.until("() => document.getElementById('readout').textContent.includes('refined')")
    assert "stream.sample(" in watched.text("#facts pre") and not page.is_visible("#marks")
    # As a card's thumbnail links to it.
    card = open_page(browser, f"{(folder / 'index.html').as_uri()}#sample=ldp-0000033")
    card.page.wait_for_selector("#sample[open]")
    card.until("() => document.getElementById('readout').textContent.includes('refined')")
    assert card.text("#sample-id") == "ldp-0000033" and card.problems == []
    page.goto(f"{(folder / 'index.html').as_uri()}#sample=ldp-0000099")
    watched.until("() => document.getElementById('sample-notice').textContent"
                  ".includes('not among the samples of this copy')")  # fmt: skip
    assert watched.problems == []
    assert all(url.startswith(("file://", "data:")) for url in watched.asked)


def test_a_copy_replaces_a_copy_and_nothing_else(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("dear")
    assert main(["view", str(dataset), "--export", str(tmp_path / "mine")]) == 1
    assert "holds other files; try:" in capsys.readouterr().err
    assert (tmp_path / "mine/letter.txt").read_text() == "dear"
    for count in (12, 5):
        arguments = ["--export", str(tmp_path / "copy"), "--max-samples", str(count), "--json"]
        assert main(["view", str(dataset), *arguments]) == 0
        body = json.loads(capsys.readouterr().out)
        assert body["samples"] == count and body["bytes"] < 30_000 * count + 150_000
        assert len(list((tmp_path / "copy/data").glob("ldp-*.js"))) == count


def _filtered(page: Any) -> None:
    page.click("details[data-field=confidence] summary")


def _wrong_where(page: Any) -> None:
    page.fill("#where", "confidence <")
    page.wait_for_function("() => document.getElementById('where-problem').textContent !== ''")


def _marked(page: Any) -> None:
    page.keyboard.press("b")
    page.wait_for_selector(".cell .bad")
    page.keyboard.press("a")


def _sample(page: Any) -> None:
    page.wait_for_selector("#facts table")


def _difference(page: Any) -> None:
    _sample(page)
    page.keyboard.press("d")
    page.wait_for_selector("#legend", state="visible")


def _no_match(page: Any) -> None:
    page.fill("#search", "nothing like it")
    page.wait_for_selector("#empty", state="visible")


def _help(page: Any) -> None:
    page.keyboard.press("?")
    page.wait_for_selector("#help[open]")


VIEWS: dict[str, tuple[str, Callable[[Any], None]]] = {
    "grid": ("#hair_color=red", _filtered),
    "wrong where": ("", _wrong_where),
    "marked": ("", _marked),
    "no match": ("", _no_match),
    "keys": ("", _help),
    "sample": ("#sample=ldp-0000003", _sample),
    "difference": ("#sample=ldp-0000003", _difference),
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 400])
def test_accessibility(
    browser: Any, dataset: Path, tmp_path: Path, width: int, scheme: str
) -> None:
    script = os.environ.get("LD_PORTRAIT_AXE")
    if not script:
        pytest.skip("LD_PORTRAIT_AXE does not name axe.min.js; try: npm pack axe-core")
    axe = Path(script).read_text() + "; axe.run()"
    found = {}
    with site(dataset, tmp_path / "marks.jsonl") as one:
        for name, (fragment, prepare) in VIEWS.items():
            watched = open_page(browser, one.address + fragment, width, scheme)
            watched.until("() => document.querySelectorAll('#facets details').length > 0")
            if width == 400 and name in ("grid", "wrong where"):
                watched.page.click("#filters-toggle")
            prepare(watched.page)
            for item in watched.page.evaluate(axe)["violations"]:
                if item["impact"] in ("serious", "critical"):
                    found[name, item["id"]] = [node["target"] for node in item["nodes"]]
            watched.page.context.close()
    assert found == {}


def test_the_command(dataset: Path, tmp_path: Path) -> None:
    import signal
    import urllib.request

    from tests.processes import start_module

    process = start_module(
        "ld_portrait_20k", "view", dataset, "--no-browser", "--marks", tmp_path / "marks.jsonl",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        # Ctrl-C is ignored by children of a shell that put pytest into the background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{address}api/dataset", timeout=60) as answer:
            assert json.load(answer)["marks"] == str(tmp_path / "marks.jsonl")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0 and "Traceback" not in said and "ended" in said
    finally:
        process.kill()


def test_what_cannot_be_served(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # An address of documentation (RFC 5737) that no machine has.
    assert main(["view", str(dataset), "--no-browser", "--host", "192.0.2.1"]) == 1
    assert "cannot listen on 192.0.2.1" in capsys.readouterr().err
    assert main(["view", str(dataset), "--no-browser", "--subset", "truth"]) == 1
    assert "no subset 'truth'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["view", str(dataset), "--port", "70000"])
