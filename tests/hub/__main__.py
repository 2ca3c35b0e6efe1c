"""``python -m tests.hub``: a Hub on this machine, until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import threading
from pathlib import Path

from .server import HubServer


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.hub",
        description="A small Hugging Face Hub on loopback: publish to it without an account.",
    )
    parser.add_argument("--port", type=int, default=8765, help="port (default: 8765; 0: any)")
    parser.add_argument("--token", default=None, help="the token to accept (default: made up)")
    parser.add_argument("--user", default="tester", help="the user's name (default: tester)")
    parser.add_argument(
        "--folder", type=Path, default=None, help="keep everything here (default: temporary)"
    )
    parser.add_argument(
        "--failures",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="let this share of the requests fail: 503, cut connections, lost answers",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the failures")
    given = parser.parse_args()
    hub = HubServer(given.folder, port=given.port, token=given.token, user=given.user)
    if given.failures:
        share = given.failures / 3
        hub.add_fault(probability=share, seed=given.seed, status=503)
        hub.add_fault(probability=share, seed=given.seed + 1, drop_answer=True)
        hub.add_fault(probability=share, seed=given.seed + 2, cut_request=1000)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with hub:
        print(
            f"A Hub listens at {hub.url}, its data in {hub.folder}. In another terminal:\n\n"
            f"  export HF_ENDPOINT={hub.url} HF_TOKEN={hub.token} HF_HUB_DISABLE_XET=1\n"
            f"  python -m builder publish ld-portrait-20k --repo-id {hub.user}/ld-portrait-20k\n\n"
            "Ctrl-C stops it.",
            flush=True,
        )
        stopped.wait()
    for name, row in sorted(hub.traffic().items()):
        print(f"{name:16} {row.requests:6} requests {row.bytes_in:12} in {row.bytes_out:12} out")


if __name__ == "__main__":
    main()
