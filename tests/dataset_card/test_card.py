import dataclasses
import html
import json
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from huggingface_hub import DatasetCard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataset_card import (
    CardPictures,
    Statistics,
    licence_text,
    link_viewer,
    name_repository,
    render,
    viewer_of,
)
from dataset_card.columns import metadata_rows
from dataset_card.escape import inline
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.card_fitting import shown_pictures

NASTY = [
    "|",
    "`",
    "```\n# heading\n",
    "<script>alert(1)</script>",
    "<!--",
    "-->",
    "</details>",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "{# x #}",
    "\n---\n",
    "\r\n",
    "\x00",
    "\u2028",
    "\u202e",
    "[a](javascript:b)",
    "![a](http://b.c/d)",
    "http://b.c",
    "www.b.c",
    "a@b.c",
    "@user",
    "#1",
    "$x$",
    "\\",
    "*a*",
    "__a__",
    "~~a~~",
    "&lt;",
    "&#124;",
    ": - ? ! % @ ' \"",
    "|---|",
    "  ",
    "ünïcödé",
    "人物",
    "x" * 600,
]
TEXT = (
    st.lists(
        st.sampled_from(NASTY) | st.text(st.characters(blacklist_categories=["Cs"]), max_size=12),
        min_size=1,
        max_size=6,
    )
    .map("".join)
    .filter(str.strip)
)
INERT = re.compile(r"(?:&#\d+;|[^\W_]|[ ,+%'()._/-])*\Z")


def front_matter(card: str) -> dict[str, Any]:
    _, head, _ = card.split("---\n", 2)
    return yaml.safe_load(head)


def body(card: str) -> str:
    return card.split("---\n", 2)[2]


@given(TEXT)
def test_inline_text_is_inert_and_shows_what_it_was(text: str) -> None:
    shown = inline(text)
    assert INERT.match(shown)
    assert not re.search(r"www\.|://|\w@|[\n\r]", shown)
    words = html.unescape(shown).split()
    if "&#65533;" not in shown and len(text) < 400:
        assert words == "".join(c if not c.isspace() else " " for c in text).split()


def hostile_card(make: SimpleNamespace, text: str, prompt: str) -> str:
    item = make.metadata(
        0,
        prompt=prompt,
        negative_prompt=text,
        attributes={"age": text},
        generator={
            "name": "folder",
            "software": text,
            "models": [{"role": text, "id": text, "revision": text}],
        },
        refinement={"version": text},
        source={"id": "a", "file": text},
    )
    manifest = make.manifest(
        1,
        "folder",
        plan_hash=text,
        about={"rejected": {text: 3}, "retried": {text: 1}, "planned": 4},
    )
    return render(manifest, Statistics.of([item]), origin=text)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXT)
def test_no_text_of_others_changes_the_cards_structure(make: SimpleNamespace, text: str) -> None:
    card, plain = hostile_card(make, text, text), hostile_card(make, "PLAIN", text)
    assert card.split("---\n")[1] == plain.split("---\n")[1]
    fence = re.compile(r"```json\n(.*?)\n```", re.DOTALL)
    (example,) = fence.findall(card)
    assert json.loads(example)["id"] == "ldp-0000000"
    assert all(line.startswith((" ", "{", "}")) for line in example.split("\n"))
    # Outside the block, all that differs is inert text in the same places.
    shown = inline(text)
    expected = fence.sub("", body(plain)).replace("PLAIN", shown)
    assert fence.sub("", body(card)) == expected


@given(TEXT.filter(lambda text: "+" not in text))  # which joins the names of several
def test_an_unknown_generators_name_is_inert_too(make: SimpleNamespace, text: str) -> None:
    item = make.metadata(0, generator={"name": text})
    card = render(make.manifest(1, text), Statistics.of([item]))
    assert front_matter(card)["pretty_name"] == "LD-Portrait, from another generator"
    assert inline(text) in body(card)


