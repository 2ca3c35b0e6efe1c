"""A dataset that is served to tests, in this process."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ld_portrait_20k.streaming.resolve import open_source
from ld_portrait_20k.viewer.dataset import ViewedDataset
from ld_portrait_20k.viewer.marks import Marks
from ld_portrait_20k.viewer.server import Server
from ld_portrait_20k.viewer.viewer import Viewer


class Site:
    """The server, and requests to it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.dataset = server.viewer.dataset
        self.address = server.address

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers in lower case, and content."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=60)
        sent = {"Content-Type": "application/json"} if body is not None else {}
        try:
            connection.request(
                method, path, None if body is None else json.dumps(body),
                {**sent, **(headers or {})},
            )  # fmt: skip
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, found, answer.read()
        finally:
            connection.close()

    def json(self, path: str, **options: Any) -> Any:
        """The JSON of an answer that must be 200."""
        status, _, content = self.ask(path, **options)
        assert status == 200, content
        return json.loads(content)

    def ids(self, query: str) -> list[str]:
        """The ids that match a query, in order."""
        return [sample["id"] for sample in self.json(f"/api/samples?count=500&{query}")["samples"]]


@contextmanager
def site(source: Any, marks: Path | None = None, subset: str = "default") -> Iterator[Site]:
    """Serve a dataset whose metadata has been read."""
    dataset = ViewedDataset(open_source(source), subset)
    dataset.read()
    with Server(Viewer(dataset, Marks(marks))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield Site(server)
        finally:
            server.shutdown()
            thread.join()
