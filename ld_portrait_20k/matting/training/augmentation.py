"""Random changes of one training crop: geometry, colour, degradation and its trimap.

Each function takes the generator that it draws from, so a crop depends on nothing else.
Where a number has no origin beside it, it was chosen by eye on sheets of crops.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.compositing.augment import jitter_colour
from ld_portrait_20k.compositing.trimaps import BACKGROUND, FOREGROUND, UNKNOWN, trimap

Picture = NDArray[np.uint8]


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number whose logarithm is drawn evenly."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def cut_window(
    rng: np.random.Generator, foreground: Picture, alpha: Picture, size: int
) -> tuple[Picture, Picture]:
    """A square window about a soft pixel, turned, mirrored and scaled.

    Args:
        rng: Where the window is drawn from.
        foreground: (H, W, 3) uint8.
        alpha: (H, W) uint8.
        size: Side of the result.

    Returns:
        Foreground (size, size, 3) and alpha (size, size), uint8. Beyond the picture's frame
        both go on as they are at the frame.
    """
    soft = np.flatnonzero((alpha > 0) & (alpha < 255))
    place = int(soft[int(rng.integers(len(soft)))]) if len(soft) else alpha.size // 2
    row, column = divmod(place, alpha.shape[1])
    # 0.45: a picture of 1,000 px shown at 450, where strands are far thinner than a pixel;
    # 2: soft edges, as of pictures that were enlarged or are out of focus.
    scale = log_uniform(rng, 0.45, 2.0)
    turn = rng.normal(0, 0.35)
    if rng.random() < 0.1:
        turn = rng.uniform(0, 2 * np.pi)
    shift = rng.uniform(-0.35, 0.35, 2) * size
    c, s = np.cos(turn) * scale, np.sin(turn) * scale
    matrix = np.array([[c, -s], [s, c]])
    if rng.random() < 0.5:
        matrix[:, 0] *= -1
    # Reduced pictures are drawn larger first and then averaged, or thin strands would alias.
    fine = 2 if scale < 0.75 else 1
    offset = size / 2 + shift - matrix @ np.array([column, row])
    full = np.column_stack([matrix, offset]) * fine
    side = (size * fine, size * fine)
    flags = cv2.INTER_LINEAR if scale < 1.3 else cv2.INTER_CUBIC

    def cut(picture: Picture) -> Picture:
        large = cv2.warpAffine(picture, full, side, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        if fine > 1:
            large = cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA)
        return large.astype(np.uint8, copy=False)

    # Each on its own: to put a large picture and its alpha together takes longer than both.
    return cut(foreground), cut(alpha)


def cut_whole(
    rng: np.random.Generator, foreground: Picture, alpha: Picture, size: int
) -> tuple[Picture, Picture]:
    """The largest square of a picture, or one of two thirds its side at least, shrunk.

    Args:
        rng: Where the square is drawn from.
        foreground: (H, W, 3) uint8.
        alpha: (H, W) uint8.
        size: Side of the result.

    Returns:
        Foreground (size, size, 3) and alpha (size, size), uint8, mirrored half the time.
    """
    height, width = alpha.shape
    side = max(1, round(min(height, width) / rng.uniform(1.0, 1.5)))
    top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    both = np.dstack([foreground, alpha])[top : top + side, left : left + side]
    way = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    cut = cv2.resize(both, (size, size), interpolation=way)
    if rng.random() < 0.5:
        cut = cut[:, ::-1]
    return np.ascontiguousarray(cut[..., :3]), np.ascontiguousarray(cut[..., 3])


def change_colours(rng: np.random.Generator, picture: Picture, strength: float = 1.0) -> Picture:
    """Brightness, contrast, saturation, white balance, gamma, at times swapped channels."""
    if rng.random() < 0.15 * strength:
        picture = np.ascontiguousarray(picture[..., rng.permutation(3)])
    red, green, blue = np.exp(rng.normal(0, 0.12 * strength, 3))
    return jitter_colour(
        picture,
        brightness=float(np.exp(rng.normal(0, 0.2 * strength))),
        contrast=float(np.exp(rng.normal(0, 0.2 * strength))),
        saturation=float(np.clip(rng.normal(1, 0.35 * strength), 0, 2)),
        balance=(float(red), float(green), float(blue)),
        gamma=float(np.exp(rng.normal(0, 0.25 * strength))),
    )


def bring_near(rng: np.random.Generator, background: Picture, foreground: Picture) -> Picture:
    """A background whose mean colour lies near the foreground's: the hard case."""
    gap = foreground.reshape(-1, 3).mean(0) - background.reshape(-1, 3).mean(0)
    moved = background + (gap * rng.uniform(0.6, 1.0) + rng.normal(0, 12, 3)).astype(np.float32)
    return np.rint(np.clip(moved, 0, 255)).astype(np.uint8)


