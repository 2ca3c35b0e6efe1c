"""What every generator is: planned rows in, straight RGBA and a record of its making out.

``README.md`` beside this module shows a whole generator of twenty lines.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from builder.plan import PlanRow

if TYPE_CHECKING:
    from builder.config import BuildConfig


@dataclass(frozen=True, slots=True)
class Request:
    """One picture to make.

    Attributes:
        row: The planned sample.
        attempt: 0 for the first try; a sample that quality control rejects is asked for
            again with the next attempt where the generator can give another picture.
        seed: The seed of this attempt, derived from the row's seed and the attempt.
    """

    row: PlanRow
    attempt: int
    seed: int


@dataclass(slots=True)
class Generated:
    """A picture as its generator made it, before refinement.

    Its size is the planned one, ``request.row.height`` by ``request.row.width``, except where
    these are 0: then the source file decides.

    Attributes:
        request: What was asked for.
        foreground: (H, W, 3) uint8, straight sRGB.
        alpha: (H, W) uint8, the raw alpha.
        record: The ``generator`` section of the sample's metadata (see
            :data:`ld_portrait_20k.format.schema.METADATA`): name, version and whatever applies.
        truth: The exact (foreground, alpha), same shapes and dtypes, where it is known.
        encoded: Subset to its encoded foreground and alpha, where the picture comes from a
            shard: they are kept as they are, so that JPEG is not encoded twice.
    """

    request: Request
    foreground: NDArray[np.uint8]
    alpha: NDArray[np.uint8]
    record: dict[str, Any] = field(default_factory=dict)
    truth: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None
    encoded: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rejection:
    """A picture that could not be made, or that quality control rejected.

    Attributes:
        request: What was asked for.
        reason: A short name, one word with hyphens (``no-alpha``, ``haze``).
        detail: One line for a person, naming the file or the figures.
        figures: The figures that led to it.
    """

    request: Request
    reason: str
    detail: str
    figures: dict[str, Any] = field(default_factory=dict)


class Generator(Protocol):
    """A source of portraits.

    Attributes:
        name: Lower-case words joined by hyphens, such as ``procedural``; it stands in the
            plan, in every sample's metadata and on the card.
        batch_size: How many requests :meth:`generate` takes at a time; only a generator on a
            device gets more than one.
        repeatable: Whether another attempt gives another picture; if not, a rejected
            sample is not tried again.
    """

    name: str
    batch_size: int
    repeatable: bool

    def generate(self, requests: Sequence[Request]) -> Iterator[Generated | Rejection]:
        """Make the pictures, in order, one result a request.

        A picture depends on its request alone, never on what was generated before or in the
        same batch (beyond floating-point noise where a device batches).
        """
        ...


class GeneratorEntry(ABC):
    """What the registry knows of a generator: how to plan for it, and how to open it.

    Attributes:
        name: The generator's name, see :class:`Generator`.
        summary: One line for ``python -m builder generators``.
        on_device: Whether it owns a device and runs beside the CPU workers; else it runs
            inside each of them.
        reads_negative_prompt: Whether planned rows get a negative prompt.
    """

    name: str
    summary: str = ""
    on_device: bool = False
    reads_negative_prompt: bool = False

    @abstractmethod
    def spec(
        self, config: BuildConfig, device: str = "auto", *, allow_unresolved: bool = False
    ) -> dict[str, Any]:
        """All that decides the pictures, as JSON: name, version, options, models by hash.

        It becomes the ``generator`` section of the plan. It is made without the device and
        without loading weights.

        Args:
            config: What to build.
            device: Where the generator will compute; it need not be there now.
            allow_unresolved: Whether models may lack their hashes, for a dry run.

        Raises:
            PortraitError: An option that cannot be, or models that do not exist.
        """

    @abstractmethod
    def open(self, spec: Mapping[str, Any], run_options: Mapping[str, Any]) -> Generator:
        """The generator of a plan.

        Args:
            spec: What :meth:`spec` gave when the dataset was planned.
            run_options: What decides no bytes: ``source``, ``device`` and the like (see
                ``builder.pipeline.run_options``).
        """

    def gives_truth(self, spec: Mapping[str, Any]) -> bool:
        """Whether every picture comes with its exact matte, for the subset ``truth``."""
        return False

    def check_values(self, values: Mapping[str, Sequence[str]]) -> None:  # noqa: B027
        """Check that the generator can draw every value of a vocabulary.

        Args:
            values: Attribute to its values.

        Raises:
            PortraitError: It cannot draw one.
        """

    def attributes_of(self, prompt: str, seed: int) -> dict[str, str | None]:
        """The attributes of a portrait that a user's own prompt describes.

        Args:
            prompt: The text.
            seed: The sample's seed.

        Returns:
            Empty for a generator that reads the text itself: nothing is known for certain.

        Raises:
            PortraitError: The generator draws attributes only, and the text says more.
        """
        return {}

    def check_ready(  # noqa: B027
        self, spec: Mapping[str, Any], run_options: Mapping[str, Any], pictures: int
    ) -> None:
        """Check that the generator can run on this machine; nothing is loaded.

        Args:
            spec: The plan's ``generator`` section.
            run_options: As for :meth:`open`.
            pictures: How many pictures are wanted, for an estimate in a message.

        Raises:
            PortraitError: No such device, or a package that is missing.
        """

    def run_needs(
        self, spec: Mapping[str, Any], width: int, height: int
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """What a run takes beside disk: repositories to download, and lines on hardware.

        Args:
            spec: The plan's ``generator`` section.
            width: Of a picture, in pixels; 0 where that is not planned.
            height: Of a picture, in pixels; 0 where that is not planned.
        """
        if self.on_device:
            return [], [f"the device that {self.name} asks for"]
        return [], ["CPU alone; a worker process a core"]
