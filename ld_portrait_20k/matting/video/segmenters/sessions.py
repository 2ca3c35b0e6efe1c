"""Inference sessions of transformers' video models, kept small while frames stream through."""

from __future__ import annotations

from typing import Any

import torch

from ld_portrait_20k.matting.video.segmenters.published import VideoNetwork


def trim(session: Any, network: VideoNetwork, index: int) -> None:
    """Drop what later frames cannot look back to.

    The pixels of a frame are used once, full-size masks never again, and outputs only as far
    back as the memory and the object pointers reach. The keys of frames stay, because the
    models count them.

    Args:
        session: A ``Sam2VideoInferenceSession`` or ``Sam3VideoInferenceSession``.
        network: Whose it is.
        index: The frame that was just done, by the session's count.
    """
    config = getattr(network.module.config, "tracker_config", network.module.config)
    reach = max(config.num_maskmem, config.max_object_pointers_in_encoder)
    session.processed_frames[index] = torch.empty(0)
    for outputs in session.output_dict_per_obj.values():
        past = outputs["non_cond_frame_outputs"]
        for old in [key for key in past if key < index - reach]:
            del past[old]
        for one in (*past.values(), *outputs["cond_frame_outputs"].values()):
            one.pop("high_res_masks", None)