@pytest.mark.parametrize("generator", ["procedural", "folder", "layer-diffusion", "other"])
def test_the_hub_can_read_the_metadata(make: SimpleNamespace, generator: str) -> None:
    items = [make.metadata(n, generator={"name": generator}) for n in range(3)]
    text = render(make.manifest(3, generator), Statistics.of(items))
    card = DatasetCard(text)
    data = card.data.to_dict()
    assert data["task_categories"] == ["image-segmentation", "mask-generation"]
    assert data["size_categories"] == ["n<1K"]
    assert data["dataset_info"][0]["splits"][0]["num_examples"] == 3
    assert "\t" not in text and text.endswith("```\n") and not text.endswith("\n\n")
    if generator == "procedural":
        assert data["license"] == "cc0-1.0"
    else:
        assert data["license"] == "other" and data["license_link"] == "LICENSE"


def test_procedural_data_is_never_called_layer_diffusion_data(make: SimpleNamespace) -> None:
    card = render(make.manifest(3), Statistics.of(make.metadata(n) for n in range(3)))
    head = front_matter(card)
    assert "layer-diffusion" not in head["tags"] and "procedural" in head["tags"]
    assert "20K" not in head["pretty_name"]
    first = body(card).lstrip().split("\n\n")[1].replace("\n> ", " ")
    assert first.startswith("> **This is procedural data")
    assert "not Layer Diffusion data" in first
    assert "generated with Layer Diffusion" not in card


def test_generators_that_disagree_are_refused(make: SimpleNamespace) -> None:
    statistics = Statistics.of([make.metadata(0)])
    with pytest.raises(PortraitError, match=r"'layer-diffusion' .* procedural"):
        render(make.manifest(1, "layer-diffusion"), statistics)
    with pytest.raises(PortraitError, match="counts 2 samples, the statistics 1"):
        render(make.manifest(2), statistics)


@pytest.mark.parametrize("repo_id", ["", 'a"b', "a/b/c", "a b", "a`b", "a\nb", "é/x"])
def test_a_repository_name_that_is_none_is_refused(make: SimpleNamespace, repo_id: str) -> None:
    with pytest.raises(PortraitError, match="repository"):
        render(make.manifest(1), Statistics.of([make.metadata(0)]), repo_id=repo_id)


def test_a_licence_that_the_publisher_knows(make: SimpleNamespace) -> None:
    statistics = Statistics.of([make.metadata(0, generator={"name": "folder"})])
    card = render(make.manifest(1, "folder"), statistics, licence="cc-by-4.0", origin="my camera")
    assert front_matter(card)["license"] == "cc-by-4.0"
    assert "license_name" not in front_matter(card)
    assert "The publisher states this licence for the data: cc-by-4.0" in card
    assert "of their origin: my camera" in card
    for bad in ("", "a b", "\n---\n", "MIT'", "x" * 100):
        with pytest.raises(PortraitError, match="licence"):
            render(make.manifest(1, "folder"), statistics, licence=bad)


def test_what_the_card_says(make: SimpleNamespace) -> None:
    items = [make.metadata(n) for n in range(4)]
    about = {"planned": 6, "rejected": {"haze": 2}, "retried": {"empty": 1}}
    card = render(
        make.manifest(4, about=about),
        Statistics.of(items),
        pictures=CardPictures(
            gallery=[("ldp-0000001", "assets/a thumbnail.webp")],
            hair="assets/hair.webp",
            histograms="assets/a plot.png",
            attributes="assets/more.png",
        ),
        repo_id="someone/portraits",
    )
    assert "Of 6 samples planned, 4 passed." in card
    assert "| haze | 2 |" in card
    assert "| before refinement | 5.50 | 2 |" in card
    assert "| refined | 1.50 | 0.250 |" in card
    assert "Refinement lowered the SAD of 4 of them." in card
    assert "version 1.2, damage 0.5" in card
    assert '<img src="assets/a%20thumbnail.webp"' in card and "(assets/a%20plot.png)" in card
    assert "(assets/hair.webp)" in card and "(assets/more.png)" in card
    assert 'load_dataset("someone/portraits", split="train")' in card
    assert "| age | elderly 2, young 2 | 0 |" in card
    assert "2501.16147" in card and "2402.17113" in card


