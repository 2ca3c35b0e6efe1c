"""The server without a browser: answers, pictures, marks, and what it refuses."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ld_portrait_20k import PortraitStream, codec
from ld_portrait_20k.common.files import write_bytes
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.manifest import Manifest, file_sha256
from ld_portrait_20k.selection import text as selection
from ld_portrait_20k.selection.marks import Mark
from ld_portrait_20k.selection.text import Selection
from ld_portrait_20k.viewer.dataset import ViewedDataset
from ld_portrait_20k.viewer.fields import FIELDS
from ld_portrait_20k.viewer.marks import Marks
from ld_portrait_20k.viewer.queries import QueryError, parse
from tests.ld_portrait_20k.selection.test_selection import TREES

from ..samples import picture
from ..server import Server as FileServer
from .conftest import COUNT
from .large import AGES, HAIR, metadata
from .site import Site, site

TRUTH = [metadata(number, 24, 16) for number in range(COUNT)]


@pytest.fixture(scope="module")
def served(dataset: Path) -> Iterator[Site]:
    with site(dataset) as one:
        yield one


def matching(**wanted: Any) -> list[str]:
    return [
        item["id"]
        for item in TRUTH
        if all(item["attributes"][name] in values for name, values in wanted.items())
    ]


def test_about(served: Site, dataset: Path) -> None:
    about = served.json("/api/dataset")
    assert about["samples"] == COUNT and about["subsets"] == ["default", "raw"]
    assert about["ready"] and about["unreadable"] == 0 and about["problem"] is None
    assert about["name"] == str(dataset) and "confidence" in about["orders"]


def test_pages(served: Site) -> None:
    page = served.json("/api/samples?start=50&count=20")
    assert page["total"] == COUNT and len(page["samples"]) == 10
    assert [sample["id"] for sample in page["samples"]] == [
        schema.sample_id(number) for number in range(50, 60)
    ]
    assert page["samples"][0] == {"id": "ldp-0000050", "split": "test", "subset": "default"}


@settings(max_examples=30)
@given(
    st.sets(st.sampled_from(HAIR)), st.sets(st.sampled_from(AGES)),
    st.floats(0, 1), st.floats(0, 1), st.booleans(),
)  # fmt: skip
def test_filters_and_order(
    served: Site, hair: set[str], ages: set[str], low: float, high: float, falling: bool
) -> None:
    parts = [f"hair_color={value}" for value in hair] + [f"age={value}" for value in ages]
    parts += [f"confidence={low!r}..{high!r}", f"sort={'-' * falling}confidence"]
    chosen = matching(hair_color=hair or set(HAIR), age=ages or set(AGES))
    confidence = {
        item["id"]: float(f"{item['refinement']['confidence']:.6g}") for item in TRUTH
    }  # as a float32 column keeps it
    chosen = [key for key in chosen if low <= confidence[key] <= high]
    wanted = sorted(chosen, key=lambda key: confidence[key] * (-1 if falling else 1))
    assert served.ids("&".join(parts)) == wanted


def test_counts_disregard_a_fields_own_filter(served: Site) -> None:
    facets = served.json("/api/facets?hair_color=red&age=adult")
    counts = {
        facet["name"]: {value["value"]: value["count"] for value in facet["values"]}
        for facet in facets["texts"]
    }
    assert facets["total"] == len(matching(hair_color=["red"], age=["adult"]))
    assert counts["hair_color"] == {
        hair: len(matching(hair_color=[hair], age=["adult"])) for hair in HAIR
    }
    assert counts["age"] == {age: len(matching(hair_color=["red"], age=[age])) for age in AGES}
    assert "prompt" not in counts and "clothing" not in counts  # all different, all the same
    numbers = {facet["name"]: facet for facet in facets["numbers"]}
    assert sum(numbers["confidence"]["bars"]) == facets["total"]
    assert "steps" not in numbers


def test_search(served: Site) -> None:
    wanted = [
        item["id"] for item in TRUTH if "curly" in item["prompt"] and "rain" in item["prompt"]
    ]
    assert wanted and served.ids("q=CURLY+rain") == wanted
    assert served.ids("q=ldp-0000007") == ["ldp-0000007"]
    assert served.ids("q=nowhere") == []


def test_null_is_a_value(served: Site) -> None:
    assert len(served.ids("glasses=")) == COUNT


def test_where_a_sample_stands(served: Site) -> None:
    ids = served.ids("sort=-confidence")
    assert served.json(f"/api/place?sort=-confidence&id={ids[17]}") == {"place": 17}
    assert served.json("/api/place?q=nowhere&id=ldp-0000001") == {"place": None}
    assert served.json("/api/place?id=ldp-9999999") == {"place": None}


KNOWN = st.sampled_from(
    [
        "confidence < 0.5", "confidence >= 0.5", "hair_color in ('red', 'grey')",
        "age = 'adult'", "age != 'adult'", "age < 'b'", "glasses = null", "glasses != null",
        "band_area = null", "steps in (20, null)", "guidance = 7", "seed = 7919",
        "prompt contains 'CURLY'", "prompt not contains 'rain'", "split = 'test'",
        "id > 'ldp-0000030'", "id in ('ldp-0000007', 'ldp-0000008')", "touches_bottom = null",
        "touches_bottom = true", "generator = 'test'", "clothing = 'plain'",
    ]
)  # fmt: skip


def written(tree: Selection) -> str:
    return f"where={quote(str(tree))}"


@settings(max_examples=60)
@given(
    st.recursive(
        KNOWN.map(selection.parse) | TREES,
        lambda inner: (
            inner.map(selection.Not)
            | st.tuples(inner, inner).map(selection.And)
            | st.tuples(inner, inner).map(selection.Or)
        ),
        max_leaves=5,
    )
)
def test_where_matches_what_a_filter_would(served: Site, tree: Selection) -> None:
    samples = [served.json(f"/api/sample/ldp-{number:07d}") for number in range(COUNT)]
    wanted = [
        item["id"]
        for item in samples
        if tree.matches(schema.complete(item["metadata"]), item["split"])
    ]
    assert served.ids(written(tree)) == wanted
    assert served.json(f"/api/facets?{written(tree)}")["total"] == len(wanted)


def test_where_goes_with_other_filters(served: Site) -> None:
    both = served.ids("where=hair_color+%3D+'red'&age=adult&sort=-confidence")
    assert sorted(both) == matching(hair_color=["red"], age=["adult"])
    assert served.ids("where=") == served.ids("where=++") == served.ids("")


@pytest.mark.parametrize(
    ("where", "column", "said"),
    [
        ("confidence < ", 14, "not with the end"), ("confidance < 1", 1, "try: confidence"),
        ("age = adult", 7, "try: 'adult'"), ("__import__('os')", 1, "no field is named"),
        ("age = '<b>' or", 15, "name of a field"), ("(" * 60, 51, "nested"),
    ],
)  # fmt: skip
def test_a_wrong_where_is_told_in_its_place(
    served: Site, where: str, column: int, said: str
) -> None:
    for page in ("samples", "facets", "place"):
        status, _, content = served.ask(f"/api/{page}?where={quote(where)}")
        body = json.loads(content)
        assert status == 400 and body["part"] == "where" and body["column"] == column
        assert said in body["error"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("confidance=0.5..", "try: confidence"),
        ("sort=nothing", "no field is named nothing"),
        ("confidence=high", "is no range"),
        ("confidence=nan..1", "is no range"),
        ("start=-1", "whole number"),
        ("&".join(["age=adult"] * 300), "more than 200"),
    ],
)
def test_wrong_queries_are_told(served: Site, query: str, said: str) -> None:
    status, _, content = served.ask(f"/api/samples?{query}")
    assert status == 400 and said in json.loads(content)["error"]


def test_pictures_are_those_of_the_shard(served: Site) -> None:
    mark = served.json("/api/dataset")["identity"]
    foreground, alpha = picture(7)
    status, headers, content = served.ask(f"/api/picture/{mark}/raw/ldp-0000007/foreground")
    assert status == 200 and headers["content-type"] == "image/png"
    assert np.array_equal(codec.decode_foreground(content), foreground)
    _, _, content = served.ask(f"/api/picture/{mark}/default/ldp-0000027/alpha")
    assert np.array_equal(codec.decode_alpha(content), alpha)  # 27 has the picture of 7
    _, headers, content = served.ask(f"/api/thumb/{mark}/default/ldp-0000007")
    small = Image.open(io.BytesIO(content))
    assert headers["content-type"] == "image/webp" and small.mode == "RGBA"
    assert np.array_equal(np.asarray(small)[..., 3], alpha)


def test_one_sample_and_code_that_loads_it(served: Site) -> None:
    sample = served.json("/api/sample/ldp-0000045")
    assert sample["metadata"]["prompt"] == TRUTH[45]["prompt"]
    assert sample["split"] == "test" and sample["subsets"] == ["default", "raw"]
    names: dict[str, Any] = {}
    exec(sample["code"], names)
    assert names["sample"]["id"] == "ldp-0000045"
    assert np.array_equal(names["alpha"], picture(5)[1])


def test_what_is_not_there(served: Site) -> None:
    mark = served.dataset.identity[:12]
    for path in (
        "/api/sample/ldp-9999999", "/api/sample/x", f"/api/thumb/{mark}/default/x",
        f"/api/thumb/{mark}/nothing/ldp-0000001", f"/api/picture/{mark}/default/ldp-0000001/json",
        "/nothing", "/static/", "/api",
    ):  # fmt: skip
        assert served.ask(path)[0] == 404, path


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server.py", "/static/..%2fserver.py", "/../../etc/passwd",
        "/static//etc/passwd", "/static/%2e%2e/%2e%2e/server.py", "/api/sample/..%2f..",
        "//etc/passwd", "/static/..\\server.py",
    ],
)  # fmt: skip
def test_paths_lead_nowhere_else(served: Site, path: str) -> None:
    status, _, content = served.ask(path)
    assert status == 404 and b"import" not in content and b"root:" not in content


def test_the_page_may_load_nothing_from_elsewhere(served: Site) -> None:
    status, headers, content = served.ask("/")
    policy = headers["content-security-policy"]
    assert status == 200 and "default-src 'none'" in policy and "script-src 'self'" in policy
    assert "unsafe" not in policy and headers["x-content-type-options"] == "nosniff"
    assert (
        b"<script>" not in content and b"style=" not in content and b" on" + b"click" not in content
    )
    for name, text in served.server.pages.items():
        assert b"http://" not in text.replace(b"http://www.w3.org/2000/svg", b""), name
        assert b"https://" not in text and b"innerHTML" not in text, name


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:1", 200), ("localhost", 200), ("[::1]:80", 200), ("127.9.9.9", 200),
        ("example.org", 403), ("127.0.0.1.example.org", 403), ("192.168.1.5", 403), ("", 403),
        ("[", 403),
    ],
)  # fmt: skip
def test_foreign_hosts_are_refused(served: Site, host: str, status: int) -> None:
    assert served.ask("/api/dataset", headers={"Host": host})[0] == status


def test_marks(dataset: Path, tmp_path: Path) -> None:
    path = tmp_path / "marks.jsonl"
    with site(dataset, path) as one:
        body = {"id": "ldp-0000003", "mark": "bad", "note": 'an "ear" \u202e is cut off'}
        assert one.json("/api/marks", method="POST", body=body)["mark"]["mark"] == "bad"
        Marks(path).set("ldp-0000009", Mark("good"))  # another process
        one.json("/api/marks", method="POST", body={"id": "ldp-0000001", "note": "soft"})
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert lines == [
            {"id": "ldp-0000001", "note": "soft"}, body, {"id": "ldp-0000009", "mark": "good"},
        ]  # fmt: skip
        assert one.ids("mark=bad&mark=good") == ["ldp-0000003", "ldp-0000009"]
        assert one.json("/api/sample/ldp-0000003")["mark"]["note"] == body["note"]
        one.json("/api/marks", method="POST", body={"id": "ldp-0000003", "mark": None})
        assert one.ids("mark=bad") == [] and len(one.ids("mark=")) == COUNT - 2


def test_marks_come_from_the_page_alone(dataset: Path, tmp_path: Path) -> None:
    body = {"id": "ldp-0000003", "mark": "bad"}
    with site(dataset, tmp_path / "marks.jsonl") as one:
        port = one.server.server_port
        for headers in (
            {"Origin": "http://example.org"}, {"Origin": "null"}, {"Content-Type": "text/plain"},
            {"Origin": "http://127.0.0.1"}, {"Origin": f"http://127.0.0.1:{port + 1}"},
            {"Origin": f"http://127.0.0.1.example.org:{port}"}, {"Origin": ""},
            {"Content-Type": "application/x-www-form-urlencoded"},
            # Another name that points here: rebinding makes host and origin agree.
            {"Origin": f"http://evil.example:{port}", "Host": f"evil.example:{port}"},
        ):  # fmt: skip
            assert one.ask("/api/marks", "POST", body, headers)[0] == 403
        wrong: Any
        for wrong in ({"id": "ldp-9999999"}, {"id": 3}, [], {**body, "mark": "fine"},
                      {**body, "note": "x" * 3000}):  # fmt: skip
            assert one.ask("/api/marks", "POST", wrong)[0] == 400
        assert one.ask("/api/marks", "POST", "x" * 100_000)[0] == 413
        assert one.ask("/api/elsewhere", "POST", body)[0] == 404
    assert not (tmp_path / "marks.jsonl").exists()
    with site(dataset) as one:
        status, _, content = one.ask("/api/marks", "POST", body)
        assert status == 422 and b"--marks FILE" in content


def test_a_file_that_holds_no_marks_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "marks.jsonl"
    path.write_text('{"id": "ldp-0000001", "mark": "bad"}\n{"id": "x"}\n')
    with pytest.raises(PortraitError, match=r"line 2.*try: another --marks"):
        Marks(path)


def test_metadata_is_read_once(dataset: Path, cache: Path) -> None:
    from ld_portrait_20k.streaming.sources import LocalSource

    class Counting(LocalSource):
        windows = 0

        def window(self, path: str, start: int, length: int) -> Any:
            Counting.windows += 1
            return super().window(path, start, length)

    def confidences() -> list[float]:
        viewed = ViewedDataset(Counting(dataset))
        viewed.read()
        return list(viewed.columns.numbers["confidence"])

    first = confidences()
    read = Counting.windows
    assert read and confidences() == first and Counting.windows == read
    (file,) = (cache / schema.NAME / "viewer").iterdir()
    write_bytes(file, file.read_bytes()[:500])
    assert confidences() == first and Counting.windows == 2 * read


def test_over_http_and_by_shards(dataset: Path, served: Site) -> None:
    wanted = served.json("/api/facets?age=adult")
    with FileServer(dataset) as files:
        with site(files.url) as one:
            # Small samples come in runs: a request a shard, and the manifest.
            assert len(files.requests) == 1 + 3
            assert one.json("/api/facets?age=adult") == wanted
            mark = one.dataset.identity[:12]
            assert one.ask(f"/api/thumb/{mark}/raw/ldp-0000001")[0] == 200
        with site([f"{files.url}/data/train-0000{{0,1}}-of-00002.tar"]) as one:
            assert one.json("/api/dataset")["samples"] == 40
            code = one.json("/api/sample/ldp-0000025")["code"]
            names: dict[str, Any] = {}
            exec(code, names)
            assert names["sample"]["id"] == "ldp-0000025"


def test_large_pictures_are_not_fetched_for_their_metadata(tmp_path: Path) -> None:
    from .large import write

    write(tmp_path / "d", 6, shards=2, size=(200, 160))
    sizes = sum(path.stat().st_size for path in (tmp_path / "d/data").iterdir())
    with FileServer(tmp_path / "d") as files, site(files.url) as one:
        assert len(one.ids("confidence=0..1")) == 6
        asked = [span for path, span in files.requests if path.endswith(".tar")]
        assert len(asked) == 6
        ends = [[int(end) for end in str(span)[6:].split("-")] for span in asked]
        assert sum(stop - start for start, stop in ends) < sizes / 2


def test_a_damaged_sample_does_not_stop_the_others(dataset: Path, tmp_path: Path) -> None:
    root = tmp_path / "d"
    shutil.copytree(dataset, root)
    path = root / "data/train-00000-of-00002.tar"
    content = bytearray(path.read_bytes())
    place = content.index(b"ldp-0000002.json")
    content[place : place + 20] = b"\0" * 20
    path.write_bytes(content)
    with site(root) as one:
        assert one.json("/api/dataset")["unreadable"] == 1
        assert len(one.ids("")) == COUNT and len(one.ids("confidence=0..")) == COUNT - 1
        status, _, said = one.ask("/api/sample/ldp-0000002")
        assert status == 422 and b"ldp-0000002" in said
        assert one.json("/api/sample/ldp-0000003")["id"] == "ldp-0000003"


def test_rejected_samples(dataset: Path, tmp_path: Path) -> None:
    root = tmp_path / "d"
    shutil.copytree(dataset, root)
    lines = [
        {"id": "ldp-0000003", "attempt": 0, "seed": 1, "reason": "no-subject", "detail": "empty",
         "source": None, "prompt": "first try", "figures": {"coverage": 0.01}},
        {"id": "ldp-0000060", "attempt": 0, "seed": 2, "reason": "halo", "detail": "<b>grey</b>",
         "source": None, "prompt": "the other", "figures": {}},
    ]  # fmt: skip
    (root / "rejected.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    size, sha256 = (root / "rejected.jsonl").stat().st_size, file_sha256(root / "rejected.jsonl")
    manifest = Manifest.load(root)
    replace(manifest, files={"rejected.jsonl": {"bytes": size, "sha256": sha256}}).save(root)
    with site(root) as one:
        assert len(one.ids("")) == COUNT
        assert one.ids("state=rejected") == ["ldp-0000003.0", "ldp-0000060.0"]
        assert one.ids("reason=halo") == ["ldp-0000060.0"]
        assert one.ids("state=rejected&coverage=..0.1") == ["ldp-0000003.0"]
        sample = one.json("/api/sample/ldp-0000060.0")
        assert sample["detail"] == "<b>grey</b>" and sample["subsets"] == []
        texts = {facet["name"]: facet for facet in one.json("/api/facets")["texts"]}
        states = [(value["value"], value["count"]) for value in texts["state"]["values"]]
        assert states == [("kept", COUNT), ("rejected", 2)]


def test_parts_of_a_dataset(dataset: Path) -> None:
    from ld_portrait_20k.streaming.sources import LocalSource

    viewed = ViewedDataset(LocalSource(dataset), "raw", "test")
    assert len(viewed.numbers) == 20 == len(PortraitStream(dataset, subset="raw", split="test"))
    with pytest.raises(PortraitError, match="no subset 'truth'"):
        ViewedDataset(LocalSource(dataset), "truth")


def test_query_words() -> None:
    query, others = parse("q=Straße+rain&age=&start=5")
    assert query.words == ("strasse", "rain") and query.picked == (("age", ("",)),)
    assert others == {"start": "5"}
    assert parse("")[0].plain and not parse("age=adult")[0].plain
    with pytest.raises(QueryError):
        parse("were=1")


def test_fields_are_named_as_in_selections() -> None:
    for field in FIELDS:
        assert selection.NAMES[field.name].path == ".".join(field.path)
