"""``python -m ld_portrait_20k.matting demo``."""

from __future__ import annotations

import argparse
import contextlib
import sys
import webbrowser

_DESCRIPTION = """\
A local page that cuts people out of pictures and clips. A trimap is painted by hand, read from
a mask or trimap, or made by a segmenter; the result is shown over a colour, a checker board or
a picture, and downloaded as alpha, cut-out and composite.

The page listens on this machine alone, asks no other host for anything, and reports nothing to
anybody. What is uploaded lies in a temporary folder that is removed at the end (Ctrl-C).
"""

_EPILOG = """\
The address is the first line on standard output.

examples:
  python -m ld_portrait_20k.matting demo
  python -m ld_portrait_20k.matting demo --model my-model --port 8000 --no-browser
  python -m ld_portrait_20k.matting demo --host 0.0.0.0     for all who reach this machine
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    add = parser.add_argument
    add(
        "--host", default="127.0.0.1", metavar="ADDRESS",
        help="address to listen on (default: 127.0.0.1, this machine alone)",
    )  # fmt: skip
    add(
        "--port", type=_port, metavar="N",
        help="port, 0 for any (default: the first free one from 7860 on)",
    )  # fmt: skip
    add(
        "--model", action="append", default=[], metavar="NAME|DIR",
        help="offer this model first: a name, or a folder that `train` wrote; repeatable",
    )  # fmt: skip
    add("--no-browser", action="store_true", help="open no browser")


def run(options: argparse.Namespace) -> int:
    """Run the command until Ctrl-C, which is its proper end."""
    from ld_portrait_20k.common import exit_codes
    from ld_portrait_20k.common.printable import say
    from ld_portrait_20k.matting.demo.launch import is_loopback, serve

    def ready(address: str) -> None:
        say(address)
        sys.stdout.flush()
        if not is_loopback(options.host):
            say("anybody who reaches this address can use the page", error=True)
        say("Ctrl-C ends it", error=True)
        if not options.no_browser:
            with contextlib.suppress(webbrowser.Error):  # the address is printed
                webbrowser.open(address)

    try:
        serve(options.host, options.port, models=options.model, ready=ready)
    except KeyboardInterrupt:
        say("ended; nothing that was uploaded is kept", error=True)
    return exit_codes.DONE


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, 0 to 65535")
    return int(text)
