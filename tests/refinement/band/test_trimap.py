"""The trimap's unknown region."""

from __future__ import annotations

import cv2
import numpy as np

from refinement import Options, refine
from refinement.band.trimap import trimap
from tests.refinement import synthetic


def test_unknown_reaches_as_far_as_asked_and_not_along_the_frame() -> None:
    alpha = np.zeros((64, 64), np.uint8)
    alpha[:, 32:] = 255
    result = trimap(alpha, 5)
    assert np.array_equal(result[10], result[0])
    assert list(result[0, 25:40]) == [0] * 2 + [128] * 10 + [255] * 3


def test_soft_alpha_is_unknown_and_width_scales_with_size() -> None:
    widths = []
    for side in (256, 512):
        subject = synthetic.subject(2, (side, side), hair="none")
        result = refine(subject.rgba(), options=Options(trimap_width=16))
        soft = (result.alpha > 0) & (result.alpha < 1)
        assert (result.trimap[soft] == 128).all()
        edge = cv2.Canny(np.rint(255 * result.alpha).astype(np.uint8), 50, 150) > 0
        widths.append((result.trimap == 128).sum() / edge.sum() / side)
    assert 0.8 < widths[0] / widths[1] < 1.25
