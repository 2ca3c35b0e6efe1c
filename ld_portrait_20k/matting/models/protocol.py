"""What every matting model promises, and what a network needs to be trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


@runtime_checkable
class MattingModel(Protocol):
    """A way from a picture to its alpha matte; classical methods are models too.

    Attributes:
        name: As the registry has it, or the folder it was loaded from.
        licence: Of its weights, an SPDX identifier or a few words.
        needs_trimap: Whether ``trimap`` must be given.
    """

    name: str
    licence: str
    needs_trimap: bool

    def __call__(
        self, image: NDArray[np.float32], trimap: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """The alpha matte of a picture.

        Args:
            image: (H, W, 3) float32 sRGB, 0..1.
            trimap: (H, W) float32: 0 background, 0.5 unknown, 1 foreground.

        Returns:
            (H, W) float32, 0..1, exactly 0 and 1 where the trimap is known.

        Raises:
            PortraitError: The trimap is missing or of another size.
        """
        ...


class TrainableModel(Protocol):
    """What the training loop needs of a network (a ``torch.nn.Module``).

    Attributes:
        config: What builds it again, JSON-able; ``model_type`` names its kind.
        needs_trimap: Whether its input holds a trimap.
    """

    config: dict[str, Any]
    needs_trimap: bool

    def prepare(self, image: Tensor, trimap: Tensor) -> Tensor:
        """The network's input, with whatever hints it takes; without gradients.

        Args:
            image: (B, 3, H, W) float32 sRGB, 0..1.
            trimap: (B, 1, H, W) float32 of 0, 0.5 and 1; a model without trimap ignores it.
        """
        ...

    def forward(self, inputs: Tensor) -> Tensor:
        """Alpha (B, 1, H, W), 0..1, of what :meth:`prepare` gave."""
        ...
