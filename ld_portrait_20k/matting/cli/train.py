"""``python -m ld_portrait_20k.matting train``."""

from __future__ import annotations

import argparse


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    raise NotImplementedError
