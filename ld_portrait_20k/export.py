"""Copying a dataset into other formats; pictures are not encoded again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ld_portrait_20k.common.files import replacing, replacing_folder, write_bytes
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.manifest import refuse_dataset

if TYPE_CHECKING:
    import pyarrow

    from ld_portrait_20k.format.shards import RawSample
    from ld_portrait_20k.streaming.sources import DatasetSource
    from ld_portrait_20k.streaming.stream import PortraitStream

FORMATS: Final = ("folder", "parquet", "lance")
_ROWS_A_GROUP = 50


def export(
    source: DatasetSource,
    output: Path,
    to: str,
    *,
    subset: str = "default",
    split: str | None = None,
    max_samples: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, int]:
    """Copy a dataset.

    ``folder``: ``SPLIT/foreground/ID.png``, ``SPLIT/alpha/ID.png`` and a
    ``SPLIT/metadata.jsonl`` that ``load_dataset("imagefolder")`` understands. ``parquet``:
    ``SPLIT.parquet`` with the columns and types of :func:`ld_portrait_20k.load_dataset`.
    ``lance``: ``SPLIT.lance``, the same columns (needs the package ``pylance``).

    Args:
        source: Where the dataset is.
        output: Folder to write to.
        to: One of :data:`FORMATS`.
        subset: Which subset.
        split: Which split; all by default.
        max_samples: Most samples of each split.
        progress: Called with 1 for every sample.

    Returns:
        Split to number of samples written.

    Raises:
        PortraitError: There is nothing to copy, a sample is damaged, a package is missing, or the
            folder holds pictures of another export, or a dataset.
        ValueError: An unknown format.
    """
    from ld_portrait_20k.streaming.stream import PortraitStream

    if to not in FORMATS:
        raise ValueError(f"format {to!r} is none of {', '.join(FORMATS)}")
    if to == "lance":
        _lance()  # raises before a folder is made if it is not installed
    refuse_dataset(output)
    manifest = source.manifest()
    present = [name for name in schema.SPLITS if manifest.select(subset, name)]
    chosen = present if split is None else [split]
    counts = {}
    for name in chosen:
        stream = PortraitStream(source, split=name, subset=subset, decode=False, check=True)
        counts[name] = min(len(stream), max_samples or len(stream))
        samples = _first(stream, counts[name], progress)
        if to == "folder":
            ids = [key for shard in manifest.select(subset, name) for key in shard.ids()]
            _refuse_strays(output / name, ids[: counts[name]], manifest.foreground_format)
            _to_folder(samples, output / name)
            continue
        output.mkdir(parents=True, exist_ok=True)
        if to == "parquet":
            _to_parquet(samples, output / f"{name}.parquet")
        else:
            _to_lance(samples, output / f"{name}.lance")
    if not counts:
        raise PortraitError(f"{source.name}: no samples in subset {subset!r}")
    return counts


def _first(
    stream: PortraitStream, count: int, progress: Callable[[int], None] | None
) -> Iterator[RawSample]:
    if not count:
        return
    for number, sample in enumerate(stream, 1):
        yield sample
        if progress:
            progress(1)
        if number == count:
            return


def _refuse_strays(folder: Path, ids: list[str], foreground_format: str) -> None:
    """Refuse a folder with pictures of another export, which loaders would include."""
    suffix = "png" if foreground_format == "png" else "jpg"
    for name, end in (("foreground", suffix), ("alpha", "png")):
        ours = {f"{key}.{end}" for key in ids}
        for path in sorted((folder / name).glob("[!.]*")):
            if path.name not in ours:
                raise PortraitError(
                    f"{path}: from another export; try: --output with an empty folder"
                )


def _to_folder(samples: Iterator[RawSample], folder: Path) -> None:
    listing = folder / "metadata.jsonl"
    with replacing(listing) as lines:
        for sample in samples:
            suffix = "png" if sample.format == "png" else "jpg"
            foreground = f"foreground/{sample.id}.{suffix}"
            alpha = f"alpha/{sample.id}.png"
            # Declared keys only: loaders open whatever a key like `file_name` points to.
            names = {"file_name": foreground, "alpha_file_name": alpha}
            row = {**names, **sample.declared_metadata()}
            _write(folder / foreground, sample.foreground)
            _write(folder / alpha, sample.alpha)
            lines.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


def _write(path: Path, data: bytes) -> None:
    if path.exists() and path.stat().st_size == len(data) and path.read_bytes() == data:
        return
    # A file left empty by a loss of power differs, so the next export writes it again.
    write_bytes(path, data, sync=False)


def _batches(samples: Iterator[RawSample]) -> Iterator[pyarrow.RecordBatch]:
    """Rows with the Arrow types of our columns, a few dozen at a time."""
    import pyarrow

    from ld_portrait_20k.dataset_builder import features, to_row

    arrow_schema = features().arrow_schema
    rows: list[dict[str, Any]] = []
    for sample in samples:
        rows.append(to_row(sample))
        if len(rows) == _ROWS_A_GROUP:
            yield pyarrow.RecordBatch.from_pylist(rows, arrow_schema)
            rows = []
    if rows:
        yield pyarrow.RecordBatch.from_pylist(rows, arrow_schema)


def _to_parquet(samples: Iterator[RawSample], path: Path) -> None:
    from pyarrow import parquet

    from ld_portrait_20k.dataset_builder import features

    # Pictures are compressed already; the schema's metadata makes `datasets` see images.
    with (
        replacing(path) as stream,
        parquet.ParquetWriter(
            stream, features().arrow_schema, compression="none", use_dictionary=False
        ) as writer,
    ):
        for batch in _batches(samples):
            writer.write_batch(batch)


def _lance() -> Any:
    try:
        import lance
    except ImportError as problem:
        raise PortraitError(
            "this needs Lance, which is not installed; try: pip install pylance"
        ) from problem
    return lance


def _to_lance(samples: Iterator[RawSample], path: Path) -> None:
    lance = _lance()
    import pyarrow

    from ld_portrait_20k.dataset_builder import features

    reader = pyarrow.RecordBatchReader.from_batches(features().arrow_schema, _batches(samples))
    # Lance itself would add a version to a dataset that is there, and leave the old one's files.
    with replacing_folder(path) as folder:
        lance.write_dataset(reader, str(folder), mode="overwrite")
