"""The link from a published card to a static copy of the viewer, and what keeps it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from builder.cli import main
from builder.config import BuildConfig
from builder.hub.folder import note_viewer
from builder.preview import spread
from dataset_card import link_viewer, viewer_of
from ld_portrait_20k.cli import main as view
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format.integrity import verify
from ld_portrait_20k.format.manifest import Manifest
from tests.builder.building import plan_and_build
from tests.builder.hub.conftest import REPO, send
from tests.hub import HubServer
from tests.ld_portrait_20k.viewer import large

URL = "https://tester-portraits.static.hf.space/index.html"
CONFIG = BuildConfig(generator="procedural", count=4, width=64, height=64, shards=1)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    plan_and_build(CONFIG, tmp_path / "built")
    return tmp_path / "built"


def card(root: Path) -> str:
    return (root / "README.md").read_text()


def test_publishing_links_the_card_and_later_ones_keep_the_link(
    hub: HubServer, dataset: Path
) -> None:
    before = card(dataset)
    assert send(hub, dataset, viewer=URL, dry_run=True).changed and card(dataset) == before
    send(hub, dataset, viewer=URL)
    published = hub.read(REPO, "README.md").decode()
    assert f'<a href="{URL}#sample=ldp-0000000"><img src="assets/gallery-1.webp"' in published
    assert f'load_dataset("{REPO}"' in published
    assert viewer_of(card(dataset)) == URL and verify(dataset).ok
    assert not send(hub, dataset).changed
    plan_and_build(replace(CONFIG, count=6, shards=None), dataset)  # writes the card anew
    assert "(6)" in card(dataset) and viewer_of(card(dataset)) == URL and verify(dataset).ok
    send(hub, dataset)
    assert viewer_of(hub.read(REPO, "README.md").decode()) == URL


def test_a_copy_has_the_samples_that_the_card_shows(tmp_path: Path) -> None:
    """By default 8 of the card are among 1,000 of a copy, however many samples there are."""
    large.write(tmp_path / "d", 61, shards=2, size=(12, 8))
    shown = spread(Manifest.load(tmp_path / "d"), 8)
    words = ["view", str(tmp_path / "d"), "--export", str(tmp_path / "page"), "--max-samples", "40"]
    assert view(words) == 0
    copied = {path.stem for path in (tmp_path / "page/data").glob("ldp-*.js")}
    assert len(copied) == 40 and copied.issuperset(shown)  # 40 / 8 is odd, as is 1000 / 8
    assert "sdk: static" in (tmp_path / "page/README.md").read_text()


def test_a_derived_dataset_has_no_link_to_the_old_samples(dataset: Path, tmp_path: Path) -> None:
    note_viewer(dataset, URL)
    words = ["filter", str(dataset), "--where", "id = 'ldp-0000000'", "--output"]
    assert main([*words, str(tmp_path / "new")]) == 0
    assert viewer_of(card(tmp_path / "new")) is None


def test_a_wrong_address_changes_nothing(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = card(dataset)
    assert main(["publish", str(dataset), "--viewer", "javascript:alert(1)"]) == 1
    assert "is not an address" in capsys.readouterr().err and card(dataset) == before
    with pytest.raises(PortraitError):
        note_viewer(dataset.parent, URL)


def test_a_kill_between_manifest_and_card_is_made_up_for(dataset: Path) -> None:
    before = card(dataset)
    note_viewer(dataset, URL)
    linked = card(dataset)
    (dataset / "README.md").write_text(before)
    assert not verify(dataset).ok
    note_viewer(dataset, URL)
    assert card(dataset) == linked == link_viewer(before, URL) and verify(dataset).ok


def test_a_card_that_somebody_edited_is_left_alone(dataset: Path) -> None:
    edited = card(dataset) + "mine"
    (dataset / "README.md").write_text(edited)
    manifest = Manifest.load(dataset)
    note_viewer(dataset, URL)
    assert card(dataset) == edited and Manifest.load(dataset).files == manifest.files
