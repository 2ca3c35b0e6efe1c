"""The ``datasets`` builder behind :func:`ld_portrait_20k.load_dataset`.

It is imported only when a dataset is loaded, because ``datasets`` is slow to import.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
from datasets.builder import Key

from ld_portrait_20k.format import schema
from ld_portrait_20k.format.manifest import ShardRecord
from ld_portrait_20k.format.shard_reader import ShardReader
from ld_portrait_20k.format.shards import RawSample
from ld_portrait_20k.streaming.sources import DatasetSource

_OWN_COLUMNS = ("prompt", "attributes")


def features() -> datasets.Features:
    """The columns: foreground and alpha images, prompt, attributes, metadata (the rest)."""
    declared = schema.METADATA
    rest = {key: kind for key, kind in declared.items() if key not in _OWN_COLUMNS}
    return datasets.Features(
        {
            "foreground": datasets.Image(mode="RGB"),
            "alpha": datasets.Image(mode="L"),
            "prompt": datasets.Value(declared["prompt"]),
            "attributes": _feature(declared["attributes"]),
            "metadata": _feature(rest),
        }
    )


def _feature(kind: Any) -> Any:
    if isinstance(kind, dict):
        return {key: _feature(value) for key, value in kind.items()}
    if isinstance(kind, list):
        return datasets.List(_feature(kind[0]))
    return datasets.Value(kind)


def to_row(sample: RawSample) -> dict[str, Any]:
    """A sample as a row of the columns of :func:`features`, pictures still encoded.

    Raises:
        ShardError: Its metadata does not follow the schema or is another sample's.
    """
    metadata = sample.declared_metadata()
    suffix = schema.FOREGROUND_MEMBERS[sample.format]
    return {
        "foreground": {"bytes": sample.foreground, "path": f"{sample.id}.{suffix}"},
        "alpha": {"bytes": sample.alpha, "path": f"{sample.id}.{schema.ALPHA_MEMBER}"},
        "prompt": metadata.pop("prompt"),
        "attributes": metadata.pop("attributes"),
        "metadata": metadata,
    }


def _read_shard(
    source: DatasetSource, shard: ShardRecord, foreground_format: str
) -> Iterator[RawSample]:
    """The samples of a shard in order, each checked against the index and its checksum.

    Raises:
        ShardError: The shard is not what the manifest says.
    """
    with source.open(shard.path) as stream:
        yield from ShardReader(
            stream, shard, foreground_format, source.locate(shard.path)
        ).samples()


@dataclass
class PortraitConfig(datasets.BuilderConfig):
    """What :class:`PortraitBuilder` reads.

    Attributes:
        source: Where the dataset is.
        shards: Every shard of the subset.
        foreground_format: The manifest's.
        downloads: Folder to put remote shards in before a map-style dataset is made.
    """

    source: Any = None
    shards: tuple[ShardRecord, ...] = ()
    foreground_format: str = "png"
    downloads: str | None = None


class PortraitBuilder(datasets.GeneratorBasedBuilder):
    """Reads shards strictly, for streaming and for map-style datasets."""

    BUILDER_CONFIG_CLASS = PortraitConfig
    VERSION = datasets.Version(f"{schema.SCHEMA_VERSION}.0.0")
    # A row has one or two megabytes: the default of 1000 rows would take gigabytes.
    DEFAULT_WRITER_BATCH_SIZE = 50

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(
            description="Synthetic portrait foregrounds with alpha mattes.", features=features()
        )

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        config: PortraitConfig = self.config
        source: DatasetSource = config.source
        if source.remote and not dl_manager.is_streaming:
            source = self._download(source)
        by_split: dict[str, list[ShardRecord]] = {name: [] for name in schema.SPLITS}
        for shard in config.shards:
            by_split[shard.split].append(shard)
        return [
            datasets.SplitGenerator(name=split, gen_kwargs={"shards": shards, "source": source})
            for split, shards in by_split.items()
            if shards
        ]

    def _generate_examples(
        self, shards: list[ShardRecord], source: DatasetSource
    ) -> Iterator[tuple[Key, dict[str, Any]]]:
        for number, shard in enumerate(shards):
            for place, sample in enumerate(
                _read_shard(source, shard, self.config.foreground_format)
            ):
                yield Key(number, place), to_row(sample)

    def _download(self, source: DatasetSource) -> DatasetSource:
        from ld_portrait_20k.download import download_shards

        return download_shards(source, self.config.shards, Path(str(self.config.downloads)))