def test_models_and_their_licences(make: SimpleNamespace) -> None:
    model = {"role": "base", "id": "SG161222/RealVisXL_V4.0", "revision": "49740684" * 5}
    generator = {"name": "layer-diffusion", "version": "1", "steps": 25, "models": [model]}
    items = [make.metadata(n, generator=generator, truth={}) for n in range(2)]
    card = render(make.manifest(2, "layer-diffusion"), Statistics.of(items))
    assert f"| base | SG161222/RealVisXL_V4.0 | {'49740684' * 5} |" in card
    assert "RAIL++-M" in card and "has to be checked" in card
    assert "Errors to the exact matte" not in card
    assert "steps 25" in card


def test_the_same_dataset_gives_the_same_card(make: SimpleNamespace) -> None:
    items = [make.metadata(n) for n in range(9)]
    manifest = make.manifest(9)
    forwards = render(manifest, Statistics.of(items))
    assert render(manifest, Statistics.of(reversed(items))) == forwards


def test_every_key_of_the_metadata_is_explained() -> None:
    def paths(declared: dict[str, Any], prefix: str = "") -> Iterator[str]:
        for key, kind in declared.items():
            yield f"{prefix}{key}"
            if key != "attributes":
                kind = kind[0] if isinstance(kind, list) else kind
                yield from paths(kind, f"{prefix}{key}.") if isinstance(kind, dict) else ()

    assert [row[0] for row in metadata_rows()] == list(paths(schema.METADATA))


@pytest.mark.parametrize(
    ("generator", "identifier"),
    [
        ("procedural", "CC0-1.0"),
        ("folder", "LicenseRef-source-pictures"),
        ("layer-diffusion", "LicenseRef-model-outputs"),
    ],
)
def test_the_licence_file(generator: str, identifier: str) -> None:
    assert f"SPDX-License-Identifier: {identifier}\n" in licence_text(generator)
    stated = licence_text(generator, "cc-by-4.0")
    assert "publisher states it: cc-by-4.0\n" in stated and identifier not in stated


def test_a_card_names_the_repository_that_it_is_published_to(make: SimpleNamespace) -> None:
    card = render(make.manifest(2), Statistics.of(make.metadata(n) for n in range(2)))
    assert 'load_dataset("ld-portrait-20k"' in card and "huggingface.co/datasets" not in card
    mine = card.replace("## Uses", 'My own text: `load_dataset("some/other")`.\n\n## Uses')
    named = name_repository(mine, "me/portraits")
    assert 'load_dataset("ld-portrait-20k"' not in named
    assert named.count('load_dataset("me/portraits"') == card.count(
        'load_dataset("ld-portrait-20k"'
    )
    assert 'load_dataset("some/other")' in named
    url = "https://huggingface.co/datasets/me/portraits"
    assert f"\n\nPublished as [me/portraits]({url})." in named
    assert f"howpublished = {{Dataset me/portraits, \\url{{{url}}}}}," in named
    assert name_repository(named, "me/portraits") == named
    again = name_repository(named, "you/more")
    assert again == name_repository(mine, "you/more")
    assert render(
        make.manifest(2), Statistics.of(make.metadata(n) for n in range(2)), repo_id="me/portraits"
    ) == name_repository(card, "me/portraits")
    plain = "# a card of another kind\n"
    assert name_repository(plain, "me/portraits") == plain


def test_an_own_citation_with_version_and_plan(make: SimpleNamespace) -> None:
    manifest = make.manifest(2, about={"package_version": "9.1.0"})
    card = render(manifest, Statistics.of(make.metadata(n) for n in range(2)))
    own = card[card.index("@misc{") : card.index("```", card.index("@misc{"))]
    assert f"plan {'ab' * 32}" in own and "version = {9.1.0}" in own
    assert own.count("{") == own.count("}")
    assert "https://arxiv.org/abs/2501.16147" in card  # the Hub links the paper's page by this
    strange = make.manifest(1, plan_hash="}```", about={"package_version": "}\n```"})
    card = render(strange, Statistics.of([make.metadata(0)]))
    assert "plan not recorded" in card and card.count("```") % 2 == 0


