from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ld_portrait_20k import PortraitStream, load_dataset
from ld_portrait_20k.cli import main
from ld_portrait_20k.format.integrity import verify
from ld_portrait_20k.format.manifest import Manifest
from ld_portrait_20k.format.shards import ShardWriter
from ld_portrait_20k.version import __version__
from tests.processes import run_code, run_module, start_module

from .samples import build, encoded, picture
from .server import Server, Trouble

COUNTS = {"train": (3, 4), "test": (1, 2)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    build(tmp_path / "d", COUNTS, subsets=("default", "raw"))
    return tmp_path / "d"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_help_and_import_are_quick_and_light() -> None:
    code = (
        "import sys, time; t = time.process_time(); import ld_portrait_20k.cli as c\n"
        "try: c.main(['--help'])\nexcept SystemExit: pass\n"
        "print(time.process_time() - t, [m for m in ('torch', 'datasets', 'cv2', 'numba', "
        "'huggingface_hub', 'pyarrow') if m in sys.modules])\n"
    )
    done = run_code(code)
    *text, last = done.stdout.splitlines()
    seconds, modules = last.split(" ", 1)
    assert modules == "[]" and float(seconds) < 0.5
    assert "download" in "\n".join(text) and "exit codes" in "\n".join(text)


def test_info(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "info", root, "--json")
    body = json.loads(out)
    assert code == 0 and body["subsets"]["default"]["train"]["samples"] == 12
    code, out, _ = run(capsys, "info", root)
    assert "raw" in out and "12 samples" in out


def test_verify(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "verify", root)[0] == 0
    assert json.loads(run(capsys, "verify", root, "--deep", "--json")[1])["ok"]
    path = root / "data/train-00001-of-00003.tar"
    data = bytearray(path.read_bytes())
    data[700] ^= 1
    path.write_bytes(data)
    code, out, _ = run(capsys, "verify", root)
    assert code == 1 and "ldp-0000004" in out and "at byte" in out and "--deep" in out
    path.unlink()
    assert run(capsys, "verify", root)[0] == 1
    assert run(capsys, "verify", root, "--partial")[0] == 0
    code, out, _ = run(capsys, "verify", root / "nowhere")
    assert code == 1 and "no such folder" in out and "delete" not in out


def test_errors_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    export = ("export", ".", "--to", "folder", "--output", "o")
    for arguments in (("info",), ("info", "./nowhere"), export, ("download",)):
        code, out, err = run(capsys, *arguments)
        assert code == 1 and not out and err.startswith("error: ") and err.count("\n") == 1


def test_download_a_part_then_the_rest(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import datasets

    target = tmp_path / "copy"
    with Server(root) as server:
        code, out, _ = run(
            capsys,
            "download",
            server.url,
            "--split",
            "train",
            "--max-samples",
            5,
            "--output",
            target,
        )
        assert code == 0 and "8 samples in 2 shards" in out
        assert len(list(PortraitStream(target))) == 8
        assert len(load_dataset(target, split="train", cache_dir=tmp_path / "c")) == 8
        # The card lists what is there, so the stock library loads the part too.
        stock = datasets.load_dataset(str(target), streaming=True)
        assert list(stock) == ["train"] and len(list(stock["train"])) == 8
        assert run(capsys, "verify", target, "--deep")[0] == 0
        before = len([r for r in server.requests if "tar" in r[0]])
        assert run(capsys, "download", server.url, "--output", target)[0] == 0
        # Only what was missing travelled.
        assert len([r for r in server.requests if "tar" in r[0]]) - before == 2
        assert run(capsys, "download", server.url, "--subset", "raw", "--output", target)[0] == 0
    assert verify(target, deep=True).samples == 28
    assert list(datasets.load_dataset(str(target), streaming=True)) == ["train", "test"]
    assert Manifest.load(target).shards == Manifest.load(root).shards
    assert not [p for p in target.rglob("*") if p.name.endswith(".part")]


def test_a_broken_download_goes_on_where_it_stood(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ld_portrait_20k.streaming import http

    quick = http.Patience(timeout=2, attempts=2, pause=0.01, longest_pause=0.02)
    monkeypatch.setattr(http, "Patience", lambda: quick)
    target = tmp_path / "copy"
    with Server(root) as server:
        server.troubles = [
            Trouble(path="train-00001", cut=5000),
            Trouble(path="train-00001", status=500, times=1),
        ]
        server.troubles += [Trouble(path="train-00001", status=500, times=50)]
        assert run(capsys, "download", server.url, "--output", target)[0] == 1
        assert not (target / "manifest.json").exists()
        server.troubles = []
        server.requests.clear()
        assert run(capsys, "download", server.url, "--output", target)[0] == 0
        ranges = [r for path, r in server.requests if "data/train-00001" in path]
        assert len(ranges) == 1 and ranges[0] and ranges[0].startswith("bytes=5000-")
        assert not [p for p, _ in server.requests if "train-00000" in p]
    assert verify(target, deep=True).ok


def test_two_downloads_into_one_folder_do_not_disturb_each_other(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "copy"
    with Server(root) as server:
        server.troubles = [Trouble(stall=3)]
        words = ("download", server.url, "--output", target)
        first = start_module("ld_portrait_20k", *words, stdout=subprocess.DEVNULL)
        while not list(target.rglob("*.part")):
            assert first.poll() is None
            time.sleep(0.02)
        code, _, err = run(capsys, "download", server.url, "--output", target)
        assert code == 1 and "another run is working on it" in err and err.count("\n") == 1
        assert first.wait(60) == 0
        assert run(capsys, "download", server.url, "--output", target)[0] == 0
    assert verify(target, deep=True).ok


def test_damaged_leftovers_and_wrong_servers(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "copy"
    shard = Manifest.load(root).shards[0]
    (target / "data").mkdir(parents=True)
    left = target / "data" / f".{Path(shard.path).name}.{shard.sha256[:16]}.part"
    left.write_bytes(b"rubbish" * 100)
    with Server(root) as server:
        assert run(capsys, "download", server.url, "--output", target)[0] == 0
        assert verify(target).ok
        other = tmp_path / "other"
        server.troubles = [Trouble(change=lambda b: b[:-9] + b"different", times=99)]
        code, _, err = run(capsys, "download", server.url, "--output", other)
        assert code == 1 and "not as recorded" in err and "train-0000" in err
        assert not list(other.rglob("*.tar"))
        build(tmp_path / "third")
        manifest = (tmp_path / "third/manifest.json").read_text().replace("0" * 64, "1" * 64)
        (tmp_path / "third/manifest.json").write_text(manifest)
        server.troubles = []
        code, _, err = run(capsys, "download", server.url, "--output", tmp_path / "third")
        assert code == 1 and "another dataset" in err
    assert run(capsys, "download", root, "--output", other)[0] == 1


def test_download_can_be_killed(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    with Server(root) as server:
        for delay in (0.6, 0.9):
            server.troubles = [Trouble(stall=0.2, times=99)]
            running = start_module(
                "ld_portrait_20k", "download", server.url, "--output", target,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            try:
                running.wait(delay)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()
        server.troubles = []
        assert main(["download", server.url, "--output", str(target)]) == 0
    assert verify(target, deep=True).ok


def test_export_takes_no_file_name_from_metadata(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A loader would open what the metadata of a strange dataset points to."""
    root = tmp_path / "d"
    manifest = build(root, {"train": (1, 1)})
    (record,) = manifest.select()
    foreground, alpha, known = encoded(0)
    strange = json.dumps({**json.loads(known), "file_name": "../../../etc/passwd"}).encode()
    with ShardWriter(root / record.path) as writer:
        writer.add("ldp-0000000", foreground, alpha, strange)
    altered = replace(manifest, shards=(writer.record(record.path, "default", "train"),))
    (root / "manifest.json").write_text(altered.to_json())
    code, _, err = run(capsys, "export", root, "--to", "folder", "--output", tmp_path / "o")
    assert code == 1
    assert "ldp-0000000" in err and "metadata keys not in the schema: file_name" in err
    assert not [path for path in (tmp_path / "o").rglob("*") if path.is_file()]


@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_export_folder_loads_as_imagefolder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    import datasets

    build(tmp_path / "d", COUNTS, form=form)
    code, out, _ = run(
        capsys, "export", tmp_path / "d", "--to", "folder", "--output", tmp_path / "o"
    )
    assert code == 0 and "imagefolder" in out
    suffix = "png" if form == "png" else "jpg"
    for sample in PortraitStream(tmp_path / "d", decode=False):
        folder = tmp_path / "o/train"
        assert (folder / f"foreground/{sample.id}.{suffix}").read_bytes() == sample.foreground
        assert (folder / f"alpha/{sample.id}.png").read_bytes() == sample.alpha
    rows = datasets.load_dataset(
        "imagefolder", data_dir=str(tmp_path / "o"), split="train", cache_dir=str(tmp_path / "c")
    )
    assert len(rows) == 12 and rows[3]["id"] == "ldp-0000003"
    assert (
        np.asarray(rows[3]["alpha"] if "alpha" in rows[3] else rows[3]["alpha_image"]) >= 0
    ).all()


def test_export_parquet_keeps_columns_and_bytes(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import datasets

    out = tmp_path / "o"
    assert (
        run(capsys, "export", root, "--to", "parquet", "--output", out, "--max-samples", 5)[0] == 0
    )
    rows = datasets.load_dataset(
        "parquet",
        data_files=str(out / "train.parquet"),
        split="train",
        cache_dir=str(tmp_path / "c"),
    )
    ours = load_dataset(root, split="train[:5]", cache_dir=tmp_path / "c")
    assert rows.features == ours.features and len(rows) == 5
    assert (np.asarray(rows[2]["foreground"]) == picture(2)[0]).all()
    assert (
        rows.remove_columns(["foreground", "alpha"])[:]
        == ours.remove_columns(["foreground", "alpha"])[:]
    )


def test_export_refuses_damage(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = root / "data/train-00001-of-00003.tar"
    data = bytearray(path.read_bytes())
    data[700] ^= 1
    path.write_bytes(data)
    code, _, err = run(capsys, "export", root, "--to", "parquet", "--output", tmp_path / "o")
    assert code == 1 and "ldp-0000004" in err
    assert not list((tmp_path / "o").glob("*train*"))


def test_export_lance(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("export", root, "--to", "lance", "--output", tmp_path / "o", "--split", "test")
    try:
        import lance
    except ImportError:
        code, _, err = run(capsys, *arguments)
        assert code == 1 and "pip install pylance" in err
        return
    assert run(capsys, *arguments)[0] == 0
    assert lance.dataset(str(tmp_path / "o/test.lance")).count_rows() == 2


def test_as_a_module() -> None:
    done = run_module("ld_portrait_20k", "--version")
    assert done.returncode == 0 and done.stdout.strip() == __version__


def test_export_does_not_mix_with_another_export(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = ("export", root, "--to", "folder", "--split", "train", "--output", tmp_path / "o")
    assert run(capsys, *export)[0] == 0
    assert run(capsys, *export)[0] == 0
    listing = tmp_path / "o" / "train" / "metadata.jsonl"
    before = listing.read_bytes()
    code, out, err = run(capsys, *export, "--max-samples", 3)
    assert code == 1 and not out
    assert "from another export; try: --output with an empty folder" in err
    assert len(err.splitlines()) == 1
    assert listing.read_bytes() == before


def test_nothing_else_is_written_into_a_dataset(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from ld_portrait_20k.matting.cli import main as matting

    before = sorted(root.rglob("*"))
    for to in ("folder", "parquet"):
        code, _, err = run(capsys, "export", root, "--to", to, "--output", root)
        assert code == 1 and "holds a dataset; try: " in err and err.count("\n") == 1
    for command in (["shoot", str(root)], ["reproduce", "--data", str(root)]):
        assert matting([*command, "--output", str(root)]) == 1
        assert "would be taken for data; try: " in capsys.readouterr().err.splitlines()[-1]
    assert sorted(root.rglob("*")) == before


def test_export_without_lance_leaves_nothing(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lance", None)
    code, _, err = run(capsys, "export", root, "--to", "lance", "--output", tmp_path / "o")
    assert code == 1 and "pip install pylance" in err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("module", "arguments"),
    [("ld_portrait_20k", ["info"]), ("ld_portrait_20k", ["verify"]), ("builder", ["verify"])],
)
def test_a_reader_that_leaves_is_no_error(root: Path, module: str, arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = run_module(
            module, *arguments, root,
            capture_output=False, stdout=writer, stderr=subprocess.PIPE,
        )  # fmt: skip
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
