"""Video models that transformers carries: fetched, checked, loaded, fed with frames.

Safetensors only, no remote code. Pictures are prepared here, since transformers' own
processors of these models need torchvision.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ld_portrait_20k.errors import PortraitError, missing_extra
from ld_portrait_20k.matting.video.frames import Pixels

_FILES: Final = ("*.json", "*.safetensors", "merges.txt")
_PROCESSORS: Final = ("video_preprocessor_config.json", "preprocessor_config.json")


@dataclass(frozen=True, slots=True)
class VideoNetwork:
    """A loaded model and what it wants of pictures.

    Attributes:
        module: The transformers model, in evaluation mode, on its device.
        folder: Where it was loaded from.
        side: Height and width of its input in pixels.
        mean: (3,) of the normalisation, for values of 0..1.
        deviation: (3,) of the normalisation.
        device: Where it computes.
        threads: With how many threads torch computed when it was loaded.
    """

    module: Any
    folder: Path
    side: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    device: torch.device
    threads: int

    def prepare(self, colour: Pixels) -> Tensor:
        """A frame (H, W, 3) uint8 sRGB as the model's input, (1, 3, side, side) float32."""
        if self.device.type == "cpu":
            # Matting's threads, one core each, tell MKL as much for the whole process.
            torch.set_num_threads(self.threads)
        picture = torch.from_numpy(np.array(colour)).permute(2, 0, 1)[None]
        scaled = F.interpolate(
            picture.to(self.device, torch.float32) / 255, size=(self.side, self.side),
            mode="bilinear", antialias=True, align_corners=False,
        )  # fmt: skip
        mean, deviation = (
            torch.tensor(value, device=self.device).view(1, -1, 1, 1)
            for value in (self.mean, self.deviation)
        )
        return (scaled - mean) / deviation

    def prepare_mask(self, mask: Pixels) -> Tensor:
        """A mask (H, W) uint8 as a prompt, (1, 1, side, side) float32 of 0 and 1."""
        plane = torch.from_numpy(np.array(mask))[None, None].to(self.device)
        small = F.interpolate(
            (plane >= 128).float(), size=(self.side, self.side), mode="bilinear",
            antialias=True, align_corners=False,
        )  # fmt: skip
        return (small >= 0.5).float()


def soft_mask(logits: Tensor, height: int, width: int) -> NDArray[np.uint8]:
    """A mask of a frame's size from the model's logits (h, w): (H, W) uint8."""
    large = F.interpolate(
        logits.float()[None, None], size=(height, width), mode="bilinear", align_corners=False
    )
    return np.asarray(torch.sigmoid(large)[0, 0].mul(255).round().cpu().numpy(), np.uint8)


def load_network(
    kind: str, class_name: str, source: str, *, revision: str | None, device: str, mean: float
) -> VideoNetwork:
    """Load a video model.

    Args:
        kind: Its ``model_type``.
        class_name: Its class in transformers.
        source: A folder, or a repository ``owner/name`` on the Hub.
        revision: Branch, tag or commit of the repository; the newest by default.
        device: Where it computes.
        mean: Mean and deviation, for folders that do not state them; NaN for ImageNet's.

    Raises:
        PortraitError: transformers is missing; nothing there; another model; not safetensors;
            weights that are damaged or do not fit; no such device.
    """
    for package in ("transformers", "safetensors"):
        if find_spec(package) is None:
            raise missing_extra(package, "video")
    folder = fetched(source, revision)
    _check(folder, kind, source)
    module = _loaded(folder, class_name, source)
    try:
        where = torch.device(device)
        module = module.eval().to(where)
    except (RuntimeError, AssertionError) as problem:
        reason = str(problem).split("\n", 1)[0]
        raise PortraitError(f"device {device!r}: {reason}; try: cpu") from problem
    size = module.config.image_size
    side = int(size if isinstance(size, int) else size[0])
    return VideoNetwork(
        module, folder, side, *_normalisation(folder, mean), where, torch.get_num_threads()
    )


def fetched(source: str, revision: str | None = None) -> Path:
    """The folder of a model; a repository's files are fetched into the Hub's cache.

    Raises:
        PortraitError: There is no such folder or repository, or it cannot be reached.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        if revision:
            raise PortraitError(
                f"{source} is a folder; a revision is of a repository on the Hub; "
                "try: without --revision"
            )
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return Path(snapshot_download(source, revision=revision, allow_patterns=list(_FILES)))
    except (HFValidationError, HfHubHTTPError, OSError) as problem:
        reason = str(problem).strip().split("\n", 1)[0]
        raise PortraitError(
            f"{source}: neither a folder nor a model on the Hub that can be reached ({reason}); "
            "try: hf auth login, where a licence must be accepted"
        ) from problem


def _check(folder: Path, kind: str, source: str) -> None:
    """Check the config and the kind of weights before anything is built."""
    path = folder / "config.json"
    try:
        found = json.loads(path.read_text()).get("model_type")
    except FileNotFoundError:
        raise PortraitError(
            f"{source}: no model there (config.json is missing); try: another --weights"
        ) from None
    except (OSError, ValueError, AttributeError) as problem:
        raise PortraitError(f"{path}: cannot be read ({problem}); try: fetch it anew") from problem
    if found != kind:
        raise PortraitError(f"{path}: model_type {found!r}, not {kind!r}; try: another --weights")
    if not any(folder.glob("*.safetensors")):
        raise PortraitError(
            f"{source}: no safetensors there (pickled weights are never read); "
            "try: a repository that has them"
        )


def _loaded(folder: Path, class_name: str, source: str) -> Any:
    import transformers
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    model = getattr(transformers, class_name, None)
    if model is None:
        raise PortraitError(
            f"transformers {transformers.__version__} has no {class_name}; "
            "try: pip install --upgrade transformers"
        )
    try:
        module, report = model.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, trust_remote_code=False,
            output_loading_info=True, dtype=torch.float32,
        )  # fmt: skip
    except (
        OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError,
        StrictDataclassError,
    ) as problem:  # fmt: skip
        reason = " ".join(str(problem).split())[:200]
        raise PortraitError(
            f"{source}: weights that cannot be loaded ({reason}); try: fetch them again"
        ) from problem
    missing = sorted(report["missing_keys"])
    if missing:
        raise PortraitError(
            f"{source}: {len(missing)} weights of {class_name} are missing, {missing[0]} first; "
            "try: another --weights"
        )
    return module


_IMAGENET: Final = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def _normalisation(folder: Path, mean: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation as the folder's processor files state them."""
    for name in (*_PROCESSORS, "processor_config.json"):
        try:
            stated = json.loads((folder / name).read_text())
        except (OSError, ValueError):
            continue
        for part in (stated, stated.get("video_processor"), stated.get("image_processor")):
            if isinstance(part, dict) and "image_mean" in part and "image_std" in part:
                return tuple(part["image_mean"]), tuple(part["image_std"])
    return _IMAGENET if np.isnan(mean) else ((mean,) * 3, (mean,) * 3)
