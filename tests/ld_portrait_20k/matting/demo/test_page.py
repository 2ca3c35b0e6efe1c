"""The real command, and its page in headless Chromium."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ld_portrait_20k.matting import load
from ld_portrait_20k.matting.cli import main
from ld_portrait_20k.matting.demo import pictures
from ld_portrait_20k.matting.demo.launch import is_loopback
from tests.processes import ROOT, run_code

from ..fixtures import scene, write
from ..video import moving

HEIGHT, WIDTH = 120, 100
PATIENCE = 120_000  # milliseconds for a step of the page on a busy machine

WATCH = """\
import os, sys

def watch(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    with open(os.environ["WATCHED"], "a") as stream:
        stream.write(f"{host}\\n")

sys.addaudithook(watch)
"""
"""What the server asks other hosts for: written down by an audit hook of Python."""


@contextmanager
def served(folder: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The command, and the first line that it prints."""
    pytest.importorskip("gradio", reason="the extra demo is not installed")
    hook = folder / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(WATCH)
    temporary = folder / "temporary"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "ld_portrait_20k.matting", "demo", "--no-browser", "--port", "0",
         *options],
        env={
            **os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{hook}", "TMPDIR": str(temporary),
            "WATCHED": str(folder / "watched.txt"), "GRADIO_SHARE": "True",
            "GRADIO_ANALYTICS_ENABLED": "True",
        },
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # Ctrl-C is ignored by children of a shell that put pytest into the background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
    finally:
        process.kill()
        process.communicate()


def interrupt(process: subprocess.Popen[str]) -> str:
    """Ctrl-C; what was said on standard error."""
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=100)
    assert process.returncode == 0, said
    return said


def test_address_first_loopback_only_and_a_clean_end(tmp_path: Path) -> None:
    with served(tmp_path) as (address, process):
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address, timeout=100) as answer:
            text = answer.read().decode()
        assert "LD-Portrait matting" in text and "fonts.g" not in text
        said = interrupt(process)
    assert "Traceback" not in said and "nothing that was uploaded is kept" in said
    assert not list((tmp_path / "temporary").glob("ld-portrait-demo-*"))
    watched = tmp_path / "watched.txt"
    hosts = set(watched.read_text().split()) if watched.exists() else set()
    assert all(is_loopback(host) for host in hosts), hosts


@pytest.mark.slow
def test_the_page_in_a_browser(tmp_path: Path) -> None:
    browser_path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if browser_path is None:
        pytest.skip("no Chromium; try: apt-get install chromium")
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    parts = scene(1, HEIGHT, WIDTH)
    write(tmp_path / "photo.png", parts["image"])
    write(tmp_path / "mask.png", np.where(parts["alpha"] > 127, 255, 0).astype(np.uint8))
    write(tmp_path / "small.png", parts["trimap"][:50])
    (tmp_path / "broken.png").write_bytes((tmp_path / "photo.png").read_bytes()[:900])
    frames, alphas = moving.scene(5)
    moving.save_clip(tmp_path / "clip.mp4", frames)
    write(tmp_path / "first.png", np.where(alphas[0] > 127, 255, 0).astype(np.uint8))

    with (
        served(tmp_path, "--model", "closed-form") as (address, process),
        driver.sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=browser_path, args=["--no-sandbox", "--disable-background-networking"]
        )
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.set_default_timeout(PATIENCE)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        problems: list[str] = []
        page.on("pageerror", lambda problem: problems.append(str(problem)))
        page.goto(address)
        picture(page, tmp_path)
        clip(page, tmp_path)
        narrow_and_dark(browser, address)
        browser.close()
        assert problems == []
        assert {url for url in asked if url.startswith("http") and not url.startswith(address)} == (
            set()
        )
        said = interrupt(process)
    assert "Traceback" not in said
    hosts = set((tmp_path / "watched.txt").read_text().split())
    assert all(is_loopback(host) for host in hosts), hosts


def give(page: Any, where: str, path: Path) -> None:
    page.set_input_files(f"#{where} input[type=file]", str(path))


def told(page: Any, tab: str, text: str) -> None:
    page.wait_for_selector(f'#{tab}-status:has-text("{text}")')


