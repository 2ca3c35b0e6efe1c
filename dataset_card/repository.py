"""A card and the repository that it is published to."""

from __future__ import annotations

import re
from typing import Final

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import schema

HUB: Final = "https://huggingface.co/datasets"
_NAME: Final = r"[\w.-]+(?:/[\w.-]+)?"
_REGION: Final = re.compile(
    rf"<!-- published(?: ({_NAME}))? -->\n.*?<!-- /published -->", re.ASCII | re.DOTALL
)
_HOW: Final = re.compile(r"^  howpublished = \{Dataset .*\},$", re.MULTILINE)
NOT_PUBLISHED: Final = "<!-- published -->\n<!-- /published -->"
"""Where a card says in which repository it is, before it is published."""


def check_name(repo_id: str) -> None:
    """Check the name of a repository, or of a local folder that has the usual name.

    Raises:
        PortraitError: It is none.
    """
    if not re.fullmatch(_NAME, repo_id, re.ASCII):
        raise PortraitError(f"dataset card: {repo_id!r} is not a repository's name")


def name_repository(card: str, repo_id: str) -> str:
    """A card whose loading code, links and citation name the repository it is published to.

    Only what the card's template wrote is changed: what people added to it stays.

    Args:
        card: The text of ``README.md``, of a folder or of another repository.
        repo_id: ``OWNER/NAME``.

    Raises:
        PortraitError: ``repo_id`` is not a repository's name.
    """
    check_name(repo_id)
    region = _REGION.search(card)
    known = {schema.NAME, region.group(1) if region and region.group(1) else schema.NAME}
    for name in sorted(known):
        card = card.replace(f'load_dataset("{name}"', f'load_dataset("{repo_id}"')
    if "/" not in repo_id:
        return card
    url = f"{HUB}/{repo_id}"
    told = (
        f"<!-- published {repo_id} -->\n\nPublished as [{repo_id}]({url}). Questions and "
        f"problems: [its discussions]({url}/discussions).\n\n<!-- /published -->"
    )
    card = _REGION.sub(lambda _: told, card, count=1)
    how = f"  howpublished = {{Dataset {repo_id}, \\url{{{url}}}}},"
    return _HOW.sub(lambda _: how, card, count=1)
