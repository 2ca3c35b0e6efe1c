"""The folder layouts in which matting data is published, and how one is recognised.

Each layout is a small declaration: which folders hold pictures, foregrounds, mattes and
trimaps, for each part of the data. Folder names are compared without regard to case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROLES: Final = ("image", "foreground", "alpha", "trimap")
PARTS: Final = ("train", "validation", "test")

Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Folders that go together.

    Attributes:
        folder: The folder that holds them, relative to the data's root.
        alpha: Names that the folder of mattes may have, the likeliest first.
        image: The same for finished pictures; none if there are none.
        foreground: The same for foregrounds to composite.
        trimap: The same for trimaps; data without them are found too.
    """

    folder: str
    alpha: Names
    image: Names = ()
    foreground: Names = ()
    trimap: Names = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """A way of laying out data.

    Attributes:
        name: As in papers, or what it consists of.
        shape: What it looks like, for messages.
        parts: Part to its groups; ``""`` where the data has no parts. Of several groups
            those that are there count.
        together: Whether a part's groups are joined; else the first that is there counts.
    """

    name: str
    shape: str
    parts: Mapping[str, tuple[Group, ...]]
    together: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A layout that was recognised.

    Attributes:
        layout: Which.
        part: Which part of it; ``""`` where it has none.
        groups: For each group the folder of each role; only roles that are there.
    """

    layout: Layout
    part: str
    groups: tuple[Mapping[str, Path], ...] = field(default=())


_MATTES: Final = ("alpha", "alphas", "matte", "mattes", "pha", "gt", "mask", "masks")
_IMAGES: Final = ("image", "images", "img", "imgs", "im", "input", "inputs", "merged")
_FOREGROUNDS: Final = ("foreground", "foregrounds", "fg", "fgr")
_TRIMAPS: Final = ("trimap", "trimaps")
_PREFIXES: Final = {
    "": ("",),
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "testing"),
}


def _in_parts(alpha: Names, **others: Names) -> dict[str, tuple[Group, ...]]:
    """The same folders at the root and below folders named after the parts."""
    return {
        part: tuple(Group(prefix, alpha, **others) for prefix in prefixes)
        for part, prefixes in _PREFIXES.items()
    }


_P3M_BLURRED: Final = {"alpha": ("mask",), "image": ("blurred_image", "original_image"),
                       "trimap": _TRIMAPS}  # fmt: skip
_P3M_ORIGINAL: Final = {**_P3M_BLURRED, "image": ("original_image", "blurred_image")}
_ADOBE: Final = ("Adobe-licensed images", "Adobe_licensed_images", "Other")

LAYOUTS: Final = (
    Layout(
        "P3M-10k", "train/{blurred_image,mask}, validation/P3M-500-*/{...,mask,trimap}",
        {
            "": (Group("", **_P3M_BLURRED),),
            "train": (Group("train", **_P3M_BLURRED),),
            "validation": (
                Group("validation/P3M-500-P", **_P3M_BLURRED),
                Group("validation/P3M-500-NP", **_P3M_ORIGINAL),
            ),
        },
        together=True,
    ),
    Layout(
        "AM-2k", "train/{original,mask}, validation/{original,mask,trimap}",
        {
            part: (Group(part, ("mask",), image=("original",), trimap=_TRIMAPS),)
            for part in ("train", "validation")
        },
    ),
    Layout(
        "AIM-500", "{original,mask,trimap}",
        {"": (Group("", ("mask",), image=("original",), trimap=_TRIMAPS),)},
    ),
    Layout("PPM-100", "{image,matte}", _in_parts(("matte",), image=("image",))),
    Layout(
        "Composition-1k",
        "Training_set/{Adobe-licensed images,Other}/{fg,alpha}, Test_set/.../{fg,alpha,trimaps}",
        {
            "train": tuple(
                Group(f"{root}Training_set/{name}", ("alpha",), foreground=("fg",))
                for root in ("", "Combined_Dataset/") for name in _ADOBE
            ),
            "test": (
                *(
                    Group(f"{root}Test_set", ("alpha_copy", "alpha"), image=("merged",),
                          trimap=_TRIMAPS)
                    for root in ("", "Combined_Dataset/")
                ),
                *(
                    Group(f"{root}Test_set/{name}", ("alpha",), foreground=("fg",),
                          trimap=_TRIMAPS)
                    for root in ("", "Combined_Dataset/") for name in _ADOBE
                ),
            ),
        },
        together=True,
    ),
    Layout(
        "Distinctions-646", "Train/{FG,GT}, Test/{FG,GT}",
        _in_parts(("GT",), foreground=("FG",), trimap=_TRIMAPS),
    ),
    Layout(
        "VideoMatte240K", "train/{fgr,pha}/CLIP/FRAME.jpg, test/...",
        _in_parts(("pha",), foreground=("fgr",)),
    ),
    Layout(
        "image and alpha", "{image,alpha} or {image,alpha,trimap}",
        _in_parts(_MATTES, image=_IMAGES, trimap=_TRIMAPS),
    ),
    Layout(
        "foreground and alpha", "{foreground,alpha}",
        _in_parts(_MATTES, foreground=_FOREGROUNDS, trimap=_TRIMAPS),
    ),
)  # fmt: skip
"""Every layout of folders, the more particular ones first."""


def recognise(root: Path, part: str = "") -> Found | None:
    """Find the layout of a folder.

    Args:
        root: The data's root, or the folder of one part.
        part: Which part; by default the data as a whole, else its training part, else
            whichever there is.

    Returns:
        The first layout that fits; None if none does.
    """
    for layout in LAYOUTS:
        for name in (part,) if part else ("", *PARTS):
            groups = _groups(root, layout, name)
            if groups:
                return Found(layout, name, groups)
    return None


def _groups(root: Path, layout: Layout, part: str) -> tuple[Mapping[str, Path], ...]:
    found: list[Mapping[str, Path]] = []
    for group in layout.parts.get(part, ()):
        folders = _folders(root, group)
        # A finished picture tells more than its foreground: with both, the picture counts.
        if folders is None or ("image" not in folders and any("image" in g for g in found)):
            continue
        found.append(folders)
        if not layout.together:
            break
    return tuple(found)


def _folders(root: Path, group: Group) -> Mapping[str, Path] | None:
    base = _below(root, group.folder)
    if base is None:
        return None
    folders: dict[str, Path] = {}
    for role in ROLES:
        for name in getattr(group, role):
            there = _below(base, name)
            if there is not None:
                folders[role] = there
                break
    wanted = [role for role in ("image", "foreground", "alpha") if getattr(group, role)]
    return folders if all(role in folders for role in wanted) else None


def _below(folder: Path, path: str) -> Path | None:
    """A sub-folder, whatever the case of its name."""
    for name in path.split("/") if path else ():
        exact = folder / name
        if not exact.is_dir():
            matches = sorted(p for p in folder.iterdir() if p.name.lower() == name.lower())
            if not matches or not matches[0].is_dir():
                return None
            exact = matches[0]
        folder = exact
    return folder
