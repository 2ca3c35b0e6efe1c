"""The local side of a publication: what of a dataset folder goes to the Hub."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from builder.hub.commits import Addition
from builder.hub.errors import LocalError
from builder.hub.target import CARD_NAME, MARK, shard_folders
from dataset_card import check_viewer, link_viewer, name_repository
from ld_portrait_20k.common.files import write_bytes
from ld_portrait_20k.format.manifest import FILE_NAME, Manifest, file_sha256
from ld_portrait_20k.selection.marks import FILE_NAME as MARKS_NAME

MAX_EXTRA_BYTES = 256 * 2**20
"""Most bytes of files besides the shards; more is taken for a mistake."""

_UNFINISHED = (".part", ".tmp", ".lock", ".swp", "~")


@dataclass(frozen=True, slots=True)
class Extra:
    """A file besides the shards: card, manifest, licence, pictures, statistics."""

    path: str
    local: Path
    size: int
    sha256: str


@dataclass(frozen=True)
class DatasetFolder:
    """A built dataset, looked through and found complete.

    Attributes:
        root: The folder.
        manifest: Its manifest.
        shards: Path to the addition of each shard.
        extras: Path to each other file that is published.
        card: The text of ``README.md``.
    """

    root: Path
    manifest: Manifest
    shards: Mapping[str, Addition]
    extras: Mapping[str, Extra]
    card: str

    @classmethod
    def open(cls, root: Path) -> DatasetFolder:
        """Look through a folder. Shards are checked by size; they are hashed when sent.

        Hidden files (the builder's own ``.work``), links and unfinished files stay home.

        Raises:
            LocalError: Something is missing, or not what the manifest says.
            PortraitError: The manifest is missing or invalid.
        """
        manifest = Manifest.load(root)
        for shard in manifest.shards:
            local = root / shard.path
            if not local.is_file() or local.stat().st_size != shard.bytes:
                raise LocalError(
                    f"{local}: missing, or not of the size that the manifest says; "
                    "try: build it again"
                )
        extras = {extra.path: extra for extra in _extras(root)}
        for name, about in manifest.files.items():
            if name not in extras or extras[name].sha256 != about.get("sha256"):
                raise LocalError(f"{root / name}: missing, or not what the manifest says")
        if CARD_NAME not in extras:
            raise LocalError(f"{root / CARD_NAME}: no such file; try: finish the build")
        try:
            card = (root / CARD_NAME).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise LocalError(f"{root / CARD_NAME}: is not UTF-8") from None
        if MARK in card:
            raise LocalError(f"{root / CARD_NAME}: is the placeholder of an upload, not a card")
        shards = {s.path: Addition(s.path, s.sha256, s.bytes) for s in manifest.shards}
        return cls(root, manifest, shards, extras, card)

    def named(self, repo_id: str, place: Path, viewer: str | None = None) -> DatasetFolder:
        """The folder with a card that names the repository it is published to.

        The folder itself stays as it is: where the card changes, the new one and a manifest
        that lists it are written elsewhere.

        Args:
            repo_id: The repository.
            place: A folder for the two files, which must stay until they are sent.
            viewer: Address of a static copy of the viewer that the card links to, if it is not
                noted in the folder, as :func:`note_viewer` does.
        """
        card = name_repository(self.card, repo_id)
        card = card if viewer is None else link_viewer(card, viewer)
        if card == self.card:
            return self
        content = card.encode()
        sha256 = hashlib.sha256(content).hexdigest()
        files = {**self.manifest.files}
        if CARD_NAME in files:
            files[CARD_NAME] = {"bytes": len(content), "sha256": sha256}
        manifest = replace(self.manifest, files=files).save(place)
        (place / CARD_NAME).write_bytes(content)
        extras = {**self.extras}
        for name in (CARD_NAME, FILE_NAME):
            local = place / name
            extras[name] = Extra(name, local, local.stat().st_size, file_sha256(local))
        return replace(self, manifest=manifest, extras=extras, card=card)

    @property
    def bytes(self) -> int:
        """Bytes of all shards."""
        return sum(addition.size for addition in self.shards.values())

    def refuse_token(self, token: str | None) -> None:
        """Make sure that no small file has the access token in it.

        Raises:
            LocalError: One has.
        """
        for extra in self.extras.values():
            if token and token.encode() in extra.local.read_bytes():
                raise LocalError(f"{extra.local}: contains your access token; try: remove it")


def note_viewer(root: Path, url: str) -> None:
    """Link the gallery of a dataset's card to a static copy of the viewer, in its folder.

    Later publications keep the link, and so does a build that writes the card anew.

    Args:
        root: The folder.
        url: Address of the viewer's page.

    Raises:
        PortraitError: It is no address to link to; or the folder has no manifest or card, or
            cannot be written.
    """
    check_viewer(url)
    manifest = Manifest.load(root)
    recorded = manifest.files.get(CARD_NAME, {}).get("sha256")
    try:
        before = (root / CARD_NAME).read_bytes()
        content = link_viewer(before.decode(), url).encode()
        about = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        # It has the hash of the new card where a run was killed between the two files.
        if recorded not in (None, hashlib.sha256(before).hexdigest(), about["sha256"]):
            return  # publishing refuses such a card, in its own words
        if recorded is not None:
            replace(manifest, files={**manifest.files, CARD_NAME: about}).save(root)
        write_bytes(root / CARD_NAME, content)
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or "not UTF-8"
        raise LocalError(
            f"{root / CARD_NAME}: cannot be linked to a viewer ({reason})"
        ) from problem


def _extras(root: Path) -> list[Extra]:
    found = []
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        name = inside.as_posix()
        if any(part.startswith(".") for part in inside.parts) or name.endswith(_UNFINISHED):
            continue
        if name.startswith(shard_folders()) and name.endswith(".tar"):
            continue
        if name == MARKS_NAME:  # one person's notes, not a part of the dataset
            continue
        if path.is_file() and not path.is_symlink():
            found.append((name, path, path.stat().st_size))
    total = sum(size for _, _, size in found)
    if total > MAX_EXTRA_BYTES:
        name = max(found, key=lambda item: item[2])[0]
        raise LocalError(
            f"{root}: {total} bytes besides the shards, the largest file is {name}; "
            "try: move out what is not part of the dataset"
        )
    return [Extra(name, path, size, file_sha256(path)) for name, path, size in found]