VIEWER = "https://somebody-portraits.static.hf.space/index.html"


def test_the_gallery_links_to_the_viewer(make: SimpleNamespace) -> None:
    shown = CardPictures(gallery=[(f"ldp-000000{n}", f"assets/gallery-{n}.webp") for n in (1, 2)])
    statistics = Statistics.of(make.metadata(n) for n in range(2))
    plain = render(make.manifest(2), statistics, pictures=shown)
    linked = link_viewer(plain, VIEWER)
    assert linked == render(make.manifest(2), statistics, pictures=shown, viewer=VIEWER)
    for number in (1, 2):
        assert (
            f'<a href="{VIEWER}#sample=ldp-000000{number}">'
            f'<img src="assets/gallery-{number}.webp" width="49%"' in linked
        )
    assert linked.count("<a href") == linked.count("</a>") == 2
    assert viewer_of(plain) is None and viewer_of(linked) == VIEWER
    other = f"{VIEWER}?__theme=dark&x=1"
    again = link_viewer(linked, other)
    assert viewer_of(again) == other and VIEWER + "#" not in again and "&amp;x=1#sample" in again
    assert link_viewer(again, None) == plain
    assert link_viewer(name_repository(plain, "a/b"), VIEWER) == name_repository(linked, "a/b")
    assert shown_pictures(linked.encode()) == shown_pictures(plain.encode())
    assert len(shown_pictures(linked.encode())) == 2
    assert link_viewer("# another card\n", VIEWER) == "# another card\n"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/", "javascript:alert(1)", "//example.org", "https://a b/", "https://",
        'https://example.org/"onload="alert(1)', "https://example.org/<script>", "",
        "https://example.org/#sample=x", "https://user:secret@example.org/", "https://exämple.org/",
        "https://example.org/)[x](y", "https://example.org/\n", "https://example.org/" + "x" * 300,
        "https://example.org\\x", "https://example.org/`",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_viewer_is_refused(url: str) -> None:
    with pytest.raises(PortraitError, match=r"is not an address.*; try: "):
        link_viewer("# card\n", url)
    told = f"[Look through the samples]({url}) in a browser: x"
    hostile = f"<!-- viewer -->\n\n{told}\n\n<!-- /viewer -->"
    assert viewer_of(hostile) is None


@pytest.mark.parametrize("generator", ["folder", "folder+procedural", "layer-diffusion", "other"])
def test_words_fit_the_data(make: SimpleNamespace, generator: str) -> None:
    names = generator.split("+")
    items = [make.metadata(n, generator={"name": name}) for n, name in enumerate(names)]
    items = [{**item, "attributes": {}} for item in items]
    card = render(make.manifest(len(items), generator), Statistics.of(items), contact="me <x@y.z>")
    head, text = front_matter(card), body(card)
    assert "Contact" in text and "<x@y.z>" not in text
    if generator == "layer-diffusion":
        assert head["source_datasets"] == ["original"] and "portrait-matting" in head["tags"]
        assert "The people shown are synthetic" in text
        return
    assert "source_datasets" not in head and "portrait-matting" not in head["tags"]
    for word in (
        "Portrait foregrounds",
        "scenes, groups, animals",
        "assumes one person",
        "The people shown are",
    ):
        assert word not in text
    which = " from the folder" if len(names) > 1 else ""
    assert f"Whether the pictures{which} show real people" in text
    assert f"The pictures{which} came with an alpha of their own." in text
    assert "No safety checker" not in text and "Layer Diffusion (Zhang" not in text
    assert ("A program drew each procedural portrait" in text) == ("procedural" in names)
    assert ("Drawn portraits are simple" in text) == ("procedural" in names)


