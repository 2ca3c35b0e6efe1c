from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from builder.generation.layer_diffusion import sampler
from tests.builder.generation.layer_diffusion.golden import curved_denoiser, figures
from tests.builder.generation.layer_diffusion.tiny import seeded


def test_noise_levels() -> None:
    schedule = sampler.NoiseSchedule()
    sigmas = schedule.karras(25)
    assert len(sigmas) == 26
    found = [sigmas[at] for at in (0, 1, 12, 24, 25)]
    assert found == pytest.approx([14.614643, 12.283035, 1.274105, 0.029168, 0.0], abs=1e-6)
    assert [schedule.time_step(sigma) for sigma in (sigmas[at] for at in (0, 1, 12, 24))] == [
        999,
        970,
        427,
        0,
    ]


def test_noise_levels_part_of_the_way() -> None:
    sigmas = sampler.NoiseSchedule().karras(25, strength=0.7)
    assert len(sigmas) == 26 and sigmas[-1] == 0
    assert sigmas[0] == pytest.approx(3.86307, rel=1e-5)


@pytest.mark.parametrize(("steps", "strength"), [(0, 1.0), (5, 0.0), (5, 1.5)])
def test_impossible_noise_levels(steps: int, strength: float) -> None:
    with pytest.raises(ValueError, match="steps >= 1"):
        sampler.NoiseSchedule().karras(steps, strength)


# See test_decoder.GOLDEN: here the two differed by less than 1e-5.
GOLDEN = [-0.080724, 1.051803, 0.855555, 0.585363, 1.057827, 0.67979, 1.44888, -0.967151]


def test_golden_figures() -> None:
    sigmas = sampler.NoiseSchedule().karras(25)
    x = seeded("start", (2, 4, 8, 8), 7) * sigmas[0]
    assert figures(sampler.sample(curved_denoiser, x, sigmas)) == pytest.approx(GOLDEN, abs=1e-4)


def gaussian(spread: float) -> Callable[[torch.Tensor, float], torch.Tensor]:
    """The exact denoiser of data drawn from a normal distribution."""

    def denoise(x: torch.Tensor, sigma: float) -> torch.Tensor:
        return x * spread**2 / (spread**2 + sigma**2)

    return denoise


def test_second_order_on_a_problem_with_a_known_solution() -> None:
    spread = 0.5
    x = seeded("start", (1, 4, 8, 8), 1).double() * 14.6
    errors = []
    for steps in (25, 50, 100):
        sigmas = sampler.NoiseSchedule().karras(steps)
        # The flow keeps x / sqrt(spread**2 + sigma**2); the last step denoises.
        low, high = sigmas[-2], sigmas[0]
        exact = x * ((spread**2 + low**2) / (spread**2 + high**2)) ** 0.5
        exact = gaussian(spread)(exact, low)
        found = sampler.sample(gaussian(spread), x, sigmas)
        errors.append(float((found - exact).abs().max() / exact.abs().max()))
    assert errors[0] < 0.02
    # Halving the step quarters the error of a second-order method, about.
    assert errors[0] / errors[1] > 3
    assert errors[1] / errors[2] > 3


def test_one_step_is_the_denoised_picture() -> None:
    sigmas = sampler.NoiseSchedule().karras(1)
    x = torch.ones(1, 4, 2, 2)
    assert torch.equal(sampler.sample(gaussian(1.0), x, sigmas), gaussian(1.0)(x, sigmas[0]))
