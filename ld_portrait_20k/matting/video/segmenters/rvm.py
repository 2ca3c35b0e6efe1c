"""RobustVideoMatting as a source of masks: an ONNX file that the user has.

Lin et al., "Robust High-Resolution Video Matting with Temporal Guidance", WACV 2022. Its code
and weights are under GPL-3.0, so nothing of it ships and nothing here depends on it; nor on
onnxruntime, which the user installs beside it.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.video.frames import Frame, Pixels
from ld_portrait_20k.matting.video.segmenters.weights import file_is_ready, named_file
from ld_portrait_20k.matting.video.writing import SEGMENT

ENVIRONMENT: Final = "LD_PORTRAIT_RVM"
"""Names the file where no ``--weights`` do."""
COARSE_SIDE: Final = 768
"""Longer side of the coarse stage in pixels: what its authors advise for whole bodies, a
ratio of 0.4 at 1920 x 1080."""
WARM_UP: Final = 3
"""Times that a frame is shown before a new memory counts; as in the benchmark's prototype."""

_INPUTS: Final = ("src", "r1i", "r2i", "r3i", "r4i", "downsample_ratio")
_OUTPUTS: Final = ("pha", "r1o", "r2o", "r3o", "r4o")
_TYPES: Final = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class RobustVideoMatting:
    """The alpha of RobustVideoMatting as the person's mask.

    Its memory starts anew with each segment of :data:`~.writing.SEGMENT` frames, warmed up on
    the frame before, so that a run that goes on gives the same masks.

    Args:
        weights: The ONNX file, any of those that its authors publish; by default the one that
            the environment names.

    Raises:
        PortraitError: onnxruntime or the file is missing, or it is another network.
    """

    name = "rvm"

    def __init__(self, weights: Path | None = None) -> None:
        if find_spec("onnxruntime") is None:
            raise PortraitError(
                "the segmenter rvm needs onnxruntime, which is not installed; "
                "try: pip install onnxruntime"
            )
        path = weights or named_file(ENVIRONMENT)
        if path is None:
            raise PortraitError(
                "the segmenter rvm needs an ONNX file of RobustVideoMatting (GPL-3.0), which does "
                f"not ship; try: fetch it, and name it with --weights or in {ENVIRONMENT}"
            )
        self._session = _session(path)
        kinds = {one.name: one.type for one in self._session.get_inputs()}
        names = {one.name for one in self._session.get_outputs()}
        lacking = [name for name in _INPUTS if name not in kinds]
        lacking += [name for name in _OUTPUTS if name not in names]
        if lacking or kinds["src"] not in _TYPES:
            raise PortraitError(
                f"{path}: not RobustVideoMatting ({', '.join(lacking) or kinds['src']}); "
                "try: rvm_mobilenetv3_fp32.onnx of its authors"
            )
        self._type = _TYPES[kinds["src"]]
        self._memory: list[NDArray[Any]] | None = None

    def __call__(self, frame: Frame, last: tuple[Frame, Pixels] | None) -> Pixels:
        """The mask of a frame; see :class:`~.protocol.Segmenter`."""
        if self._memory is None or last is None or frame.index % SEGMENT == 0:
            self._memory = [np.zeros((1, 1, 1, 1), self._type)] * 4
            for _ in range(WARM_UP):
                self._look((last[0] if last else frame).colour)
        alpha = self._look(frame.colour)
        return np.rint(alpha.astype(np.float32).clip(0, 1) * 255).astype(np.uint8)

    def _look(self, colour: Pixels) -> NDArray[Any]:
        """Alpha (H, W), 0..1; the memory goes on."""
        assert self._memory is not None
        source = (colour / np.float32(255)).transpose(2, 0, 1)[None].astype(self._type)
        ratio = min(1.0, COARSE_SIDE / max(colour.shape[:2]))
        inputs = {
            "src": np.ascontiguousarray(source),
            "downsample_ratio": np.array([ratio], np.float32),
            **{f"r{number + 1}i": plane for number, plane in enumerate(self._memory)},
        }
        alpha, *self._memory = self._session.run(list(_OUTPUTS), inputs)
        return np.asarray(alpha[0, 0])


def is_ready() -> bool:
    """Whether it can run without more options."""
    return file_is_ready("onnxruntime", ENVIRONMENT)


def _session(path: Path) -> Any:
    import onnxruntime

    if not path.is_file():
        raise PortraitError(f"{path}: no such file; try: the path of the ONNX file")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone: the published files warn of unused weights
    try:
        return onnxruntime.InferenceSession(
            str(path), options, providers=onnxruntime.get_available_providers()
        )
    except Exception as problem:  # its errors have no common base but this
        reason = " ".join(str(problem).split())[:160]
        raise PortraitError(
            f"{path}: not an ONNX network that can be read ({reason}); "
            "try: rvm_mobilenetv3_fp32.onnx of its authors"
        ) from problem
