"""Members of a shard are the pictures' pixels, encoded once each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from builder.config import BuildConfig
from ld_portrait_20k import codec
from ld_portrait_20k.format.manifest import Manifest
from ld_portrait_20k.format.shards import read_samples
from tests.builder.building import plan_and_build
from tests.builder.pictures import save_cutouts


def test_an_alpha_that_refinement_leaves_is_encoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = save_cutouts(tmp_path / "people", 4, width=192, height=224)
    encoded: list[NDArray[np.uint8]] = []
    encode_alpha = codec.encode_alpha

    def count(alpha: NDArray[np.uint8]) -> bytes:
        encoded.append(alpha)
        return encode_alpha(alpha)

    monkeypatch.setattr(codec, "encode_alpha", count)
    config = BuildConfig(generator="folder", source=people, count=4, shards=1, reject=False)
    plan_and_build(config, tmp_path / "out")
    members = {
        shard.subset: list(read_samples(tmp_path / "out" / shard.path))
        for shard in Manifest.load(tmp_path / "out").shards
    }
    alike = 0
    for refined, raw in zip(members["default"], members["raw"], strict=True):
        alike += refined.alpha == raw.alpha
        source = np.asarray(Image.open(people / f"person_{int(raw.id[4:]):03d}.png"))
        assert (codec.decode_foreground(raw.foreground) == source[..., :3]).all()
        assert (codec.decode_alpha(raw.alpha) == source[..., 3]).all()
        same = (codec.decode_alpha(refined.alpha) == source[..., 3]).all()
        assert same == (refined.alpha == raw.alpha)
    assert alike >= 1
    assert len(encoded) == 8 - alike