def defocus(
    rng: np.random.Generator, foreground: Picture, alpha: Picture
) -> tuple[Picture, Picture]:
    """A foreground out of focus or in motion: its colour and its alpha blur together."""
    weight = alpha.astype(np.float32)[..., None] / 255
    # A little weight everywhere keeps the continued colour where alpha is 0.
    layers = np.dstack([foreground * (weight + 1e-3), weight[..., 0], weight[..., 0] + 1e-3])
    if rng.random() < 0.6:
        blurred = np.asarray(cv2.GaussianBlur(layers, (0, 0), log_uniform(rng, 0.5, 4.0)))
    else:
        length = int(rng.integers(3, 18))
        turn = rng.uniform(0, np.pi)
        kernel = np.zeros((2 * length + 1, 2 * length + 1), np.float32)
        reach = np.array([np.cos(turn), np.sin(turn)]) * length / 2
        ends = np.rint(np.array([length + reach, length - reach])).astype(int)
        cv2.line(kernel, tuple(ends[0].tolist()), tuple(ends[1].tolist()), 1.0, 1, cv2.LINE_AA)
        kernel /= kernel.sum()
        blurred = np.asarray(cv2.filter2D(layers, -1, kernel, borderType=cv2.BORDER_REPLICATE))
    colour = blurred[..., :3] / blurred[..., 4:]
    return (
        np.rint(np.clip(colour, 0, 255)).astype(np.uint8),
        np.rint(np.clip(blurred[..., 3], 0, 1) * 255).astype(np.uint8),
    )


def degrade(rng: np.random.Generator, image: Picture) -> Picture:
    """What cameras and files do to a finished picture; a third stays as it is."""
    if rng.random() < 0.33:
        return image
    values = image.astype(np.float32)
    if rng.random() < 0.3:
        values = np.asarray(cv2.GaussianBlur(values, (0, 0), rng.uniform(0.3, 1.0)), np.float32)
    elif rng.random() < 0.25:
        soft = cv2.GaussianBlur(values, (0, 0), rng.uniform(0.6, 1.5))
        values = values + rng.uniform(0.2, 1.0) * (values - soft)
    if rng.random() < 0.6:
        values = values + rng.standard_normal(values.shape, dtype=np.float32) * np.float32(
            log_uniform(rng, 0.5, 9.0)
        )
    result = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    if rng.random() < 0.4:
        quality = int(rng.integers(40, 98))
        done, data = cv2.imencode(".jpg", result[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        if done:
            decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
            result = np.ascontiguousarray(decoded[..., ::-1])
    return result


def draw_trimap(rng: np.random.Generator, alpha: Picture) -> Picture:
    """A trimap as people, tools and papers make them.

    Most are the true matte's, eroded by two radii that are drawn on their own. Some come
    from a hard mask, so that strands lie in what it calls background; some have more
    unknown than they need, in spots or nearly everywhere.
    """
    erosion, dilation = (log_uniform(rng, 1.0, 40.0) for _ in range(2))
    kind = rng.random()
    if kind < 0.12:
        mask = np.where(alpha >= rng.integers(64, 192), 255, 0).astype(np.uint8)
        result = trimap(mask, max(erosion, 4.0), max(dilation, 4.0))
    else:
        # Published trimaps differ in what still counts as known.
        slack = int(rng.integers(0, 13)) if kind < 0.4 else 0
        result = trimap(alpha, erosion, dilation, low=slack, high=255 - slack)
    if rng.random() < 0.15:
        spots = np.zeros_like(alpha)
        for _ in range(int(rng.integers(1, 5))):
            centre = [int(v) for v in rng.integers(0, alpha.shape[0], 2)]
            axes = [int(v) for v in rng.integers(4, alpha.shape[0] // 5, 2)]
            cv2.ellipse(spots, centre, axes, float(rng.uniform(0, 180)), 0, 360, 255, -1)
        result[spots > 0] = UNKNOWN
    return result


def usable(trimap_: Picture) -> bool:
    """Whether something is unknown, but not most of it, and something known on both sides."""
    unknown = float((trimap_ == UNKNOWN).mean())
    both = bool((trimap_ == FOREGROUND).any()) and bool((trimap_ == BACKGROUND).any())
    # Wholly unknown crops outweigh the others in a loss that counts pixels, and teach little.
    return 0 < unknown < 0.65 and both