def saved(page: Any, button: str) -> tuple[str, bytes]:
    with page.expect_download() as download:
        page.click(f"#{button}")
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def picture(page: Any, folder: Path) -> None:
    """Problems in one line; then alpha from a mask, the slider, and downloads."""
    give(page, "picture-file", folder / "broken.png")
    told(page, "picture", "broken.png: broken or truncated")
    page.click('#picture-file button[aria-label="Clear"]')
    told(page, "picture", "Upload a picture to begin")
    give(page, "picture-file", folder / "photo.png")
    told(page, "picture", f"{WIDTH} x {HEIGHT}")
    page.click("#picture-start")
    told(page, "picture", "closed-form needs a trimap")
    page.click('#picture-source label:has-text("mask")')
    give(page, "picture-guide", folder / "small.png")
    told(page, "picture", f"small.png is {WIDTH}x50 but photo.png is {WIDTH}x{HEIGHT}")
    page.click('#picture-guide button[aria-label="Clear"]')
    give(page, "picture-guide", folder / "mask.png")
    told(page, "picture", "The trimap is there")
    page.click("#picture-start")
    told(page, "picture", "unknown, closed-form")

    after = page.locator("#picture-slider img").nth(1)
    after.wait_for()
    before = after.get_attribute("style")
    handle = page.locator('#picture-slider [data-testid="slider"]').bounding_box()
    middle = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] - 80, middle[1], steps=4)
    page.mouse.up()
    page.wait_for_function(
        "style => document.querySelectorAll('#picture-slider img')[1].getAttribute('style')"
        " !== style",
        arg=before,
    )

    name, content = saved(page, "picture-alpha")
    alpha = np.asarray(Image.open(io.BytesIO(content)))
    assert name == "photo-alpha.png" and alpha.shape == (HEIGHT, WIDTH)
    upload = pictures.read_upload(folder / "photo.png")
    upload = pictures.with_trimap(upload, pictures.MASK, guide=folder / "mask.png")
    assert np.array_equal(alpha, pictures.cut_out(upload, load("closed-form")).alpha)
    name, content = saved(page, "picture-cutout")
    assert name == "photo-cutout.png" and Image.open(io.BytesIO(content)).mode == "RGBA"
    page.click('#picture-behind label:has-text("colour")')
    page.wait_for_selector("#picture-behind-colour")
    page.wait_for_timeout(1000)
    told(page, "picture", "unknown, closed-form")
    _, content = saved(page, "picture-composite")
    corner = np.asarray(Image.open(io.BytesIO(content)))[0, 0]
    assert tuple(corner) == (0x2F, 0x6F, 0xB0)


def clip(page: Any, folder: Path) -> None:
    """A clip and the mask of its first frame become a clip that plays."""
    page.get_by_role("tab", name="Clip").click()
    give(page, "clip-file", folder / "clip.mp4")
    told(page, "clip", "96 x 72, 5 frames")
    give(page, "clip-guide", folder / "first.png")
    page.wait_for_selector('#clip-guide:has-text("first.png")')
    page.click("#clip-start")
    told(page, "clip", "5 frames by first-mask and closed-form")
    page.wait_for_function(
        "() => { const clip = document.querySelector('#clip-result video');"
        " return clip && clip.videoWidth === 96 && clip.currentTime > 0 && !clip.error }"
    )
    for key, name in (("alpha", "clip-alpha.mp4"), ("cutout", "clip-cutout.webm")):
        assert saved(page, f"clip-{key}")[0] == name


def narrow_and_dark(browser: Any, address: str) -> None:
    """On a telephone nothing lies beyond the right edge; a long choice ends before its arrow."""
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 400, "height": 860}, color_scheme=scheme)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        page.wait_for_selector("#picture-file")
        for tab in ("Picture", "Clip"):
            page.get_by_role("tab", name=tab).click()
            page.wait_for_selector(f"#{tab.lower()}-file")
            assert page.evaluate("document.documentElement.scrollWidth") == 400, (scheme, tab)
        style = page.locator("#clip-segmenter input").evaluate(
            "part => { const style = getComputedStyle(part);"
            " return [style.textOverflow, parseFloat(style.paddingRight)] }"
        )
        assert style[0] == "ellipsis" and style[1] > 20
        shades = page.evaluate("getComputedStyle(document.body).backgroundColor")
        red = int(shades.split("(")[1].split(",")[0])
        assert red < 60 if scheme == "dark" else red > 200, (scheme, shades)
        context.close()


def test_without_gradio_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert main(["demo", "--no-browser", "--port", "0"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "this needs gradio" in captured.err and "[demo]" in captured.err


def test_options_that_cannot_be(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("gradio", reason="the extra demo is not installed")
    assert main(["demo", "--no-browser", "--port", "0", "--model", str(tmp_path / "absent")]) == 1
    assert "no model" in capsys.readouterr().err
    # An address of documentation (RFC 5737) that no machine has.
    assert main(["demo", "--no-browser", "--port", "0", "--host", "192.0.2.1"]) == 1
    assert "cannot listen on 192.0.2.1" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["demo", "--port", "70000"])


def test_help_and_imports_are_cheap() -> None:
    found = run_code(
        "import sys\n"
        "import ld_portrait_20k.matting.cli as cli\n"
        "cli.parser('demo')\n"
        "print([name for name in ('gradio', 'torch', 'cv2', 'fastapi') if name in sys.modules])\n"
    )
    assert found.stdout.strip() == "[]", found.stderr


def test_what_is_loopback() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.8.8.8", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.4", "example.org", "")))
