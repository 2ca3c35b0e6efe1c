"""Classical matting under the models' one interface: closed-form and guided filter."""

from __future__ import annotations

import contextlib
import functools
import io
import math
import warnings
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.models.inputs import checked_input
from ld_portrait_20k.matting.prediction.tiles import fix_known, tiled

Plane = NDArray[np.float32]


class ClosedForm:
    """Closed-form matting by pymatting, in tiles.

    Levin, Lischinski and Weiss, "A Closed-Form Solution to Natural Image Matting", TPAMI
    2008. One system is solved for the unknown pixels, in a box around them. Where that box
    is larger than a tile, the picture is first solved at a smaller scale; each tile takes
    its values along the edges where it is cut, so that it knows what lies beyond. A trimap
    that is unknown all over says nothing: then alpha is 0.5.

    Args:
        tile: Longest side of what is solved at once. pymatting holds 400 bytes a pixel of
            it: 0.7 GB.
        overlap: Of neighbouring tiles; their seams are blended.
    """

    name = "closed-form"
    licence = "MIT (pymatting)"
    needs_trimap = True

    def __init__(self, tile: int = 1280, overlap: int = 96) -> None:
        self._tile = tile
        self._overlap = overlap

    def __call__(self, image: Plane, trimap: Plane | None = None) -> Plane:
        """The alpha matte of a picture; see :class:`~.protocol.MattingModel`."""
        image, known = _checked(self.name, image, trimap)
        unknown = (known > 0) & (known < 1)
        if unknown.all():
            return np.full(known.shape, 0.5, np.float32)
        left, top, width, height = cv2.boundingRect(unknown.view(np.uint8))
        # Windows of 3 x 3 tie an unknown pixel to what lies up to 2 pixels from it.
        part = (slice(max(0, top - 2), top + height + 2), slice(max(0, left - 2), left + width + 2))
        alpha = known.copy()
        if width and height:
            alpha[part] = self._solved(image[part], known[part])
        return fix_known(alpha, known)

    def _solved(self, image: Plane, trimap: Plane) -> Plane:
        scale = self._tile / max(trimap.shape)
        if scale >= 1:
            return _solve(image, trimap)
        height, width = (max(3, round(side * scale)) for side in trimap.shape)
        small = _resize(image, height, width)
        shrunk = _resize(trimap, height, width)
        shrunk = np.where((shrunk == 0) | (shrunk == 1), shrunk, np.float32(0.5))
        coarse = _resize(_solve(small, shrunk), *trimap.shape)
        return tiled(_solve, image, trimap, tile=self._tile, overlap=self._overlap, estimate=coarse)


