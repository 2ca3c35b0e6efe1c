"""hint-unet: its hints, its network and the weights that ship."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")

import torch
from torch import Tensor

from builder.generation.procedural import draw
from ld_portrait_20k import matting
from ld_portrait_20k.compositing.composite import composite
from ld_portrait_20k.compositing.geometry import resize_picture
from ld_portrait_20k.compositing.trimaps import trimap
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.metrics import grad, mad
from ld_portrait_20k.matting.models.hint_unet import HintUNet, laplacian
from ld_portrait_20k.matting.models.hint_unet.hints import (
    CHANNELS,
    PROJECTED,
    SOLVED,
    hints,
    project,
    push_pull,
    solve,
)
from ld_portrait_20k.matting.models.registry import MODELS
from ld_portrait_20k.matting.models.saving import load_pretrained, save_pretrained
from ld_portrait_20k.matting.training.recipes.export import export

torch.set_num_threads(1)


def pictures(seed: int, *shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def stripes(height: int = 48, width: int = 64) -> tuple[Tensor, Tensor, Tensor]:
    """A soft edge between two colours: picture, trimap and true alpha."""
    ramp = torch.linspace(-1, 2, width).clamp(0, 1)
    alpha = ramp.expand(1, 1, height, width).contiguous()
    red, blue = torch.tensor([0.9, 0.2, 0.1]), torch.tensor([0.1, 0.3, 0.8])
    image = alpha * red.view(1, 3, 1, 1) + (1 - alpha) * blue.view(1, 3, 1, 1)
    known = torch.full_like(alpha, 0.5)
    known[..., : width // 4], known[..., -width // 4 :] = 0, 1
    return image, known, alpha


def test_push_pull_keeps_what_is_known_and_continues_it() -> None:
    colour = torch.full((1, 3, 37, 50), 0.25)
    weight = (pictures(0, 1, 1, 37, 50) > 0.9).float()
    noisy = torch.where(weight > 0, colour, pictures(1, 1, 3, 37, 50))
    assert torch.allclose(push_pull(noisy, weight), colour, atol=1e-5)
    varied = pictures(2, 1, 3, 37, 50)
    found = push_pull(varied, weight)
    assert torch.equal(found * weight, varied * weight)
    assert float(push_pull(varied, torch.zeros_like(weight)).abs().max()) == 0


def test_projection_is_exact_between_two_colours() -> None:
    image, _, alpha = stripes()
    foreground = image[..., -1:].expand_as(image)
    background = image[..., :1].expand_as(image)
    found, distance = project(image, foreground, background)
    assert float((found - alpha).abs().max()) < 2e-3
    assert float(distance.max()) < 2e-3


def test_laplacian_is_pymattings() -> None:
    pymatting = pytest.importorskip("pymatting")
    image = pictures(3, 1, 3, 11, 9)
    # Its ridge is divided by the window's 9 pixels.
    expected = pymatting.cf_laplacian(image[0].permute(1, 2, 0).double().numpy(), 9e-4)
    planes = laplacian.matting_laplacian(image, 1e-4)
    alpha = pictures(4, 1, 1, 11, 9)
    product = laplacian.apply(planes, alpha)[0, 0].numpy().ravel()
    np.testing.assert_allclose(
        9 * product, expected @ alpha.numpy().ravel().astype(np.float64), atol=2e-4
    )


def test_descent_comes_to_the_solution() -> None:
    planes = laplacian.matting_laplacian(pictures(5, 2, 3, 10, 12), 1e-2)
    free = (pictures(6, 2, 1, 10, 12) > 0.3).float()
    start = pictures(7, 2, 1, 10, 12)
    found = laplacian.descend(planes, start, start, free, 1e-2, 300)
    residual = laplacian.apply(planes, found) + 1e-2 * (found - start)
    assert float((free * residual).abs().max()) < 1e-5
    assert torch.equal(found * (1 - free), start * (1 - free))


def test_solved_hint_follows_a_colour_line() -> None:
    image, known, alpha = stripes()
    prior = torch.where(known == 0.5, torch.full_like(alpha, 0.5), known)
    assert float((solve(image, known, prior) - alpha).abs().max()) < 0.02


@pytest.mark.parametrize("size", [(8, 8), (16, 48), (33, 70)])
def test_hints_of_any_size(size: tuple[int, int]) -> None:
    image = pictures(8, 2, 3, *size)
    known = torch.tensor([0, 0.5, 1])[(pictures(9, 2, 1, *size) * 3).long()]
    found = hints(image, known)
    assert found.shape == (2, CHANNELS, *size)
    assert found.isfinite().all()
    for channel in (PROJECTED, SOLVED):
        estimate = found[:, channel : channel + 1]
        assert torch.equal(estimate[known == 0], torch.zeros_like(estimate[known == 0]))
        assert torch.equal(estimate[known == 1], torch.ones_like(estimate[known == 1]))
    alone = hints(image[:1], known[:1])
    assert torch.allclose(found[:1], alone, atol=1e-4)


def test_hints_of_pictures_without_anything_known() -> None:
    image = pictures(10, 1, 3, 32, 32)
    assert hints(image, torch.full((1, 1, 32, 32), 0.5)).isfinite().all()
    assert hints(torch.zeros_like(image), torch.full((1, 1, 32, 32), 0.5)).isfinite().all()


def test_network_is_small_and_starts_near_its_hints() -> None:
    torch.manual_seed(0)
    network = HintUNet().eval()
    assert sum(p.numel() for p in network.parameters()) <= 1_000_000
    image, known, alpha = stripes()
    with torch.inference_mode():
        found = network(network.prepare(image, known))
    assert float((found - alpha).abs().mean()) < 0.05
    assert torch.equal(found[known == 0], known[known == 0])
    assert torch.equal(found[known == 1], known[known == 1])


def test_config_makes_the_network_again() -> None:
    network = HintUNet({"widths": [8, 12, 16, 16]})
    again = HintUNet(network.config)
    assert again.config == network.config
    again.load_state_dict(network.state_dict())
    with pytest.raises(ValueError, match="four entries"):
        HintUNet({"widths": [8, 12]})


needs_weights = pytest.mark.skipif(
    MODELS["hint-unet"].shipped is None, reason="the weights are not in this checkout"
)


@needs_weights
def test_shipped_weights_are_small() -> None:
    folder = MODELS["hint-unet"].shipped
    assert folder is not None
    assert (folder / "model.safetensors").stat().st_size <= 2_000_000
    assert "procedural" in (folder / "README.md").read_text()
    network = load_pretrained(folder)
    count = sum(p.numel() for p in network.parameters())
    assert count == MODELS["hint-unet"].parameters <= 1_000_000


@needs_weights
def test_shipped_weights_beat_closed_form_on_a_drawn_portrait() -> None:
    """One portrait over broad colours; over fine noise closed-form wins (see the card)."""
    pytest.importorskip("pymatting")
    image, known, alpha = drawn(7_100_000)
    unknown = known == 0.5
    errors = {}
    for name in ("hint-unet", "closed-form"):
        found = matting.load(name)(image, known)
        np.testing.assert_array_equal(found[~unknown], known[~unknown])
        errors[name] = (mad(found, alpha, unknown), grad(found, alpha, unknown))
    assert errors["hint-unet"][0] < errors["closed-form"][0]
    assert errors["hint-unet"][1] < errors["closed-form"][1]


def test_folded_network_gives_what_the_trained_one_gives(tmp_path: Path) -> None:
    network = trained_a_little({"widths": [8, 12, 16, 16], "norm": True})
    folded = network.folded()
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    assert folded.config == {**network.config, "norm": False}
    image, known, _ = stripes()
    inputs = network.prepare(image, known)
    with torch.inference_mode():
        found, expected = (one.eval().half().float()(inputs) for one in (folded, network))
    assert float((found - expected).abs().max()) < 0.02  # the CPU may compute in bfloat16
    plain = HintUNet({"widths": [8, 12, 16, 16]})
    again = plain.folded().state_dict()
    assert all(torch.equal(value, again[name]) for name, value in plain.state_dict().items())


def test_network_without_the_solved_alpha_starts_from_the_projected_one() -> None:
    torch.manual_seed(0)
    image, known, _ = stripes()
    inputs = HintUNet({"solved": False}).prepare(image, known)
    assert torch.equal(inputs[:, SOLVED], inputs[:, PROJECTED])


def test_export_halves_the_weights(tmp_path: Path) -> None:
    network = trained_a_little({"widths": [8, 12, 16, 16], "norm": True})
    save_pretrained(network, tmp_path / "run", card="a card\n")
    size = export(tmp_path / "run", tmp_path / "shipped")
    assert size < 0.55 * (tmp_path / "run" / "model.safetensors").stat().st_size
    assert (tmp_path / "shipped" / "README.md").read_text() == "a card\n"
    again = load_pretrained(tmp_path / "shipped")
    image, known, _ = stripes()
    inputs = network.prepare(image, known)
    with torch.inference_mode():
        assert torch.allclose(again(inputs), network.eval()(inputs), atol=1e-2)


def test_export_mixes_a_run_with_the_one_it_started_from(tmp_path: Path) -> None:
    shape = {"widths": [8, 12, 16, 16], "norm": True}
    before, after = HintUNet(shape), trained_a_little(shape)
    for name, network in (("first", before), ("run", after)):
        save_pretrained(network, tmp_path / name, card="a card")
    shares = {0.0: before, 1.0: after}
    image, known, _ = stripes()
    inputs = after.prepare(image, known)
    for share, expected in shares.items():
        export(tmp_path / "run", tmp_path / "out", first=tmp_path / "first", share=share)
        found = load_pretrained(tmp_path / "out").eval()
        with torch.inference_mode():
            difference = found(inputs) - expected.folded().eval()(inputs)
        assert float(difference.abs().max()) < 0.02  # weights of 16 bits
    export(tmp_path / "run", tmp_path / "out", first=tmp_path / "first", share=0.75)
    found = load_pretrained(tmp_path / "out").state_dict()["head.weight"]
    first, last = (network.state_dict()["head.weight"] for network in (before, after))
    torch.testing.assert_close(found, 0.25 * first + 0.75 * last, atol=1e-3, rtol=0)
    save_pretrained(HintUNet({"widths": [8, 12, 16, 24]}), tmp_path / "other", card="a card")
    with pytest.raises(PortraitError, match="networks of different shapes"):
        export(tmp_path / "run", tmp_path / "out", first=tmp_path / "other")
    with pytest.raises(PortraitError, match=r"must be in 0\.\.1"):
        export(tmp_path / "run", tmp_path / "out", first=tmp_path / "first", share=1.5)


def trained_a_little(config: dict[str, Any]) -> HintUNet:
    """A network whose running statistics and norms are no longer those of the start."""
    torch.manual_seed(0)
    network = HintUNet(config).train()
    inputs = network.prepare(pictures(11, 2, 3, 32, 32), torch.full((2, 1, 32, 32), 0.5))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(3):
        (network(inputs) - 0.3).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return network


def drawn(
    seed: int, size: int = 256
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """A drawn portrait over broad patches of colour: picture, trimap and true alpha, 0..1."""
    portrait = draw(seed, {}, size, size)
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, 256, (size // 64, size // 64, 3), np.uint8)
    behind = resize_picture(cells, (size, size))
    image = composite(portrait.foreground, portrait.alpha, behind)
    known = trimap(portrait.alpha, 8, 8)
    half = np.where(known == 128, np.float32(0.5), known.astype(np.float32) / np.float32(255))
    unit = np.float32(255)
    return image.astype(np.float32) / unit, half, portrait.alpha.astype(np.float32) / unit
