"""``python -m ld_portrait_20k``: what one does with a dataset that is already built."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ld_portrait_20k import schema
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.version import __version__

OK, WRONG, FAILED = 0, 1, 2

_DESCRIPTION = """\
Look at, fetch, check and convert LD-Portrait-20K.

SOURCE is a dataset folder, a URL of one, a Hub repository (owner/name), or the bare name
ld-portrait-20k: then a folder of that name here, the repository that LD_PORTRAIT_20K_REPO
names, or the logged-in user's own.
"""

_EXAMPLES = """\
examples:
  python -m ld_portrait_20k info someone/ld-portrait-20k
  python -m ld_portrait_20k download --repo someone/ld-portrait-20k --split test
  python -m ld_portrait_20k verify ld-portrait-20k --deep
  python -m ld_portrait_20k export ld-portrait-20k --to parquet --output parquet

exit codes: 0 done, 1 verify found problems, 2 something else went wrong
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        0 when done, 1 when ``verify`` found problems, 2 for any other failure.
    """
    options = _parser().parse_args(arguments)
    try:
        code = int(options.run(options))
        sys.stdout.flush()
        return code
    except (PortraitError, ValueError) as problem:
        print(f"error: {problem}", file=sys.stderr)  # noqa: T201
    except BrokenPipeError:
        # The reader of our output left (`... | head`): nothing is wrong with us.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as problem:
        name = f"{problem.filename}: " if problem.filename else ""
        print(f"error: {name}{problem.strerror or problem}", file=sys.stderr)  # noqa: T201
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)  # noqa: T201
        return 130
    return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ld_portrait_20k",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    info = _command(commands, "info", _info, "what a dataset consists of")
    _add_source(info)

    fetch = _command(
        commands, "download", _download, "copy a dataset, or a part, into a folder",
        "Fetch shards, verify each, and make a folder that loads like the original. Broken "
        "off, the same command goes on where it stood; with another --split it adds to the "
        "folder.",
    )  # fmt: skip
    _add_source(fetch)
    _add_part(fetch)
    fetch.add_argument(
        "--output", type=Path, default=Path(schema.NAME), metavar="DIR",
        help=f"where to (default: {schema.NAME})",
    )  # fmt: skip

    check = _command(
        commands, "verify", _verify, "check a folder against its manifest",
        "Size and sha256 of every shard, and nothing unexpected beside them. Damage is named "
        "by shard, sample and byte offset.",
    )  # fmt: skip
    check.add_argument(
        "folder", type=Path, nargs="?", default=Path(schema.NAME), metavar="FOLDER",
        help=f"the dataset folder (default: {schema.NAME})",
    )  # fmt: skip
    check.add_argument("--deep", action="store_true", help="also decode every sample")
    check.add_argument(
        "--partial", action="store_true", help="absent shards are fine; check those present"
    )
    check.add_argument("--subset", choices=list(schema.SUBSETS), help="one subset (default: all)")
    check.add_argument("--split", choices=schema.SPLITS, help="one split (default: all)")
    check.add_argument(
        "--workers", type=_positive, default=2, metavar="N", help="threads (default: 2)"
    )

    copy = _command(
        commands, "export", _export, "convert to a folder of pictures, Parquet or Lance",
        "Pictures are copied as they are, never encoded again.",
    )  # fmt: skip
    _add_source(copy)
    _add_part(copy)
    copy.add_argument("--to", required=True, choices=("folder", "parquet", "lance"))
    copy.add_argument("--output", type=Path, required=True, metavar="DIR")
    return parser


def _command(commands: Any, name: str, run: Any, summary: str, more: str = "") -> Any:
    parser = commands.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}. {more}"
    )
    parser.set_defaults(run=run)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser


def _add_source(parser: Any) -> None:
    parser.add_argument(
        "source", nargs="?", default=schema.NAME, metavar="SOURCE",
        help=f"folder, URL, OWNER/NAME on the Hub, or a bare name (default: {schema.NAME})",
    )  # fmt: skip
    parser.add_argument("--repo", metavar="OWNER/NAME", help="Hub repository, instead of SOURCE")
    parser.add_argument("--revision", metavar="REV", help="branch, tag or commit on the Hub")


def _add_part(parser: Any) -> None:
    parser.add_argument(
        "--subset", choices=list(schema.SUBSETS), default="default",
        help="refined mattes (default), those before refinement, or exact ones",
    )  # fmt: skip
    parser.add_argument("--split", choices=schema.SPLITS, help="one split (default: all)")
    parser.add_argument("--max-samples", type=_positive, metavar="N", help="about so many at most")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _resolve(options: argparse.Namespace) -> Any:
    from ld_portrait_20k.streaming.resolve import resolve

    return resolve(options.source, repo_id=options.repo, revision=options.revision)


def _bar(total: int, unit: str, scale: bool) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, unit=unit, unit_scale=scale, disable=None, file=sys.stderr)


def _show(options: argparse.Namespace, body: dict[str, Any], lines: list[str]) -> None:
    text = json.dumps(body, ensure_ascii=False) if options.json else "\n".join(lines)
    print(text)  # noqa: T201


def _info(options: argparse.Namespace) -> int:
    source = _resolve(options)
    manifest = source.manifest()
    subsets: dict[str, Any] = {}
    for subset in manifest.subsets():
        splits = {}
        for split in schema.SPLITS:
            shards = manifest.select(subset, split)
            if shards:
                splits[split] = {
                    "samples": sum(shard.samples for shard in shards),
                    "shards": len(shards),
                    "bytes": sum(shard.bytes for shard in shards),
                }
        subsets[subset] = splits
    body = {
        "source": source.name,
        "commit": getattr(source, "identity", None),
        "generator": manifest.generator,
        "foreground_format": manifest.foreground_format,
        "plan_hash": manifest.plan_hash,
        "subsets": subsets,
        "about": manifest.about,
    }
    lines = [
        f"{source.name}",
        f"made by {manifest.generator}, {manifest.foreground_format} foregrounds, "
        f"plan {manifest.plan_hash[:12]}",
    ]
    if body["commit"]:
        lines.append(f"commit {body['commit']}")
    for subset, splits in subsets.items():
        for split, row in splits.items():
            lines.append(
                f"  {subset:8s} {split:10s} {row['samples']:7d} samples  {row['shards']:4d} shards"
                f"  {row['bytes'] / 2**20:10.1f} MiB"
            )
    _show(options, body, lines)
    return OK


def _download(options: argparse.Namespace) -> int:
    from ld_portrait_20k.download import download, select
    from ld_portrait_20k.streaming.sources import HttpSource

    # A folder of the bare name here is what shall be filled, not where from.
    repo = options.repo
    if repo is None and options.source == schema.NAME:
        from ld_portrait_20k.streaming.resolve import default_repo

        repo = default_repo()
    options.repo = repo
    source = _resolve(options)
    if not isinstance(source, HttpSource):
        raise PortraitError(f"{source.name} is a folder on this machine already")
    part = {
        "subset": options.subset, "split": options.split, "max_samples": options.max_samples,
    }  # fmt: skip
    shards, _ = select(source.manifest(), **part)
    with _bar(sum(shard.bytes for shard in shards), "B", True) as bar:
        manifest = download(source, options.output, progress=bar.update, **part)
    fetched = sum(shard.samples for shard in shards)
    body = {"output": str(options.output), "samples": fetched, "splits": manifest.splits}
    _show(
        options, body,
        [
            f"{fetched} samples in {len(shards)} shards, verified, in {options.output}",
            f"next: python -m ld_portrait_20k info {options.output}",
        ],
    )  # fmt: skip
    return OK


def _verify(options: argparse.Namespace) -> int:
    from ld_portrait_20k.integrity import verify

    total = 0
    if options.folder.is_dir():
        total = sum(path.stat().st_size for path in options.folder.glob("*/*.tar"))
    with _bar(total, "B", True) as bar:
        report = verify(
            options.folder,
            deep=options.deep,
            subset=options.subset,
            split=options.split,
            strays=not options.partial,
            workers=options.workers,
            progress=bar.update,
        )
    how = "decoded" if report.deep else "sha256"
    lines = [str(problem) for problem in report.problems]
    lines.append(
        f"{report.shards} shards, {report.samples} samples, {report.bytes} bytes ({how}): "
        + ("sound" if report.ok else f"{len(report.problems)} problems")
    )
    if not report.ok and not report.deep and report.shards:
        lines.append(f"next: python -m ld_portrait_20k verify {options.folder} --deep")
    _show(options, report.to_dict(), lines)
    return OK if report.ok else WRONG


def _export(options: argparse.Namespace) -> int:
    from ld_portrait_20k.export import export

    source = _resolve(options)
    with _bar(0, " samples", False) as bar:
        counts = export(
            source,
            options.output,
            options.to,
            subset=options.subset,
            split=options.split,
            max_samples=options.max_samples,
            progress=bar.update,
        )
    loads = {
        "folder": f'load_dataset("imagefolder", data_dir="{options.output}")',
        "parquet": f'load_dataset("parquet", data_dir="{options.output}")',
        "lance": f'lance.dataset("{options.output}/{next(iter(counts))}.lance")',
    }
    told = ", ".join(f"{count} {split}" for split, count in counts.items())
    _show(
        options, {"output": str(options.output), "splits": counts},
        [f"{told} samples in {options.output}", f"load with: {loads[options.to]}"],
    )  # fmt: skip
    return OK
