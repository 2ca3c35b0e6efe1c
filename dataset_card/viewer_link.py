"""The link from a card's gallery to a static copy of the viewer.

``ld-portrait view DATASET --export FOLDER`` writes such a copy. Where it is known only after it was
put on a web server, so the link is added to a card that is there already, and found in it again
when the card is written anew.
"""

from __future__ import annotations

import html
import re
from typing import Final

from ld_portrait_20k.errors import PortraitError

MAX_URL: Final = 300
"""Characters; longer addresses are refused."""
_URL: Final = re.compile(
    r"https://(?!-)[a-z0-9.-]{1,200}(?::[0-9]{1,5})?(?:/[\w.~!$&*+,;=:@%/-]*)?(?:\?[\w.~!$&*+,;=:@%/?-]*)?",
    re.ASCII | re.IGNORECASE,
)
_THUMBNAIL: Final = re.compile(
    r'^(?:<a href="[^"\n]*">)?'
    r'(<img src="[^"\n]*" width="49%" alt="(ldp-[0-9]{7,9}) on light, [^"\n]*">)'
    r"(?:</a>)?$",
    re.MULTILINE,
)
_REGION: Final = re.compile(
    r"<!-- viewer -->\n"
    r"(?:\n\[Look through the samples\]\((https://[^)\s]*)\) in a browser: [^\n]*\n\n)?"
    r"<!-- /viewer -->"
)
NO_VIEWER: Final = "<!-- viewer -->\n<!-- /viewer -->"
"""Where a card tells of the viewer, before it has a link."""


def check_viewer(url: str) -> str:
    """An address that a card may link to: its thumbnails add ``#sample=ID``.

    Raises:
        PortraitError: It is no plain address with ``https`` and without a fragment.
    """
    if len(url) > MAX_URL or not _URL.fullmatch(url):
        raise PortraitError(
            f"{url!r} is not an address that a card can link to; try: the address of the page, "
            "with https:// and without #, such as https://owner-name.static.hf.space/index.html"
        )
    return url


def link_viewer(card: str, url: str | None) -> str:
    """A card whose gallery links to the viewer, each thumbnail to its sample.

    Only what the card's template wrote is changed: what people added to it stays.

    Args:
        card: The text of ``README.md``, with another link or none.
        url: Address of the viewer's page; None takes the link away.

    Raises:
        PortraitError: See :func:`check_viewer`.
    """
    if url is None:
        return _REGION.sub(NO_VIEWER, _THUMBNAIL.sub(r"\1", card), count=1)
    address = html.escape(check_viewer(url))

    def linked(found: re.Match[str]) -> str:
        return f'<a href="{address}#sample={found[2]}">{found[1]}</a>'

    told = (
        f"<!-- viewer -->\n\n[Look through the samples]({url}) in a browser: other backgrounds, "
        "mattes before and after refinement, filters.\n\n<!-- /viewer -->"
    )
    return _REGION.sub(lambda _: told, _THUMBNAIL.sub(linked, card), count=1)


def viewer_of(card: str) -> str | None:
    """The address of the viewer that a card links to; None without one."""
    found = _REGION.search(card)
    url = found[1] if found else None
    return url if url and len(url) <= MAX_URL and _URL.fullmatch(url) else None
