"""What pyproject.toml cannot say: the README's links for a package index.

An index shows the README without the files beside it. Where ``LD_PORTRAIT_REPOSITORY`` names
the public repository (``https://github.com/OWNER/NAME``), links to files become addresses
there, so that the pictures show. ``make dist REPOSITORY=URL`` sets it.
"""

import os
import re
from pathlib import Path

from setuptools import setup

PICTURES = (".webp", ".png", ".svg")


def readme(repository: str) -> str:
    """The README, its relative links pointing into ``repository`` unless that is empty."""
    text = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    if not repository:
        return text

    def absolute(link: re.Match[str]) -> str:
        path = link[1]
        kind = "raw" if path.endswith(PICTURES) else "blob"
        return f"]({repository.rstrip('/')}/{kind}/HEAD/{path})"

    return re.sub(r"\]\((?!\w+:|#)([^)\s]+)\)", absolute, text)


setup(
    long_description=readme(os.environ.get("LD_PORTRAIT_REPOSITORY", "")),
    long_description_content_type="text/markdown",
)
