"""From a sample as it lies in its shard to the dict that a stream yields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k import codec
from ld_portrait_20k.common.printable import printable
from ld_portrait_20k.deferred import MARK, DeferredForeground, decoded
from ld_portrait_20k.errors import ShardError
from ld_portrait_20k.format.shards import RawSample
from ld_portrait_20k.streaming.order import sample_seed

Sample = dict[str, Any]


def finish_sample(
    raw: RawSample, transform: Callable[[Sample], Any] | None, seed: int, epoch: int
) -> Any:
    """Decode and transform a sample.

    Args:
        raw: The sample, encoded.
        transform: The stream's; the foreground is deferred if it takes that.
        seed: The stream's.
        epoch: The epoch that the sample is read in.

    Returns:
        What the transform returns, or the :class:`ShardError` that says why the sample is
        damaged. It is not raised, so that errors of the transform are told apart.
    """
    defers = bool(getattr(transform, MARK, False))
    try:
        sample = decode_sample(raw, seed, epoch, deferred=defers)
    except ShardError as problem:
        return problem
    if transform is None:
        return sample
    try:
        return decoded(transform(sample))
    except ShardError as problem:
        # The transform decodes the foreground. It may read other samples too, whose damage
        # is no reason to leave this one out.
        if defers and (problem.sample, problem.shard) == (raw.id, raw.shard):
            return problem
        raise


def decode_sample(raw: RawSample, seed: int, epoch: int, *, deferred: bool = False) -> Sample:
    """Decode a sample.

    Args:
        raw: The sample, encoded.
        seed: The stream's.
        epoch: The epoch that the sample is read in.
        deferred: Leave the foreground to be decoded later; its header is checked here.

    Returns:
        The dict that :class:`~ld_portrait_20k.streaming.stream.PortraitStream` describes.

    Raises:
        ShardError: A picture that does not decode, dimensions that differ between
            foreground, alpha and metadata, or metadata of another sample.
    """
    foreground: NDArray[np.uint8] | DeferredForeground
    try:
        if deferred:
            header = codec.foreground_header(raw.foreground)
            foreground = DeferredForeground(raw, (header.height, header.width, 3))
        else:
            foreground = codec.decode_foreground(raw.foreground)
        alpha = codec.decode_alpha(raw.alpha)
    except codec.ImageError as problem:
        raise raw.error(str(problem)) from problem
    metadata = raw.metadata
    height, width = alpha.shape
    recorded = (metadata.get("height"), metadata.get("width"))
    if foreground.shape[:2] != alpha.shape or recorded != (height, width):
        raise raw.error(
            f"dimensions differ: foreground {foreground.shape[1]}x{foreground.shape[0]}, "
            f"alpha {width}x{height}, metadata {printable(f'{recorded[1]}x{recorded[0]}', 60)}"
        )
    if metadata.get("id") != raw.id:
        raise raw.error(f"metadata has the id {printable(repr(metadata.get('id')), 60)}")
    prompt = metadata.get("prompt")
    if prompt is not None and not isinstance(prompt, str):
        raise raw.error("the prompt is not text")
    return {
        "id": raw.id,
        "transform_seed": sample_seed(int(raw.id[4:]), seed, epoch),
        "foreground": foreground,
        "alpha": alpha,
        "prompt": prompt or "",
        "metadata": metadata,
    }
