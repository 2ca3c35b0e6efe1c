"""The segmenters by name, and what ``auto`` takes."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from ld_portrait_20k.errors import PortraitError, missing_extra
from ld_portrait_20k.matting.video.frames import Pixels
from ld_portrait_20k.matting.video.masks import LARGEST
from ld_portrait_20k.matting.video.segmenters.names import AUTO, SEGMENTERS
from ld_portrait_20k.matting.video.segmenters.prompts import Box, Point, Prompt
from ld_portrait_20k.matting.video.segmenters.protocol import Segmenter

_SAM: Final = {"sam2_video": "sam2", "sam3_video": "sam3"}
_BY_SUFFIX: Final = {".onnx": "rvm", ".tflite": "mediapipe"}


@dataclass(frozen=True, slots=True)
class Guides:
    """What a user gives a segmenter to go by.

    Attributes:
        masks: Folder or clip of masks.
        first: (H, W) uint8 mask of the first frame.
        weights: File or folder of weights, or a repository ``owner/name`` on the Hub.
        start: In-point in seconds.
        rate: Frames a second of the clip.
        box: Left, top, width, height around the person in the first frame, in pixels.
        point: Right and down of a pixel of the person in the first frame.
        revision: Of the repository.
        device: Where networks compute; ``"auto"`` is a GPU if there is one.
        people: ``"largest"`` or ``"all"``, for segmenters that tell people apart.
    """

    masks: Path | None = None
    first: Pixels | None = None
    weights: Path | str | None = None
    start: float = 0.0
    rate: Fraction = Fraction(25)
    box: Box | None = None
    point: Point | None = None
    revision: str | None = None
    device: str = "auto"
    people: str = LARGEST

    @property
    def prompt(self) -> Prompt:
        """Where the person is in the first frame."""
        return Prompt(self.first, self.box, self.point)


def choose(name: str, guides: Guides) -> tuple[str, str]:
    """The segmenter that a name and the guides mean.

    Nothing is loaded and nothing fetched: ``auto`` takes SAM only where its weights are named
    or lie in the Hub's cache.

    Returns:
        Its name, and a sentence that says which it is and why.

    Raises:
        PortraitError: ``auto``, and none can be had; or the guides do not go with the name.
    """
    if name != AUTO:
        if name not in SEGMENTERS:
            raise PortraitError(f"no segmenter {name!r}; try: {', '.join((AUTO, *SEGMENTERS))}")
        _check_guides(name, guides)
        return name, f"segmenter: {name}"
    if guides.masks is not None:
        return "masks", f"segmenter: the masks in {guides.masks}"
    prompted = not guides.prompt.is_empty
    if guides.weights is not None:
        found = _of_weights(guides.weights, prompted)
        _check_guides(found, guides)
        return found, f"segmenter: {found}, which {guides.weights} is for"
    if prompted:
        if guides.point is not None or _sam_is_ready("sam2"):
            return "sam2", "segmenter: sam2, from what you gave of the first frame"
        return "first-mask", "segmenter: first-mask, carried on by optical flow and colours"
    return _unprompted()


def _unprompted() -> tuple[str, str]:
    from ld_portrait_20k.matting.video.segmenters import mediapipe, rvm

    for name, ready in (
        ("sam3", _sam_is_ready("sam3")),
        ("rvm", rvm.is_ready()),
        ("mediapipe", mediapipe.is_ready()),
    ):
        if ready:
            return name, f"segmenter: {name}, the best that is installed"
    raise PortraitError(
        "no segmenter is installed; try: --masks FOLDER, --first-mask PICTURE, --segmenter sam3, "
        f"or mediapipe (npm pack {mediapipe.PACKAGE}, and name its {mediapipe.FILE} in "
        f"{mediapipe.ENVIRONMENT})"
    )


def _check_guides(name: str, guides: Guides) -> None:
    """Refuse what a segmenter would not look at.

    Raises:
        PortraitError: It would ignore the masks or what was said of the first frame.
    """
    given = {
        "--masks": guides.masks, "--first-mask": guides.first, "--first-box": guides.box,
        "--first-point": guides.point,
    }  # fmt: skip
    taken = {"masks": {"--masks"}, "first-mask": {"--first-mask", "--first-box"}}
    if name == "sam2":
        taken["sam2"] = {"--first-mask", "--first-box", "--first-point"}
    for option, value in given.items():
        if value is not None and option not in taken.get(name, ()):
            raise PortraitError(
                f"the segmenter {name} does not go with {option}; try: leave one of them out"
            )
    if guides.revision is not None and name not in ("sam2", "sam3"):
        raise PortraitError(f"the segmenter {name} does not go with --revision; try: leave it out")


def _of_weights(weights: Path | str, prompted: bool) -> str:
    """The segmenter that weights are for."""
    path = Path(weights)
    if path.suffix.lower() in _BY_SUFFIX:
        return _BY_SUFFIX[path.suffix.lower()]
    try:
        kind = json.loads((path / "config.json").read_text()).get("model_type")
    except (OSError, ValueError, AttributeError):
        kind = None
    return _SAM.get(str(kind), "sam2" if prompted else "sam3")


def _sam_is_ready(name: str) -> bool:
    """Whether SAM can run without fetching anything."""
    if any(find_spec(package) is None for package in ("torch", "transformers", "safetensors")):
        return False
    from ld_portrait_20k.matting.video.segmenters import weights

    return bool(os.environ.get(weights.ENVIRONMENT[name])) or weights.is_cached(
        weights.REPOSITORY[name]
    )


def open_segmenter(name: str = AUTO, guides: Guides | None = None) -> Segmenter:
    """Open a segmenter.

    Args:
        name: One of :data:`SEGMENTERS`, or ``auto``.
        guides: What it goes by.

    Raises:
        PortraitError: There is none of that name, or what it needs is missing.
    """
    guides = guides or Guides()
    name, _ = choose(name, guides)
    if name == "masks":
        if guides.masks is None:
            raise PortraitError("the segmenter masks is given none; try: --masks FOLDER or CLIP")
        from ld_portrait_20k.matting.video.segmenters.given import GivenMasks

        return GivenMasks(guides.masks, start=guides.start, rate=guides.rate)
    if name in ("sam2", "sam3"):
        return _open_sam(name, guides)
    path = Path(guides.weights) if guides.weights is not None else None
    if name == "rvm":
        from ld_portrait_20k.matting.video.segmenters.rvm import RobustVideoMatting

        return RobustVideoMatting(path)
    if name == "mediapipe":
        from ld_portrait_20k.matting.video.segmenters.mediapipe import SelfieSegmentation

        return SelfieSegmentation(path)
    from ld_portrait_20k.matting.video.segmenters.first_mask import FirstMask

    return FirstMask(guides.first, box=guides.box)


def _open_sam(name: str, guides: Guides) -> Segmenter:
    for package in ("torch", "transformers", "safetensors"):
        if find_spec(package) is None:
            raise missing_extra(package, "video")
    from ld_portrait_20k.matting.models.registry import choose_device

    weights = str(guides.weights) if guides.weights is not None else None
    device = choose_device(name, guides.device)
    if name == "sam2":
        from ld_portrait_20k.matting.video.segmenters.sam2 import Sam2

        return Sam2(guides.prompt, weights, revision=guides.revision, device=device)
    from ld_portrait_20k.matting.video.segmenters.sam3 import Sam3

    return Sam3(weights, revision=guides.revision, device=device, people=guides.people)
