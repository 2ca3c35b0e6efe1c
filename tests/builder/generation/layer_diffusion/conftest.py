"""Tiny models for the Layer Diffusion tests, made once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from builder.generation.layer_diffusion.config import LayerDiffusionConfig
from builder.generation.layer_diffusion.pipeline import LayerDiffusionPipeline
from tests.builder.generation.layer_diffusion.tiny import TinyPaths


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """One thread, so that tests run beside each other; libraries keep off the network."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyPaths:
    """Paths of a tiny SDXL with Layer Diffusion weights; read-only, shared by all tests."""
    from tests.builder.generation.layer_diffusion.tiny import make_tiny

    return make_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_config(tiny: TinyPaths) -> LayerDiffusionConfig:
    """A configuration that runs the tiny models on the CPU."""
    from builder.generation.layer_diffusion import LayerDiffusionConfig

    return LayerDiffusionConfig(
        base_model=str(tiny.base), weights=str(tiny.weights), device="cpu", steps=3, batch_size=2
    )


@pytest.fixture(scope="session")
def pipeline(tiny_config: LayerDiffusionConfig) -> LayerDiffusionPipeline:
    """The tiny models, loaded; tests must leave it as it is."""
    from builder.generation.layer_diffusion import LayerDiffusionPipeline

    return LayerDiffusionPipeline.from_config(tiny_config)
