"""Runs SDXL's VAE on as many pictures at a time as fit, in tiles when not even one does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from builder.generation.layer_diffusion.memory import Room, default_budget, even, most_by_index

VALUES_PER_PIXEL: Final = 8
"""Activation values alive at once for each pixel and channel of the widest full-size level."""

LARGEST_TILE: Final = 64
SMALLEST_TILE: Final = 16
"""Sides in latents of the tiles that it falls back to: 512 down to 128 pixels."""


class VAESteps:
    """Splits the VAE's work into steps that the memory holds.

    Args:
        vae: A ``diffusers.AutoencoderKL``.
        budget: Bytes that a step's activations may take; the device's default where None.
    """

    def __init__(self, vae: Any, budget: int | None = None) -> None:
        self._vae = vae
        self._room = Room("VAE", budget, last_resort=self._tile)

    def encoding(self, area: int, left: int) -> Any:
        """A step of encoding; see :meth:`decoding`."""
        return self._step(area, 0, left)

    def decoding(self, area: int, left: int) -> Any:
        """A step of decoding as a context; see :meth:`memory.Room.attempt`.

        Args:
            area: Pixels of a picture.
            left: How many pictures are left.

        Returns:
            A context that yields how many pictures to decode now.
        """
        # The decoder's last block starts with the channels of the level below.
        return self._step(area, 1, left)

    @contextmanager
    def _step(self, area: int, level: int, left: int) -> Iterator[int]:
        widths = self._vae.config.block_out_channels
        values = area * widths[min(level, len(widths) - 1)]
        each = values * VALUES_PER_PIXEL * self._vae.dtype.itemsize
        most = min(left, most_by_index(values))
        with self._room.attempt(each, default_budget(self._vae.device), most) as fit:
            yield even(left, fit)

    def _tile(self) -> bool:
        """Let the VAE work on tiles, smaller at each call; False if they would be too small."""
        vae = self._vae
        side = vae.tile_latent_min_size
        side = side // 2 if vae.use_tiling else min(side, LARGEST_TILE)
        if side < SMALLEST_TILE:
            return False
        # SDXL's tiles are as large as its pictures, so enabling tiling alone changes nothing.
        vae.enable_tiling()
        vae.tile_latent_min_size, vae.tile_sample_min_size = side, 8 * side
        return True
