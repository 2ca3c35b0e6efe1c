"""Levels: what opaque and clear are in the raw matte, and the alpha between them."""

from __future__ import annotations

import numpy as np

from refinement.connectivity import Regions


def mend_frame(alpha: np.ndarray) -> np.ndarray:
    """Raise the outermost line of pixels where the decoder has darkened it.

    Layer Diffusion's decoder lowers alpha by a few percent on the outermost pixel line,
    whatever it shows. A side is mended only where its line is lower than the next one
    over the body that it cuts.
    """
    result = alpha
    if min(alpha.shape) < 8:
        return result
    for side in range(4):
        view = np.rot90(result, side)
        inner = view[1]
        body = inner >= 0.9
        if np.count_nonzero(body) < 8:
            continue
        ratio = float(view[0][body].mean() / inner[body].mean())
        if ratio < 0.97:
            if result is alpha:
                result = alpha.copy()
                view = np.rot90(result, side)
            view[0] = np.maximum(view[0], np.minimum(view[0] / max(ratio, 0.5), view[1]))
    return result


def compose(alpha: np.ndarray, regions: Regions, scale: float) -> np.ndarray:
    """The refined alpha: 1 inside, 0 outside, as generated in the band."""
    result = alpha.copy()
    result[regions.inside] = 1.0
    result[regions.outside] = 0.0
    return result
