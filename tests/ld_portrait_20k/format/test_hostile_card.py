"""Dataset cards from strangers: ``download`` of a part reads their YAML."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ld_portrait_20k.download import download
from ld_portrait_20k.format.card_fitting import MAX_PICTURES, shown_pictures
from ld_portrait_20k.streaming.sources import HttpSource
from tests.ld_portrait_20k.samples import build
from tests.ld_portrait_20k.server import Server


def grown(item: str) -> str:
    """Nine levels of YAML, each of which refers to the one before nine times."""
    lines = ["a: &b0 {x: 1}"]
    for level in range(1, 10):
        before = ", ".join([f"*b{level - 1}"] * 9)
        lines.append(f"c{level}: &b{level} {item.format(before)}")
    return "\n".join(lines) + "\n"


CARDS = {
    "merge bomb": grown("{{<<: [{}]}}"),
    "tagged merge bomb": grown("{{!!merge k: [{}]}}"),
    "billion laughs": grown("[{}]"),
    "no such day": "released: 2025-13-45\n",
    "no such hour": "released: !!timestamp 2001-01-01 99:99:99\n",
    "deep": "[" * 30_000,
    "deep blocks": "".join(" " * i + "a:\n" for i in range(400)),
    "number of 5,000 digits": f"a: {'9' * 5000}\n",
    "sixties": f"a: {'1:' * 20_000}1\n",
    "surrogate": 'a: "\\ud800"\n',
    "not a mapping": "[1, 2]\n",
    "configs of numbers": "configs: [1]\n",
    "itself": "a: &a [*a]\n",
    "unhashable": "? [1]\n: 2\n",
    "broken": "a: [\n",
    "a tag for Python": "a: !!python/object/apply:os.system [exit]\n",
    "zero base": "a: 0x\nb: .inf\n",
    "large": "a: [" + "1, " * 10_000_000 + "]\n",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("card")
    build(root, {"train": (2, 2), "test": (1, 2)})
    with Server(root) as server:
        yield server


@pytest.mark.parametrize("name", CARDS)
def test_a_card_that_cannot_be_fitted_stays_as_it_is(
    served: Server, tmp_path: Path, name: str
) -> None:
    card = f"---\n{CARDS[name]}---\n# card\n".encode()
    (served.root / "README.md").write_bytes(card)
    began = time.process_time()
    manifest = download(HttpSource(served.url), tmp_path / "d", split="test")
    assert time.process_time() - began < 5
    assert manifest.splits == {"test": 2}
    got = (tmp_path / "d" / "README.md").read_bytes()
    if got != card:
        assert yaml.safe_load(got.split(b"---\n")[1]).get("configs") == []


def test_a_card_of_our_form_is_fitted(served: Server, tmp_path: Path) -> None:
    build(served.root, {"train": (2, 2), "test": (1, 2)})
    download(HttpSource(served.url), tmp_path / "d", split="test")
    head = yaml.safe_load((tmp_path / "d/README.md").read_text().split("---\n")[1])
    assert [item["split"] for item in head["configs"][0]["data_files"]] == ["test"]


@pytest.mark.parametrize("name", CARDS)
def test_the_card_of_a_model_is_read_within_bounds(tmp_path: Path, name: str) -> None:
    pytest.importorskip("torch")
    from ld_portrait_20k.matting.models import torch_model

    (tmp_path / "README.md").write_text(f"---\nlicense: mit\n{CARDS[name]}---\n", "utf-8")
    began = time.process_time()
    assert torch_model._licence(tmp_path) in ("mit", "unknown")
    assert time.process_time() - began < 5


def test_the_pictures_of_a_card_come_with_it(served: Server, tmp_path: Path) -> None:
    build(served.root, {"train": (2, 2), "test": (1, 2)})
    shown = {"assets/plot.png": b"plot", "assets/gallery-1.webp": b"one", "top.jpg": b"top"}
    for name, content in shown.items():
        (served.root / name).parent.mkdir(exist_ok=True)
        (served.root / name).write_bytes(content)
    (served.root / "secret.txt").write_text("not a picture")
    card = (
        (served.root / "README.md").read_text()
        + """
<img src="assets/gallery-1.webp" width="49%" alt="a"> ![plot](assets/pl%6ft.png) ![t](./top.jpg)
![gone](assets/gone.png) ![out](../../out.png) ![out](%2e%2e/out.png) ![abs](/etc/x.png)
![web](https://example.org/x.png) ![shard](data/x.png) ![hidden](.git/x.png) ![text](secret.txt)
"""
    )
    (served.root / "README.md").write_text(card)
    target = tmp_path / "d"
    download(HttpSource(served.url), target)
    got = {p.relative_to(target).as_posix() for p in target.rglob("*") if p.is_file()}
    shards = {name for name in got if name.startswith("data/")}
    assert got - shards == {*shown, "README.md", "manifest.json"}
    assert all(name.endswith(".tar") for name in shards)
    assert {name: (target / name).read_bytes() for name in shown} == shown


def test_a_card_of_a_million_pictures_is_read_within_bounds() -> None:
    card = b"".join(b"![p](assets/%d.png)" % n for n in range(300_000)) + b"![" * 500_000
    began = time.process_time()
    assert len(shown_pictures(card)) == MAX_PICTURES
    assert time.process_time() - began < 5