class GuidedFilter:
    """Alpha as a local linear function of colour, fitted where the trimap is known.

    He, Sun and Tang, "Guided Image Filtering", TPAMI 2013, with a colour guide: in each
    window ``alpha = a . colour + b`` by ridge regression, averaged over the windows that
    cover a pixel. First the known pixels alone are fitted, in windows that reach across the
    unknown band; then, in two windows of a third of the size each, the estimate itself.

    The constants gave the least MAD of some forty choices on the lemur and on three real
    Layer Diffusion portraits with bands of 10 px: 102e-3, closed-form 45e-3 in ten times
    the time.

    Args:
        radius: Of the first window in pixels; by default 1.5 times the depth of the unknown
            band (its 95th percentile), 4 to 96.
        ridge: Regularisation (epsilon) of the regression; colour variances are 0..0.25.
    """

    name = "guided-filter"
    licence = "Apache-2.0"
    needs_trimap = True

    def __init__(self, radius: int | None = None, ridge: float = 1e-5) -> None:
        self._radius = radius
        self._ridge = ridge

    def __call__(self, image: Plane, trimap: Plane | None = None) -> Plane:
        """The alpha matte of a picture; see :class:`~.protocol.MattingModel`."""
        image, known = _checked(self.name, image, trimap)
        radius = self._radius or _band_radius(known)
        # A filter reaches twice its radius, three of them less than three times the first's.
        return tiled(
            functools.partial(self._filter, radius=radius), image, known,
            tile=max(_TILE, 8 * radius), overlap=3 * radius,
        )  # fmt: skip

    def _filter(self, image: Plane, trimap: Plane, radius: int) -> Plane:
        unknown = (trimap > 0) & (trimap < 1)
        weight = np.where(unknown, np.float32(_UNKNOWN_WEIGHT), np.float32(1))
        alpha = guided_filter(image, trimap, radius, self._ridge, weight)
        for smaller in (max(2, radius // 3), max(1, radius // 10)):
            alpha = guided_filter(image, fix_known(alpha, trimap), smaller, self._ridge)
        return alpha


_UNKNOWN_WEIGHT: Final = 1e-3  # enough that no window is empty
_TILE: Final = 1536  # some 25 planes of floats: 0.25 GB
_MOST_PIXELS: Final = 4_000_000


def _band_radius(trimap: Plane) -> int:
    """1.5 times the unknown band's depth, in pixels."""
    unknown = ((trimap > 0) & (trimap < 1)).view(np.uint8)
    step = max(1, math.isqrt(trimap.size // _MOST_PIXELS))  # of a huge picture, fewer pixels
    unknown = np.ascontiguousarray(unknown[::step, ::step])
    depth = cv2.distanceTransform(unknown, cv2.DIST_L2, cv2.DIST_MASK_5)[unknown > 0]
    if not depth.size:
        return 4
    return int(1.5 * step * np.clip(np.percentile(depth, 95), 4 / 1.5 / step, 64 / step))


def guided_filter(
    guide: Plane, target: Plane, radius: int, ridge: float, weight: Plane | None = None
) -> Plane:
    """The guided filter with a colour guide, by box filters.

    He et al. 2013, equations 14 to 16.

    Args:
        guide: (H, W, 3) float32, 0..1.
        target: (H, W) float32, what is to follow the guide's edges.
        radius: Of the square window, in pixels.
        ridge: Regularisation (epsilon).
        weight: (H, W) float32, over 0: how much each pixel counts in the windows' fits; all
            alike by default.

    Returns:
        (H, W) float32; it may leave 0..1 a little.
    """
    weight = np.ones_like(target) if weight is None else weight
    scale = np.float32(1) / _box(weight, radius)

    def mean(plane: Plane) -> Plane:
        return _box(plane * weight, radius) * scale

    channels = [np.ascontiguousarray(guide[..., channel]) for channel in range(3)]
    means = [mean(channel) for channel in channels]
    mean_target = mean(target)
    covariance = [
        mean(channel * target) - average * mean_target
        for channel, average in zip(channels, means, strict=True)
    ]
    variance = {
        (i, j): mean(channels[i] * channels[j]) - means[i] * means[j]
        for i in range(3) for j in range(i, 3)
    }  # fmt: skip
    slopes = _solve_symmetric(variance, covariance, ridge)
    offset = mean_target - sum(s * m for s, m in zip(slopes, means, strict=True))
    result = _box(offset, radius)
    for slope, channel in zip(slopes, channels, strict=True):
        result += _box(slope, radius) * channel
    return result


def _solve_symmetric(
    variance: dict[tuple[int, int], Plane], right: list[Plane], ridge: float
) -> list[Plane]:
    """Solve (variance + ridge I) x = right, 3 x 3 at each pixel, by the adjugate.

    In 64 bits, because the determinant of grey colours is a small difference of large products.
    Rounding can make the variance of a flat colour negative; in exact numbers it is at least 0,
    and the determinant at least ridge cubed.
    """
    wide = {place: plane.astype(np.float64) for place, plane in variance.items()}
    a, d, f = (np.maximum(wide[k, k], 0.0) + ridge for k in range(3))
    b, c, e = wide[0, 1], wide[0, 2], wide[1, 2]
    adjugate = (
        (d * f - e * e, c * e - b * f, b * e - c * d),
        (c * e - b * f, a * f - c * c, b * c - a * e),
        (b * e - c * d, b * c - a * e, a * d - b * b),
    )
    determinant = a * adjugate[0][0] + b * adjugate[0][1] + c * adjugate[0][2]
    determinant = np.maximum(determinant, ridge**3)
    return [
        np.asarray(
            (row[0] * right[0] + row[1] * right[1] + row[2] * right[2]) / determinant, np.float32
        )
        for row in adjugate
    ]


def _resize(plane: Plane, height: int, width: int) -> Plane:
    """Area-averaged when it shrinks, linear when it grows."""
    how = cv2.INTER_AREA if height < plane.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(plane, (width, height), interpolation=how), np.float32)


def _box(plane: Plane, radius: int) -> Plane:
    """Mean over the part of each square window that lies in the picture."""
    side = (2 * radius + 1, 2 * radius + 1)
    return np.asarray(cv2.blur(plane, side, borderType=cv2.BORDER_REFLECT), np.float32)


def _checked(name: str, image: Plane, trimap: Plane | None) -> tuple[Plane, Plane]:
    picture, known = checked_input(name, image, trimap, needs_trimap=True)
    assert known is not None
    return picture, known


def open_closed_form(name: str, device: str = "cpu") -> ClosedForm:
    """For the registry; it computes on the CPU whatever the device."""
    return ClosedForm()


def open_guided_filter(name: str, device: str = "cpu") -> GuidedFilter:
    """For the registry; it computes on the CPU whatever the device."""
    return GuidedFilter()


def _solve(image: Plane, trimap: Plane, estimate: Plane | None = None) -> Plane:
    """Closed-form alpha of one tile; along its edges the estimate's where there is one."""
    from pymatting import cf_laplacian, cg, ichol

    values = trimap.astype(np.float64)
    known = (trimap == 0) | (trimap == 1)
    if estimate is not None:
        edge = np.ones(known.shape, bool)
        edge[1:-1, 1:-1] = False
        edge &= ~known
        values[edge] = estimate[edge]
        known |= edge
    alpha = values.ravel()
    fixed, free = known.ravel(), ~known.ravel()
    if not free.any():
        return trimap
    laplacian = cf_laplacian(image.astype(np.float64), is_known=fixed)[free]
    system, right = laplacian[:, free], -laplacian[:, fixed].dot(alpha[fixed])
    # pymatting prints its warnings on stdout, which belongs to results.
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
        try:
            # Absolutely too: with background alone the right side is 0.
            alpha[free] = cg(system, right, atol=1e-9, M=ichol(system))
        except ValueError as problem:
            raise PortraitError(
                f"closed-form finds no solution here ({problem}); try: a narrower trimap, or "
                "--model guided-filter"
            ) from problem
    return np.clip(alpha, 0, 1).reshape(trimap.shape).astype(np.float32)