def test_a_merged_card_does_not_contradict_itself(make: SimpleNamespace) -> None:
    names = ["folder", "layer-diffusion", "procedural"]
    items = [make.metadata(n, generator={"name": name}) for n, name in enumerate(names)]
    for item in items[:2]:
        item["truth"] = dict.fromkeys(schema.METADATA["truth"])
    about = {"planned": 9, "plan": {"derived": {"change": "3 datasets merged"}},
             "rejected": {"filtered": 4}}  # fmt: skip
    manifest = make.manifest(3, "+".join(names), about=about)
    text = body(render(manifest, Statistics.of(items)))
    assert "Errors to the exact matte" in text and "means over 1 sample;" in text
    for line in text.splitlines():
        if "no exact matte" in line:
            assert line.startswith("- Their mattes ")  # those of the line above alone
    assert "The people of the drawn portraits are synthetic" in text
    assert "The people that Layer Diffusion made are synthetic" in text
    assert "Whether the pictures from the folder show real people" in text
    assert "| left out for | samples |" in text and "planned, 3 passed" not in text


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"vocabulary": "ab" * 32}, "Prompts were drawn from a grammar that balances the"),
        ({"vocabulary": None}, "Prompts were given by whoever built the dataset."),
        ({"vocabulary": None, "generator": {"via": "raw"}}, "or were given by"),
        ({}, "or were given by"),
        ({"generator": ["x"], "vocabulary": 3}, "Prompts were drawn"),
    ],
)
def test_where_prompts_came_from(make: SimpleNamespace, plan: dict[str, Any], said: str) -> None:
    items = [make.metadata(0, generator={"name": "layer-diffusion"})]
    manifest = make.manifest(1, "layer-diffusion", about={"plan": plan})
    text = body(render(manifest, Statistics.of(items)))
    assert said in text.replace("\n", " ")
    assert "No safety checker looked at the pictures" in text.replace("\n", " ")


@pytest.mark.parametrize(
    ("generator", "vocabulary", "english"),
    [
        ("layer-diffusion", "ab" * 32, True),
        ("layer-diffusion", None, False),
        ("other", None, False),
        ("procedural", None, True),
    ],
)
def test_no_language_is_claimed_for_prompts_that_were_given(
    make: SimpleNamespace, generator: str, vocabulary: str | None, english: bool
) -> None:
    items = [make.metadata(0, generator={"name": generator})]
    manifest = make.manifest(1, generator, about={"plan": {"vocabulary": vocabulary}})
    assert ("language" in front_matter(render(manifest, Statistics.of(items)))) == english


def test_a_build_that_rejects_nothing_is_not_said_to_reject(make: SimpleNamespace) -> None:
    said = {}
    for reject in (True, False):
        about = {"planned": 1, "plan": {"reject": reject}}
        text = body(render(make.manifest(1, about=about), Statistics.of([make.metadata(0)])))
        said[reject] = " ".join(text.split())
    assert "rejected what is not a clean portrait" in said[True] and "1 passed" in said[True]
    assert "only measured the samples and rejected none" in said[False]
    assert "clean portrait" not in said[False] and "1 are in the dataset" in said[False]


def test_the_head_has_the_columns_once_and_is_short(make: SimpleNamespace) -> None:
    manifest, items = make.manifest(3), [make.metadata(n) for n in range(3)]
    shards = [*manifest.shards]
    for subset in ("raw", "truth"):
        name = schema.shard_name(subset, "train", 0, 1)
        shards.append(dataclasses.replace(shards[0], path=name, subset=subset))
    card = render(dataclasses.replace(manifest, shards=tuple(shards)), Statistics.of(items))
    text = card.split("---\n")[1]
    assert text.count("touches_bottom") == 1 and text.count("\n") < 150
    infos = DatasetCard(card).data.to_dict()["dataset_info"]
    assert [info["config_name"] for info in infos] == ["default", "raw", "truth"]
    for info in infos:
        assert info["features"] == schema.feature_yaml("png")
