"""SAM 2 and SAM 3 with few random weights, saved as transformers saves the real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

SIDE = 64
MEMORY = 64
WIDTH = 2 * MEMORY
"""transformers takes memories of 64 channels alone, and features of a multiple of them."""

_DECODER = {
    "hidden_size": WIDTH, "mlp_dim": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "attention_downsample_rate": 1, "iou_head_hidden_dim": 8, "iou_head_depth": 2,
}  # fmt: skip
_MEMORY: dict[str, Any] = {
    "memory_attention_hidden_size": WIDTH, "memory_attention_num_layers": 1,
    "memory_attention_feed_forward_hidden_size": 16, "memory_encoder_hidden_size": WIDTH,
    "memory_encoder_output_channels": MEMORY, "mask_downsampler_embed_dim": WIDTH,
    "memory_fuser_num_layers": 1, "memory_fuser_embed_dim": WIDTH,
    "memory_fuser_intermediate_dim": 16,
}  # fmt: skip


def save_sam2(folder: Path) -> Path:
    """A ``Sam2VideoModel`` of some ten thousand weights."""
    from transformers import Sam2VideoConfig, Sam2VideoModel

    torch.manual_seed(3)
    config = Sam2VideoConfig(
        vision_config={
            "model_type": "sam2_vision_model",
            "backbone_config": {
                "model_type": "sam2_hiera_det_model", "hidden_size": 8,
                "num_attention_heads": 1, "image_size": [SIDE, SIDE],
                "blocks_per_stage": [1, 1, 2, 1], "embed_dim_per_stage": [8, 16, 32, 64],
                "num_attention_heads_per_stage": [1, 1, 1, 1],
                "window_size_per_stage": [8, 4, 4, 2], "global_attention_blocks": [3],
            },
            "backbone_channel_list": [64, 32, 16, 8],
            "backbone_feature_sizes": [[SIDE // 4] * 2, [SIDE // 8] * 2, [SIDE // 16] * 2],
            "fpn_hidden_size": WIDTH,
        },
        prompt_encoder_config={
            "hidden_size": WIDTH, "image_size": SIDE, "patch_size": 16, "mask_input_channels": 4,
        },
        mask_decoder_config=_DECODER, image_size=SIDE,
        memory_attention_rope_feat_sizes=[SIDE // 16] * 2, **_MEMORY,
    )  # fmt: skip
    Sam2VideoModel(config).save_pretrained(folder)
    processor = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    (folder / "video_preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def save_sam3(folder: Path) -> Path:
    """A ``Sam3VideoModel`` that takes its two queries of the first frame for people."""
    from transformers import Sam3VideoConfig, Sam3VideoModel

    torch.manual_seed(3)
    patches = SIDE // 8
    vision = {
        "model_type": "sam3_vision_model", "fpn_hidden_size": WIDTH,
        "backbone_config": {
            "model_type": "sam3_vit_model", "hidden_size": 16, "intermediate_size": 16,
            "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": SIDE,
            "patch_size": 8, "window_size": 4, "global_attn_indexes": [0],
            "pretrain_image_size": SIDE,
        },
        "backbone_feature_sizes": [[4 * patches] * 2, [2 * patches] * 2, [patches] * 2],
    }  # fmt: skip
    part = {
        "hidden_size": WIDTH,
        "num_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    detector = {
        "model_type": "sam3", "vision_config": vision,
        "text_config": {
            "model_type": "clip_text_model", "vocab_size": len(_VOCABULARY), "hidden_size": 16,
            "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "max_position_embeddings": 32, "projection_dim": 16,
        },
        "geometry_encoder_config": part, "detr_encoder_config": part,
        "detr_decoder_config": {**part, "num_queries": 2},
        "mask_decoder_config": {"hidden_size": WIDTH, "num_attention_heads": 2},
    }  # fmt: skip
    tracker = {
        "model_type": "sam3_tracker_video", "vision_config": vision,
        "prompt_encoder_config": {
            "hidden_size": WIDTH, "image_size": SIDE, "patch_size": 8, "mask_input_channels": 4,
        },
        "mask_decoder_config": _DECODER, "image_size": SIDE,
        "memory_attention_rope_feat_sizes": [patches] * 2, **_MEMORY,
    }  # fmt: skip
    config = Sam3VideoConfig(
        detector_config=detector, tracker_config=tracker, low_res_mask_size=4 * patches,
        score_threshold_detection=0.0, new_det_thresh=0.0, assoc_iou_thresh=0.0,
    )  # fmt: skip
    Sam3VideoModel(config).save_pretrained(folder)
    _save_tokenizer(folder)
    return folder


_VOCABULARY = {
    token: number
    for number, token in enumerate(
        ["p", "e", "r", "s", "o", "n</w>", "<|startoftext|>", "<|endoftext|>"]
    )
}


def _save_tokenizer(folder: Path) -> None:
    from transformers import CLIPTokenizer

    CLIPTokenizer(vocab=_VOCABULARY, merges=[]).save_pretrained(folder)
