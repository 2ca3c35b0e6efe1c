"""Publishing to a loopback Hub: throughput beside a bare ``upload_folder``, and the overlap.

    python -m tests.benchmarks.bench_hub_upload --shards 8 --megabytes 16 --rounds 5

The server is a process of its own, fresh for every measurement, since what it stores is not
sent again. The two ways take turns, and medians and their ratio are printed. Then shards
"are built" at a fixed pace, once uploaded while that goes on and once afterwards.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.processes import ROOT

os.environ["HF_HUB_DISABLE_XET"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
TOKEN = "hf_benchmarkbenchmark"


@contextmanager
def server() -> Iterator[str]:
    """A fresh loopback Hub; gives its address."""
    command = [sys.executable, "-m", "tests.hub", "--port", "0", "--token", TOKEN]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process.stdout.readline().split()[4].rstrip(",")
    process.terminate()
    process.wait()


def make(root: Path, shards: int, size: int) -> None:
    """A dataset of random bytes in as many shards."""
    from ld_portrait_20k.format import schema, ustar
    from ld_portrait_20k.format.manifest import Manifest, ShardRecord, file_sha256

    records = []
    for n in range(shards):
        path = root / schema.shard_name("default", "train", n, shards)
        path.parent.mkdir(parents=True, exist_ok=True)
        key = schema.sample_id(n)
        contents = (os.urandom(size), b"alpha", b"{}")
        with path.open("wb") as stream:
            for suffix, content in zip(schema.members("png"), contents, strict=True):
                stream.write(ustar.encode_header(f"{key}.{suffix}", len(content)) + content)
                stream.write(bytes(ustar.padding(len(content))))
            stream.write(ustar.END)
        index = ((n, size, 5, 2),)
        name = path.relative_to(root).as_posix()
        records.append(
            ShardRecord(name, "default", "train", path.stat().st_size, file_sha256(path), index)
        )
    manifest = Manifest("png", "0" * 64, "procedural", {"train": shards}, tuple(records))
    (root / "manifest.json").write_text(manifest.to_json())
    (root / "README.md").write_text("---\nlicense: cc0-1.0\n---\n# Benchmark\n")


def ours(root: Path, url: str) -> None:
    from builder.hub import publish

    publish(root, token=TOKEN, endpoint=url)


def bare(root: Path, url: str) -> None:
    from huggingface_hub import HfApi

    api = HfApi(endpoint=url, token=TOKEN)
    api.create_repo("tester/bare", repo_type="dataset")
    api.upload_folder(repo_id="tester/bare", folder_path=root, repo_type="dataset")


def overlap(root: Path, url: str, pace: float, beside: bool) -> tuple[float, list[str]]:
    """Build at a pace and publish, beside the build or after it; seconds and a timeline."""
    from builder.hub import Uploader, UploadState, finish_publication
    from ld_portrait_20k.format.manifest import Manifest

    begun = time.perf_counter()
    line: list[str] = []
    last = [0, 0]

    def note(state: UploadState) -> None:
        now = [state.uploaded, state.committed]
        if now != last:
            last[:] = now
            line.append(
                f"{time.perf_counter() - begun:7.2f} s  uploaded {now[0]:3}  committed {now[1]:3}"
            )

    shards = Manifest.load(root).shards
    with Uploader(token=TOKEN, endpoint=url, commit_every=2, progress=note) as uploader:
        for shard in shards:
            time.sleep(pace)  # what a shard takes to build, on other cores
            line.append(f"{time.perf_counter() - begun:7.2f} s  built {shard.path}")
            if beside:
                uploader.add(shard.path, root / shard.path, shard.sha256, shard.bytes)
        line.append(f"{time.perf_counter() - begun:7.2f} s  build finished")
        finish_publication(root, uploader)
    seconds = time.perf_counter() - begun
    line.append(f"{seconds:7.2f} s  published")
    return seconds, line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--megabytes", type=float, default=16, help="size of a shard")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pace", type=float, default=0.5, help="seconds to build a shard")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make(root, given.shards, int(given.megabytes * 2**20))
        total = given.shards * given.megabytes
        taken: dict[str, list[float]] = {"bare upload_folder": [], "publish": []}
        for _ in range(given.rounds):
            for name, way in zip(taken, (bare, ours), strict=True):
                with server() as url:
                    begun = time.perf_counter()
                    way(root, url)
                    taken[name].append(time.perf_counter() - begun)
        medians = {name: statistics.median(seconds) for name, seconds in taken.items()}
        for name, median in medians.items():
            rounds = " ".join(f"{seconds:.2f}" for seconds in taken[name])
            print(f"{name:20} {median:6.2f} s  {total / median:7.1f} MiB/s   ({rounds})")
        ratio = medians["bare upload_folder"] / medians["publish"]
        print(f"throughput of publish to bare upload_folder: {ratio:.2f}\n")
        with server() as url:
            beside, line = overlap(root, url, given.pace, True)
        print("\n".join(line))
        with server() as url:
            after, _ = overlap(root, url, given.pace, False)
        build = given.shards * given.pace
        print(
            f"build alone {build:.2f} s; uploaded beside it {beside:.2f} s, after it {after:.2f} s"
        )


if __name__ == "__main__":
    main()
