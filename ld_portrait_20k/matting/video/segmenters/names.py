"""The segmenters' names; nothing is imported to know them."""

from __future__ import annotations

from typing import Final

AUTO: Final = "auto"

SEGMENTERS: Final = {
    "masks": "a folder or clip of masks that you have (--masks)",
    "first-mask": "a mask or box in the first frame, carried on by optical flow; no weights",
    "sam2": "SAM 2 through transformers; a mask, box or point in the first frame",
    "sam3": "SAM 3 through transformers; finds people by the word 'person'",
    "rvm": "RobustVideoMatting, an ONNX file that you have, under onnxruntime",
    "mediapipe": "MediaPipe's selfie segmentation under ai-edge-litert; light, weak on whole "
    "bodies and busy backgrounds",
}
"""Each name and what it is."""
