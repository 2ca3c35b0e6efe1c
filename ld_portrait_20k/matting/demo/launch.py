"""Serving the page."""

from __future__ import annotations

import ipaddress
import os
import socket
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.demo import page as pages
from ld_portrait_20k.matting.demo.choices import open_model, usable_models
from ld_portrait_20k.matting.demo.parts import Settings

LARGEST_UPLOAD: Final = "4gb"
"""Of a file; minutes of 4K footage. Pictures have a limit of pixels beside it."""

_FIRST_PORT: Final = 7860  # Gradio's own
_PORTS: Final = 100
_PATIENCE: Final = 1  # seconds at the end for pages that are open in a browser


def serve(
    host: str,
    port: int | None = None,
    *,
    models: Sequence[str] = (),
    ready: Callable[[str], object] = print,
) -> None:
    """Serve the page until Ctrl-C.

    All that visitors upload and make lies in one temporary folder, which is removed at the end.

    Args:
        host: Address to listen on.
        port: Port; 0 for any that is free, None for the first free one from 7860 on.
        models: Folders and names that are offered first.
        ready: Called with the page's address once it can be opened.

    Raises:
        PortraitError: Gradio is missing, the port is taken, the address is not this machine's,
            or a model cannot be opened.
        KeyboardInterrupt: It was interrupted, and has ended.
    """
    with tempfile.TemporaryDirectory(prefix="ld-portrait-demo-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = str(Path(folder) / "uploads")
        gradio = pages.import_gradio()
        for model in models:
            open_model(model)
        results = Path(folder) / "results"
        results.mkdir()
        offered = usable_models(models)
        page = pages.build(gradio, Settings(results, offered, any_folder=is_loopback(host)))
        with _listening(host, port) as listener:
            server = _server(gradio, page, listener)
            # Visitors who come before the server has started wait a moment.
            ready(_address(host, listener))
            server.run(sockets=[listener])


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _server(gradio: Any, page: Any, listener: socket.socket) -> Any:
    """Gradio's page in a server of our own.

    ``page.launch`` would ask the page for itself within three seconds, and call a busy machine
    unreachable.
    """
    import uvicorn
    from fastapi import FastAPI

    host, port = listener.getsockname()[:2]
    app = gradio.mount_gradio_app(
        FastAPI(docs_url=None, redoc_url=None, openapi_url=None), page, path="/",
        server_name=host, server_port=port, footer_links=[], run_history=False, show_error=False,
        ssr_mode=False, pwa=False, mcp_server=False, enable_monitoring=False,
        max_file_size=LARGEST_UPLOAD, theme=pages.theme(gradio), css_paths=[pages.STYLE],
    )  # fmt: skip
    return uvicorn.Server(
        uvicorn.Config(
            app, log_level="critical", access_log=False, timeout_graceful_shutdown=_PATIENCE
        )
    )


def _listening(host: str, port: int | None) -> socket.socket:
    """A socket that listens.

    Raises:
        PortraitError: The port that was asked for is taken, or the address is not ours.
    """
    wanted = range(_FIRST_PORT, _FIRST_PORT + _PORTS) if port is None else (port,)
    reason = ""
    for candidate in wanted:
        try:
            family, *_, address = socket.getaddrinfo(host, candidate, type=socket.SOCK_STREAM)[0]
            return socket.create_server(address[:2], family=family, backlog=128)
        except OSError as problem:
            reason = problem.strerror or str(problem)
    tried = f"{wanted[0]}" if len(wanted) == 1 else f"{wanted[0]} to {wanted[-1]}"
    raise PortraitError(
        f"cannot listen on {host}, port {tried}: {reason}; try: another --port, or --host 127.0.0.1"
    )


def _address(host: str, listener: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}/"
