"""Training and predicting leave the thread's treatment of denormal numbers as it was."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'matting' is not installed")

from ld_portrait_20k.matting import load  # noqa: E402
from ld_portrait_20k.matting.models.denormals import flush_denormals, flushed  # noqa: E402


@pytest.mark.parametrize("before", [False, True])
def test_the_setting_is_put_back(before: bool) -> None:
    torch.set_flush_denormal(before)
    try:
        with pytest.raises(ValueError), flush_denormals():
            assert flushed()
            raise ValueError
        assert flushed() == before
    finally:
        torch.set_flush_denormal(False)


def test_a_prediction_leaves_denormals_alone() -> None:
    image = np.full((48, 48, 3), 0.5, np.float32)
    trimap = np.full((48, 48), 0.5, np.float32)
    trimap[:16], trimap[32:] = 0, 1
    load("hint-unet")(image, trimap)
    assert not flushed()
