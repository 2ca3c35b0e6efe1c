"""What the page asks for, as plain values: between HTTP and the dataset."""

from __future__ import annotations

from typing import Any, Final

from ld_portrait_20k.format import schema
from ld_portrait_20k.selection.marks import Mark
from ld_portrait_20k.streaming.addresses import public_url
from ld_portrait_20k.streaming.sources import DatasetSource, ListedSource, LocalSource
from ld_portrait_20k.viewer.answers import Answers
from ld_portrait_20k.viewer.dataset import ViewedDataset
from ld_portrait_20k.viewer.marks import Marks
from ld_portrait_20k.viewer.pictures import Pictures
from ld_portrait_20k.viewer.queries import NUMBERS, Query, QueryError

MAX_PAGE: Final = 500
"""Samples that one request gives at most."""


class Viewer:
    """Answers the page.

    Args:
        dataset: What is viewed.
        marks: The reader's marks.
    """

    def __init__(self, dataset: ViewedDataset, marks: Marks) -> None:
        self.dataset = dataset
        self.marks = marks
        self.pictures = Pictures(dataset)
        self.answers = Answers(dataset, marks)

    def about(self, *, public: bool = False) -> dict[str, Any]:
        """The dataset as a whole, and how far its metadata has been read.

        Args:
            public: Leave out what tells of this machine: folders and marks.
        """
        manifest = self.dataset.manifest
        return {
            "name": self._name(public),
            "generator": manifest.generator if manifest else None,
            "plan_hash": manifest.plan_hash if manifest else None,
            "subset": self.dataset.subset,
            "subsets": list(self.dataset.parts),
            "samples": len(self.dataset.numbers),
            "rejected": len(self.dataset.rejected),
            "identity": self.dataset.identity[:12],
            "read": self.dataset.done,
            "ready": self.dataset.ready.is_set(),
            "unreadable": self.dataset.unreadable,
            "problem": str(self.dataset.problem) if self.dataset.problem else None,
            "marks": str(self.marks.path) if self.marks.path and not public else None,
            "orders": ["id", "split", "prompt", *sorted(NUMBERS - {"seed"})],
        }

    def page(self, query: Query, others: dict[str, str]) -> dict[str, Any]:
        """Some of the samples of a query."""
        start = _whole("start", others.get("start", "0"))
        count = min(_whole("count", others.get("count", "100")), MAX_PAGE)
        return self.answers.page(query, start, count)

    def place(self, query: Query, others: dict[str, str]) -> dict[str, Any]:
        """Where a sample stands in the order of a query; null where it does not match."""
        return {"place": self.answers.place(query, others.get("id", ""))}

    def _name(self, public: bool) -> str:
        source = self.dataset.source
        if isinstance(source, LocalSource):
            return source.root.name if public else source.name
        if isinstance(source, ListedSource) and public:
            return f"{len(source.paths)} shards"
        return self._repository() or source.name

    def sample(self, key: str, *, public: bool = False) -> dict[str, Any]:
        """All about one sample.

        Args:
            key: Its id, or that of a rejected attempt.
            public: Leave out folders of this machine.

        Raises:
            KeyError: There is none.
            PortraitError: It is damaged.
        """
        row = self.answers.row(key)
        brief = self.answers.brief(row)
        if "rejected" in brief:
            item = self.dataset.rejected[row - len(self.dataset.numbers)]
            subset = brief["subset"]
            return {
                **brief,
                "detail": item.detail,
                "metadata": item.metadata,
                "subsets": [subset] if subset else [],
                "picture": item.id,
            }
        sample = self.pictures.sample(self.dataset.subset, key)
        return {
            **brief,
            "metadata": sample.metadata,
            "subsets": self.dataset.subsets_of(key),
            "picture": key,
            "shard": self._shard(row, public),
            "offset": sample.offset,
            "code": self.load_code(row, key, public=public),
        }

    def _shard(self, row: int, public: bool) -> str:
        path = self.dataset.table.paths[self.dataset.table.shard[row]]
        if isinstance(self.dataset.source, ListedSource):
            return public_url(path).rpartition("/")[2] if public else public_url(path)
        return path

    def load_code(self, row: int, key: str, *, public: bool = False) -> str:
        """Python that loads exactly this sample."""
        source: DatasetSource = self.dataset.source
        split = schema.SPLITS[self.dataset.splits[row]]
        if isinstance(source, ListedSource):
            table = self.dataset.table
            shard = int(table.shard[row])
            place = int((table.shard[:row] == shard).sum())
            arguments = [repr(self._shard(row, public) if public else table.paths[shard])]
        else:
            place = self.dataset.place_in_split(row)
            name = str(source.root) if isinstance(source, LocalSource) else source.name
            name = self._repository() or (self._name(public) if public else name)
            arguments = [repr(name), f"split={split!r}"]
            if self.dataset.subset != "default":
                arguments.append(f"subset={self.dataset.subset!r}")
            if self._repository():
                arguments.append(f"revision={getattr(source, 'identity', None)!r}")
        return (
            "from ld_portrait_20k import PortraitStream\n\n"
            f"stream = PortraitStream({', '.join(arguments)})\n"
            f"sample = stream.sample({place})  # {key}\n"
            'foreground, alpha = sample["foreground"], sample["alpha"]\n'
        )

    def _repository(self) -> str | None:
        """``owner/name`` of a source on the Hub."""
        if not getattr(self.dataset.source, "identity", None):
            return None
        # HttpSource.name of hub_source: ENDPOINT/datasets/OWNER/NAME/resolve/COMMIT
        path = self.dataset.source.name.partition("/datasets/")[2]
        return path.partition("/resolve/")[0] or None

    def mark(self, body: Any) -> dict[str, Any]:
        """Change the mark of a sample.

        Raises:
            QueryError: The body says something else.
            PortraitError: It cannot be saved.
        """
        try:
            key, mark = body["id"], Mark.from_dict(body)
        except (KeyError, TypeError, AttributeError, ValueError) as problem:
            raise QueryError(f"no mark: {problem}") from None
        if not isinstance(key, str) or self.dataset.row(key) is None:
            raise QueryError("a mark of no sample of this dataset")
        self.marks.set(key, mark)
        return {"id": key, "mark": mark.to_dict() if mark else None}


def _whole(name: str, text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise QueryError(f"{name} is a whole number")
    return int(text)
