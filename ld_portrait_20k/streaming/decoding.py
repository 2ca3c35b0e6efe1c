"""From a sample as it lies in its shard to the dict that a stream yields."""

from __future__ import annotations

from typing import Any

from ld_portrait_20k import codec
from ld_portrait_20k.printable import printable
from ld_portrait_20k.shards import RawSample
from ld_portrait_20k.streaming.order import sample_seed

Sample = dict[str, Any]


def decode_sample(raw: RawSample, seed: int, epoch: int) -> Sample:
    """Decode a sample.

    Args:
        raw: The sample, encoded.
        seed: The stream's.
        epoch: The epoch that the sample is read in.

    Returns:
        The dict that :class:`~ld_portrait_20k.streaming.stream.PortraitStream` describes.

    Raises:
        ShardError: A picture that does not decode, dimensions that differ between
            foreground, alpha and metadata, or metadata of another sample.
    """
    try:
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
