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
    cell_mean,
    cell_moments,
    cell_share,
    square_kernel,
)
from refinement.planes.masks import Mask
from refinement.thresholds.doubt import (
    ERROR_HALF,
    ERROR_LEVEL,
    ERROR_LEVEL_AT_MOST,
    ERROR_MOVED_VISIBLY,
    ERROR_SOFT,
    ERROR_UNEVEN_BODY,
    ERROR_UNEVEN_GROUND,
    LEVEL_DAMAGE,
    LEVEL_RANGE,
    LEVEL_REACH,
    LEVEL_SOFTNESS,
    MOVED_VISIBLY,
    PURE,
    UNEVEN_CELLS,
)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Parts of the expected error, each a mean absolute error of alpha over the picture, 0..1.

    Attributes:
        soft: Soft alpha is never exact.
        body: The damage of the body was uneven beside soft alpha, which keeps some of it.
        ground: Halo was uneven beside soft alpha, which keeps some of it.
        level: Level soft alpha may be a panel that was left, or cloth.
        visible: A few of the visible decisions (``moved_visibly``) are wrong.
        moved_visibly: What was moved by 0.08 or more.
    """

    soft: float
    body: float
    ground: float
    level: float
    visible: float
    moved_visibly: Mask

    @property
    def expected_error(self) -> float:
        """The sum: SAD that is expected to be left, as a share of the picture's pixels."""
        return self.soft + self.body + self.ground + self.level + self.visible

    @property
    def confidence(self) -> float:
        """1 where no error is expected, 0.5 at :data:`~refinement.thresholds.doubt.ERROR_HALF`."""
        return ERROR_HALF / (ERROR_HALF + self.expected_error)


def find_doubt(raw: Alpha8, final: Alpha8, step: int) -> Doubt:
    """Estimate the error that is left.

    Args:
        raw: (H, W) uint8, alpha as generated.
        final: (H, W) uint8, alpha after refinement.
        step: Side of a coarse cell in pixels.
    """
    size = float(raw.size)
    scale = math.sqrt(size) / 1024
    moved = np.asarray(cv2.absdiff(raw, final), np.uint8)
    soft = Mask(final - np.uint8(1) < 254)  # 0 becomes 255
    visibly = Mask(moved >= MOVED_VISIBLY)
    part = _cells_about(soft, step)
    body, ground = _unevenness(moved[part], final[part], step)
    level = ERROR_LEVEL * _level(final[part], scale) / size
    least, most = ERROR_LEVEL_AT_MOST
    damage = cv2.sumElems(moved)[0] / (255 * size)
    most = least + (most - least) * min(1.0, damage / LEVEL_DAMAGE)
    return Doubt(
        soft=ERROR_SOFT * soft.count() / size,
        body=ERROR_UNEVEN_BODY * body / size,
        ground=ERROR_UNEVEN_GROUND * ground / size,
        level=level / (1 + level / most),
        visible=ERROR_MOVED_VISIBLY * visibly.count() / size,
        moved_visibly=visibly,
    )


def _cells_about(mask: Mask, step: int) -> tuple[slice, slice]:
    """Rows and columns of the cells of a mask, and of those that are asked beside them."""
    height, width = mask.shape
    if height % step or width % step:
        return slice(0, height), slice(0, width)
    rows, columns = mask.box(step * (UNEVEN_CELLS // 2))
    return (
        slice(rows.start // step * step, min(height, -(-rows.stop // step) * step)),
        slice(columns.start // step * step, min(width, -(-columns.stop // step) * step)),
    )


def _unevenness(moved: Alpha8, final: Alpha8, step: int) -> tuple[float, float]:
    """How unevenly soft alpha is damaged, by the body's damage and by background's, in pixels.

    An even veil or halo is taken off soft alpha exactly, whatever its level. What varies beside it
    varies in it too, and that is left: in its opaque part what varies in the body, in its
    transparent part what varies in background. How far soft alpha was moved has a say, because
    damage may end where the body does.

    Args:
        moved: (H, W) uint8, how far alpha was moved: where it is 0 or 1 now, all the damage.
        final: (H, W) uint8, alpha after refinement.
        step: Side of a coarse cell in pixels.
    """
    if not final.size:
        return 0.0, 0.0
    definite = final - np.uint8(1) >= 254
    damage = np.asarray(cv2.copyTo(moved, as_mask8(definite)), np.uint8)
    mean, square = cell_moments(damage, step)
    clear, soft = cell_share(Mask(final == 0), step), 1 - cell_share(Mask(definite), step)
    opaque = 1 - clear - soft
    about = blur(cell_mean(moved, step) - mean, UNEVEN_CELLS)
    about /= 255 * np.maximum(blur(soft, UNEVEN_CELLS), 1e-3)
    opaque_part = np.clip(cell_mean(final, step) / np.float32(255) - opaque, 0, soft)
    found = []
    for weight, share, other in (
        (opaque_part, opaque, clear),
        (soft - opaque_part, clear, opaque),
    ):
        alone = np.float32(other < PURE)
        known = np.maximum(blur(share * alone, UNEVEN_CELLS), 1e-3)
        first, second = (blur(plane * alone, UNEVEN_CELLS) / known for plane in (mean, square))
        deviation = np.sqrt(np.maximum(second - first * first, 0)) / 255
        both = np.sqrt(np.sqrt(deviation * np.maximum(about, 0)))
        found.append(float((weight * np.sqrt(deviation) * both).mean()) * final.size)
    return found[0], found[1]


def _level(final: Alpha8, scale: float) -> float:
    """The sum of the distance of level soft alpha from 0 or 1, whichever is nearer, in pixels."""
    if not final.size:
        return 0.0
    span = cv2.morphologyEx(final, cv2.MORPH_GRADIENT, square_kernel(LEVEL_REACH * scale))
    softness = np.minimum(final, ~final)
    level = (span < LEVEL_RANGE) & (softness > LEVEL_SOFTNESS)
    return cv2.sumElems(cv2.copyTo(softness, as_mask8(level)))[0] / 255
