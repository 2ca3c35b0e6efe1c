"""What a study compares, and how large it is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ld_portrait_20k.errors import PortraitError

TABLES: Final = ("source", "capacity", "datasets", "refinement")

FRACTIONS: Final = (0.125, 0.25, 0.5, 1.0)
"""Of the capacity table, as in the issue that asked for it: each half of the next."""

LEAST_SIDE: Final = 32
"""Of test pictures, pixels: a network halves them five times."""

# No matte drawn from scratch, no second foreground and no photograph for the foreground's
# colour: each would dilute what the arms differ in.
_CROPS: Final[dict[str, Any]] = {"structures": 0.0, "photo_colours": 0.0, "merged": 0.0}

BUDGETS: Final[dict[str, dict[str, Any]]] = {
    # Two cores, an hour: a quarter of hint-unet's parameters, crops of 64 px. All tables but
    # `datasets` are 50,600 steps. It is not given the solved alpha: a network that starts from
    # a good alpha shows little of what its labels are worth.
    "small": {
        "recipe": {
            "model": "hint-unet",
            "network": {"widths": [16, 32, 48, 48], "norm": True, "solved": False},
            "crop": 64, "batch_size": 8, "learning_rate": 1.5e-3, "threads": 1,
        },
        "steps": 1000, "seeds": 3, "side": 384, "test_samples": 12,
    },
    # The paper's kind of model and crop (ViTMatte, 2023, section 4.2); a GPU a cell.
    "full": {
        "recipe": {
            "model": "vitmatte-small", "network": {}, "crop": 512, "batch_size": 16,
            "learning_rate": 5e-4, "threads": 0,
        },
        "steps": 20000, "seeds": 3, "side": 2048, "test_samples": 500,
    },
}  # fmt: skip
"""By name; every entry but ``recipe`` is a field of :class:`Settings`."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that decides a study's figures.

    Attributes:
        tables: Of :data:`TABLES`, in their order.
        data: ``[NAME=]DIR``, our dataset, or a folder in a published layout.
        rivals: Other training sets, each ``NAME=DIR``.
        tests: Test sets, each ``NAME=DIR``; held-out samples of ``data`` come first.
        backgrounds: Folder or list of pictures to train over; generated ones without it.
        test_backgrounds: The same for tests. Without it a third of ``backgrounds`` is kept
            for tests and never trained on.
        hold_out: Share of ``data`` that is tested on and never trained on, 0 for none.
        steps: Of each cell.
        seeds: How many, from 0 on; every arm has the same ones.
        side: Test pictures whose longer side is longer are reduced to it, pixels.
        test_samples: Most foregrounds or pictures of a test set.
        notes: What a reader of the report must know of the data, a sentence each.
        recipe: Settings of training that all cells share, see :class:`.cells.Cell`.
    """

    tables: tuple[str, ...]
    data: str
    rivals: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    backgrounds: str | None = None
    test_backgrounds: str | None = None
    hold_out: float = 0.2
    steps: int = 1000
    seeds: int = 3
    side: int = 384
    test_samples: int = 12
    notes: tuple[str, ...] = ()
    recipe: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "seeds", "test_samples"):
            if getattr(self, name) < 1:
                raise PortraitError(f"--{name.replace('_', '-')} must be at least 1")
        if self.side < LEAST_SIDE:
            raise PortraitError(f"--side {self.side}: test pictures need {LEAST_SIDE} pixels")
        if not 0 <= self.hold_out <= 0.9:
            raise PortraitError(f"--hold-out {self.hold_out}: a share of 0 to 0.9")
        if not self.hold_out and not self.tests:
            raise PortraitError("nothing to test on; try: --test NAME=DIR, or --hold-out 0.2")
        unknown = [name for name in self.tables if name not in TABLES]
        if unknown or not self.tables:
            raise PortraitError(f"no table {', '.join(unknown)!r}; try: {' '.join(TABLES)}")
        if "datasets" in self.tables and not self.rivals:
            raise PortraitError("the table datasets needs a rival; try: --rival NAME=DIR")

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def settings(budget: str, given: Mapping[str, Any]) -> Settings:
    """The settings of a budget with what somebody chose.

    Args:
        budget: A name of :data:`BUDGETS`.
        given: Fields of :class:`Settings`, and of its recipe ``model``, ``network``, ``crop``,
            ``batch_size``, ``learning_rate``, ``threads``; None means not given.

    Raises:
        PortraitError: An impossible combination.
    """
    base = dict(BUDGETS[budget])
    recipe = {"precision": "auto", "crops": dict(_CROPS), **base.pop("recipe")}
    chosen = {key: value for key, value in given.items() if value is not None}
    if "model" in chosen and chosen["model"] != recipe["model"]:
        recipe["network"] = {}
    recipe.update({key: chosen.pop(key) for key in list(chosen) if key in recipe})
    return Settings(**{**base, **chosen, "recipe": recipe})


def pictures_of(text: str | None) -> list[Path]:
    """The background pictures of a folder or list, in order; none for None.

    Raises:
        PortraitError: Nothing there.
    """
    from ld_portrait_20k.matting.data.backgrounds import open_backgrounds

    opened = open_backgrounds(text)[0]
    return [] if opened is None else [Path(path) for path in opened._pictures]


def split_backgrounds(chosen: Settings) -> tuple[list[Path], list[Path]]:
    """Backgrounds to train over and to test over; no picture is among both.

    Raises:
        PortraitError: One picture cannot be split, or a picture is among both.
    """
    train, test = pictures_of(chosen.backgrounds), pictures_of(chosen.test_backgrounds)
    if train and not test:
        if len(train) < 2:
            raise PortraitError(
                f"{chosen.backgrounds}: one picture cannot be trained and tested on; "
                "try: more of them, or --test-backgrounds DIR"
            )
        cut = len(train) - max(1, len(train) // 3)
        return train[:cut], train[cut:]
    known = {digest(path): path for path in train}
    for path in test:
        if digest(path) in known:
            raise PortraitError(
                f"{path}: also among the training backgrounds ({known[digest(path)]}); "
                "try: take it out of one of them"
            )
    return train, test


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
