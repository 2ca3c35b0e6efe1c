"""How much error a refined matte is expected to keep, told from raw and refined alpha alone.

What the prior could not tell is judged by what it could: where the body should be 1 and background
0, the damage shows itself, and soft alpha beside it has been damaged alike.

Alpha is (H, W) uint8; lengths are in pixels of a picture of 1024 x 1024 times ``scale``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from refinement.planes.grid import (
    Alpha8,
    as_mask8,
    blur,
    cell_moments,
    cell_share,
    square_kernel,
)
from refinement.planes.masks import Mask
from refinement.thresholds.doubt import (
    ERROR_HALF,
    ERROR_KEPT,
    ERROR_LEVEL,
    ERROR_LEVEL_AT_MOST,
    ERROR_MOVED_SOFT,
    ERROR_MOVED_VISIBLY,
    ERROR_SOFT,
    ERROR_UNEVEN,
    LEVEL_DAMAGE,
    LEVEL_DEEP,
    LEVEL_ENDS,
    LEVEL_RANGE,
    MOVED_VISIBLY,
)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Parts of the expected error, each a mean absolute error of alpha over the picture, 0..1.

    Attributes:
        soft: Soft alpha is never exact.
        moved_soft: Soft alpha that was corrected was not corrected exactly.
        uneven: Halo beside the border was uneven, and soft alpha keeps its unevenness.
        level: Level soft alpha far from background may be a panel that was left, if it is small.
        visible: A few of the visible decisions (``moved_visibly``) are wrong.
        kept: Level half transparent alpha was kept and may be wrong.
        moved_visibly: What was moved by 0.08 or more.
    """

    soft: float
    moved_soft: float
    uneven: float
    level: float
    visible: float
    kept: float
    moved_visibly: Mask

    @property
    def expected_error(self) -> float:
        """The sum: SAD that is expected to be left, as a share of the picture's pixels."""
        return self.soft + self.moved_soft + self.uneven + self.level + self.visible + self.kept

    @property
    def confidence(self) -> float:
        """1 where no error is expected, 0.5 at :data:`~refinement.thresholds.doubt.ERROR_HALF`."""
        return ERROR_HALF / (ERROR_HALF + self.expected_error)


def find_doubt(raw: Alpha8, final: Alpha8, kept: Mask, step: int) -> Doubt:
    """Estimate the error that is left.

    Args:
        raw: (H, W) uint8, alpha as generated.
        final: (H, W) uint8, alpha after refinement.
        kept: What is level and half transparent, and was kept though it may be no cloth.
        step: Side of a coarse cell in pixels.
    """
    size = float(raw.size)
    scale = math.sqrt(size) / 1024
    moved = np.asarray(cv2.absdiff(raw, final), np.uint8)
    clear = Mask(final == 0)
    soft = Mask(final - np.uint8(1) < 254)  # 0 becomes 255
    visibly = Mask(moved >= MOVED_VISIBLY)
    damage = cv2.sumElems(moved)[0] / (255 * size)
    level = ERROR_LEVEL * _level(final, soft, clear, scale) / size
    level *= min(1.0, damage / LEVEL_DAMAGE)
    return Doubt(
        soft=ERROR_SOFT * soft.count() / size,
        moved_soft=ERROR_MOVED_SOFT * _moved_soft(moved, final, soft) / size,
        uneven=ERROR_UNEVEN * _unevenness(raw, final, clear, step),
        level=level / (1 + level / ERROR_LEVEL_AT_MOST),
        visible=ERROR_MOVED_VISIBLY * visibly.count() / size,
        kept=ERROR_KEPT * (kept - visibly).count() / size,
        moved_visibly=visibly,
    )


def _softness(alpha: Alpha8) -> Alpha8:
    """How far alpha is from 0 and 1, whichever is nearer."""
    return np.minimum(alpha, ~alpha)


def _moved_soft(moved: Alpha8, final: Alpha8, soft: Mask) -> float:
    """The sum over soft pixels of sqrt(distance from 0 or 1 times distance moved), in pixels.

    An error cannot be larger than either by much: what ends near 0 or 1 is nearly decided, and
    what was not moved showed no damage.
    """
    places = (soft & Mask(moved)).places()
    product = _softness(final.ravel()[places]) * moved.ravel()[places].astype(np.float32)
    return float(np.sqrt(product).sum(dtype=np.float64)) / 255


def _unevenness(raw: Alpha8, final: Alpha8, clear: Mask, step: int) -> float:
    """How uneven cleared alpha is beside soft alpha, as a mean over the picture.

    The standard deviation of what was cleared nearby, to the power of 1.5 because good mattes
    have faint tails there, weighs the transparent part of soft alpha.
    """
    cleared = np.asarray(cv2.copyTo(raw, as_mask8(final == 0)), np.uint8)
    share = cell_share(clear, step)
    known = np.maximum(blur(share, 5), 1e-3)
    mean, square = (blur(plane, 5) / known for plane in cell_moments(cleared, step))
    deviation = np.sqrt(np.maximum(square - mean * mean, 0)) / 255
    height, width = share.shape
    alpha = cv2.resize(final, (width, height), interpolation=cv2.INTER_AREA)
    transparent = np.maximum(1 - share - alpha / np.float32(255), 0)  # what of soft alpha is
    return float((transparent * deviation**1.5).mean())


def _level(final: Alpha8, soft: Mask, clear: Mask, scale: float) -> float:
    """The sum of the softness of level alpha that lies far from background, in pixels."""
    far = soft - clear.dilate(LEVEL_DEEP * scale)
    if not far:
        return 0.0
    part = far.box(1)
    places = np.flatnonzero(far.pixels()[part].view(bool))
    span = cv2.morphologyEx(final[part], cv2.MORPH_GRADIENT, square_kernel(1)).ravel()[places]
    alpha = final[part].ravel()[places]
    least, most = LEVEL_ENDS
    level = alpha[(span < LEVEL_RANGE) & (alpha > least) & (alpha < most)]
    return float(_softness(level).sum(dtype=np.int64)) / 255
