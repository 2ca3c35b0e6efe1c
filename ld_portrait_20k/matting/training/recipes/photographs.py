"""Photographs of Debian's wallpaper packages as training backgrounds.

    python -m ld_portrait_20k.matting.training.recipes.photographs ROOT OUTPUT

ROOT holds one folder a package, unpacked by ``dpkg -x``; OUTPUT gets one JPEG a picture.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from ld_portrait_20k.common.printable import say
from ld_portrait_20k.errors import PortraitError

PICTURES: Final[dict[str, tuple[str, ...]]] = {
    "gnome-backgrounds": (
        "backgrounds/gnome/licorice-l.webp", "backgrounds/gnome/wood-l.webp",
    ),
    "lomiri-wallpapers-16.04": ("backgrounds/*_by_*.jpg",),
    "lomiri-wallpapers-20.04": ("backgrounds/*_by_*.jpg",),
    "mate-backgrounds": (
        "backgrounds/mate/nature/*.jpg", "backgrounds/mate/abstract/Elephants_3840x2160.jpg",
    ),
    "plasma-workspace-wallpapers": (
        "wallpapers/*/contents/images/2560x1600.jpg",
        "wallpapers/Canopee/contents/images/3840x2160.png",
        "wallpapers/Patak/contents/images/5120x2880.png",
        "wallpapers/Volna/contents/images/5120x2880.jpg",
    ),
}  # fmt: skip
"""Patterns below ``usr/share`` by Debian package: photographs, paintings, a few renderings."""

_SIDE: Final = 1536  # longest side: 49 pictures then fit the cache of decoded backgrounds


def collect(root: Path, output: Path) -> int:
    """Shrink the pictures of unpacked packages into one folder.

    Args:
        root: Holds ``PACKAGE/usr/share/...`` for each key of :data:`PICTURES`.
        output: Made if need be; each picture becomes a JPEG of quality 95 and at most 1,536
            pixels a side.

    Returns:
        How many pictures there are.

    Raises:
        PortraitError: A package or picture is missing or cannot be decoded.
    """
    count = 0
    for package, patterns in PICTURES.items():
        for pattern in patterns:
            found = sorted((root / package / "usr" / "share").glob(pattern))
            if not found:
                raise PortraitError(
                    f"{root / package}: no {pattern} there; "
                    f"try: apt-get download {package} && dpkg -x {package}_*.deb {root / package}"
                )
            for path in found:
                name = "_".join((package, *path.relative_to(root / package / "usr/share").parts))
                _shrink(path, output / f"{Path(name).stem}.jpg")
                count += 1
    return count


def _shrink(path: Path, target: Path) -> None:
    picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise PortraitError(f"{path}: cannot be decoded")
    scale = _SIDE / max(picture.shape[:2])
    if scale < 1:
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(target), picture, [cv2.IMWRITE_JPEG_QUALITY, 95]):
        raise PortraitError(f"{target}: cannot be written")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("root", type=Path, help="folder of unpacked packages")
    parser.add_argument("output", type=Path, help="folder for the JPEGs")
    options = parser.parse_args()
    try:
        count = collect(options.root, options.output)
    except PortraitError as problem:
        say(f"error: {problem}", error=True)
        return 1
    say(f"{count} pictures: {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
