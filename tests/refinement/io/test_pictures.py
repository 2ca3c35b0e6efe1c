"""The reader of untrusted pictures."""

from __future__ import annotations

import numpy as np
import pytest

from refinement.io import pictures
from refinement.options import PictureError
from tests import odd_pictures


@pytest.mark.parametrize("name", odd_pictures.GOOD)
def test_a_good_picture_in_odd_company_is_read(name: str) -> None:
    assert np.array_equal(pictures.read(odd_pictures.GOOD[name]).rgba, odd_pictures.RGBA)


@pytest.mark.parametrize("name", odd_pictures.BAD)
def test_a_bad_picture_has_a_reason(name: str) -> None:
    content, reasons = odd_pictures.BAD[name]
    with pytest.raises(PictureError) as caught:
        pictures.read(content)
    assert caught.value.reason in reasons.split("|")
    assert "\n" not in str(caught.value)


def test_a_profile_that_no_png_gives_back_is_refused_only_for_output() -> None:
    picture = pictures.read(odd_pictures.GOOD["profile of two megabytes"])
    assert picture.profile is not None and len(picture.profile) > 2_000_000
    with pytest.raises(PictureError, match="over 1 MB"):
        picture.colour_space()
