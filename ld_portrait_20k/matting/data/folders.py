"""Sources of folders: other people's layouts, and RGBA pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.data.layouts import LAYOUTS, Found, recognise
from ld_portrait_20k.matting.data.pictures import (
    check_sizes,
    list_pictures,
    read_colour,
    read_colour_and_alpha,
    read_matte,
    read_trimap,
    to_8_bit,
)
from ld_portrait_20k.matting.data.sample import MattingSample

_NUMBERED = re.compile(r"(.+)_\d+\Z")
_NAMED: Final = 3  # so many missing files are named, the rest counted


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one sample.

    Attributes:
        sample_id: Their common name.
        alpha: The matte; an RGBA picture where it is the foreground too.
        foreground: To composite; None if there is none.
        image: The finished picture; None if there is none.
        trimap: None if there is none.
    """

    sample_id: str
    alpha: Path
    foreground: Path | None = None
    image: Path | None = None
    trimap: Path | None = None


class FolderSource:
    """Samples in files; a :class:`~.sample.MattingSource`.

    Args:
        name: For logs and model cards.
        layout: What the layout is called.
        files: The samples, in order.
    """

    def __init__(self, name: str, layout: str, files: tuple[Files, ...]) -> None:
        self.name = name
        self.layout = layout
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    @property
    def ids(self) -> list[str]:
        """The samples' ids in order; no file is opened."""
        return [files.sample_id for files in self.files]

    def __getitem__(self, index: int) -> MattingSample:
        """The sample of a number; see :class:`~.sample.MattingSource`."""
        files = self.files[index]
        if files.foreground == files.alpha:
            return _from_rgba(files)
        alpha = to_8_bit(read_matte(files.alpha))
        parts = {
            "foreground": read_colour(files.foreground) if files.foreground else None,
            "image": read_colour(files.image) if files.image else None,
            "trimap": read_trimap(files.trimap) if files.trimap else None,
        }
        for role, picture in parts.items():
            if picture is not None:
                path = getattr(files, role)
                check_sizes(path, files.alpha, (picture.shape, alpha.shape))
        return MattingSample(files.sample_id, alpha, **parts)


def open_folder(name: str, root: Path, part: str = "") -> FolderSource:
    """Open a folder in a known layout.

    Args:
        name: The source's.
        root: The folder.
        part: ``train``, ``validation`` or ``test``; see :func:`~.layouts.recognise`.

    Raises:
        PortraitError: No known layout, files missing, or nothing in it; one line that says
            what was found and what is known.
    """
    found = recognise(root, part)
    if found is not None:
        files = _collect(found)
        if not files:
            raise PortraitError(
                f"{root}: the folders of {found.layout.name} ({found.layout.shape}) but no pictures"
            )
        return FolderSource(name, found.layout.name, files)
    rgba = _rgba_files(root)
    if rgba:
        return FolderSource(name, "RGBA pictures", rgba)
    raise PortraitError(_unknown(root, part))


def _collect(found: Found) -> tuple[Files, ...]:
    files: list[Files] = []
    for group in found.groups:
        # Samples of several groups keep their group's folder in their id.
        prefix = f"{group['alpha'].parent.name}/" if len(found.groups) > 1 else ""
        files.extend(_join(group, prefix))
    return tuple(files)


def _join(folders: Mapping[str, Path], prefix: str) -> list[Files]:
    listed = {role: list_pictures(folder) for role, folder in folders.items()}
    leading = "image" if "image" in listed else "foreground"
    joined: list[Files] = []
    missing: dict[str, list[str]] = {}
    for name, path in listed[leading].items():
        files: dict[str, Path] = {leading: path}
        for role in listed:
            if role == leading:
                continue
            partner = _partner(listed[role], name, role)
            if partner is None:
                missing.setdefault(role, []).append(name)
            else:
                files[role] = partner
        if "alpha" in files:
            joined.append(Files(prefix + name, **files))
    for role, names in missing.items():
        rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        raise PortraitError(
            f"{folders[role]}: no {role} for {', '.join(names[:_NAMED])}{rest}, which "
            f"{folders[leading]} has; try: complete the folder, or take those pictures out"
        )
    return joined


def _partner(listed: Mapping[str, Path], name: str, role: str) -> Path | None:
    """The file of another role: of the same name, or as Composition-1k numbers them."""
    if name in listed:
        return listed[name]
    numbered = _NUMBERED.match(name)
    if numbered and numbered[1] in listed:  # merged/NAME_7 and alpha/NAME
        return listed[numbered[1]]
    return listed.get(f"{name}_0") if role == "trimap" else None  # fg/NAME and trimaps/NAME_0


def _rgba_files(root: Path) -> tuple[Files, ...]:
    """Pictures with an alpha channel; none if the first one has none."""
    listed = list_pictures(root)
    if not listed or read_colour_and_alpha(next(iter(listed.values())))[1] is None:
        return ()
    return tuple(Files(name, path, foreground=path) for name, path in listed.items())


def _from_rgba(files: Files) -> MattingSample:
    colour, alpha = read_colour_and_alpha(files.alpha)
    if alpha is None:
        raise PortraitError(f"{files.alpha}: no alpha channel, unlike the pictures beside it")
    return MattingSample(files.sample_id, alpha, foreground=colour)


def _unknown(root: Path, part: str) -> str:
    inside = sorted(root.iterdir())
    folders = [p.name + "/" for p in inside if p.is_dir() and not p.name.startswith(".")]
    suffixes = sorted({p.suffix or p.name for p in inside if p.is_file()})
    found = ", ".join([*folders[:6], *(f"*{suffix}" for suffix in suffixes[:4])]) or "nothing"
    known = "; ".join(f"{layout.name} {layout.shape}" for layout in LAYOUTS)
    wanted = f"the part {part} of " if part else ""
    return (
        f"{root}: holds {found}, which is not {wanted}a known layout; known: a dataset folder of "
        f"ours (manifest.json); {known}; a folder of RGBA pictures"
    )
