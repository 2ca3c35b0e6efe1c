import numpy as np
import pytest
from numpy.typing import NDArray

from dataset_card.gallery import thumbnail
from dataset_card.hair import WIDTH, Version, hair_amount, hair_strip, hair_window


def head(size: int = 256) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A body whose soft hair is at the upper left; its lower border is soft too, and wider."""
    foreground = np.full((size, size, 3), (200, 30, 30), np.uint8)
    alpha = np.zeros((size, size), np.uint8)
    alpha[40:, 60:200] = 255
    alpha[30:70, 50:90] = 128
    alpha[200:250, 60:200] = 128
    return foreground, alpha


def test_the_window_lies_on_the_hair() -> None:
    _, alpha = head()
    y, x = hair_window(alpha, 40)
    assert (y, x) == (30, 50)
    assert hair_amount(alpha, 40) > 40 * 40 * 0.9
    assert hair_amount(np.zeros((64, 64), np.uint8), 32) == 0


@pytest.mark.parametrize("names", [("before", "refined"), ("before", "refined", "exact")])
def test_the_strip_shows_pixels_as_they_are(names: tuple[str, ...]) -> None:
    foreground, alpha = head()
    before = np.maximum(alpha, 30).astype(np.uint8)
    row = [Version(n, foreground, before if n == "before" else alpha) for n in names]
    strip = hair_strip([row, row])
    assert strip.dtype == np.uint8 and strip.shape[1] <= WIDTH
    side = (WIDTH - 4 * (2 * len(names) - 1)) // (2 * len(names))
    y, x = hair_window(alpha, side)
    left = len(names) * (side + 4)  # the first matte: before refinement
    np.testing.assert_array_equal(
        strip[22 : 22 + side, left : left + side, 0], before[y : y + side, x : x + side]
    )


def test_small_pictures_have_a_strip_too() -> None:
    foreground, alpha = head()
    small = [Version(n, foreground[:24, :32], alpha[40:64, 50:82]) for n in ("before", "refined")]
    assert hair_strip([small]).shape == (22 + 24, 4 * 28 - 4, 3)
    with pytest.raises(ValueError, match="at least one"):
        hair_strip([])


def test_a_thumbnail_has_four_pictures_side_by_side() -> None:
    foreground, alpha = head()
    assert thumbnail(foreground, alpha, 64, 0).shape == (64, 4 * 64 + 3 * 4, 3)
