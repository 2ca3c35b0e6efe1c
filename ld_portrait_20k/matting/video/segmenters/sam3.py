"""SAM 3 through transformers: every person by the word "person", tracked; no prompt needed.

Carion et al., "SAM 3: Segment Anything with Concepts", 2025.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.video.frames import Frame, Pixels
from ld_portrait_20k.matting.video.masks import ALL, LARGEST
from ld_portrait_20k.matting.video.segmenters.published import load_network, soft_mask
from ld_portrait_20k.matting.video.segmenters.sessions import trim
from ld_portrait_20k.matting.video.segmenters.weights import source_of
from ld_portrait_20k.matting.video.writing import SEGMENT

WORD: Final = "person"

_TOKENS: Final = 32  # length of the text that SAM 3's processor pads to


class Sam3:
    """Masks of the people by SAM 3's detector and tracker.

    People who touch are told apart: of several the one is kept that covers the mask before
    best, at first the largest. A session lives for one segment of :data:`~.writing.SEGMENT`
    frames; each frame is searched anew, so someone who enters is seen.

    Args:
        weights: A folder or a repository on the Hub; by default what the environment names,
            else that of :data:`~.weights.REPOSITORY`.
        revision: Of the repository.
        device: Where it computes.
        people: ``"largest"`` or ``"all"``, as for :func:`~..masks.person`.
        word: What to look for.

    Raises:
        PortraitError: The model or its tokenizer cannot be had.
    """

    name = "sam3"

    def __init__(
        self,
        weights: str | None = None,
        *,
        revision: str | None = None,
        device: str = "cpu",
        people: str = LARGEST,
        word: str = WORD,
    ) -> None:
        self._people, self._word = people, word
        self._network = load_network(
            "sam3_video", "Sam3VideoModel", source_of(self.name, weights),
            revision=revision, device=device, mean=0.5,
        )  # fmt: skip
        self._text = self._tokens()
        self._session: Any = None
        self._shown = 0
        _keep_kernels_out()

    @torch.inference_mode()
    def __call__(self, frame: Frame, last: tuple[Frame, Pixels] | None) -> Pixels:
        """The mask of a frame; see :class:`~.protocol.Segmenter`."""
        if self._session is None or last is None or frame.index % SEGMENT == 0:
            self._begin_session()
        found = self._network.module(
            inference_session=self._session,
            frame=self._network.prepare(frame.colour),
            frame_idx=self._shown,
        )
        trim(self._session, self._network, self._shown)
        self._shown += 1
        height, width = frame.colour.shape[:2]
        hidden = set(found.suppressed_obj_ids or ()) | set(found.removed_obj_ids or ())
        masks = [
            soft_mask(logits.reshape(logits.shape[-2:]), height, width)
            for number, logits in sorted(found.obj_id_to_mask.items())
            if number not in hidden
        ]
        return chosen(masks, self._people, last[1] if last else None, (height, width))

    def _begin_session(self) -> None:
        from transformers.models.sam3_video.modeling_sam3_video import Sam3VideoInferenceSession

        device = self._network.device
        self._session = session = Sam3VideoInferenceSession(
            inference_device=device, inference_state_device=device, video_storage_device=device,
            dtype=torch.float32,
        )  # fmt: skip
        number = session.add_prompt(self._word)
        session.prompt_input_ids[number] = self._text["input_ids"].to(device)
        session.prompt_attention_masks[number] = self._text["attention_mask"].to(device)
        self._shown = 0

    def _tokens(self) -> dict[str, torch.Tensor]:
        from transformers import AutoTokenizer

        folder = self._network.folder
        # transformers would make up an empty vocabulary.
        if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json")):
            raise PortraitError(f"{folder}: no tokenizer there; try: fetch its json files too")
        try:
            tokenizer = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError, KeyError, TypeError) as problem:
            reason = " ".join(str(problem).split())[:200]
            raise PortraitError(
                f"{folder}: no tokenizer that can be read ({reason}); "
                "try: fetch its json files anew"
            ) from problem
        return dict(
            tokenizer(self._word, return_tensors="pt", padding="max_length", max_length=_TOKENS)
        )


def chosen(masks: list[Pixels], people: str, last: Pixels | None, shape: tuple[int, int]) -> Pixels:
    """The mask of one person, or of all."""
    if not masks:
        return np.zeros(shape, np.uint8)
    if people == ALL:
        return np.asarray(np.maximum.reduce(masks), np.uint8)
    solid = [mask >= 128 for mask in masks]
    if last is not None and (last >= 128).any():
        before = last >= 128
        shares = [int((one & before).sum()) / max(1, int((one | before).sum())) for one in solid]
        if max(shares) > 0:
            return masks[int(np.argmax(shares))]
    return masks[int(np.argmax([one.sum() for one in solid]))]


def _keep_kernels_out() -> None:
    """Keep transformers from fetching compiled code of the Hub for SAM 3's post-processing.

    Where the package ``kernels`` is installed, it would run ``kernels-community/cv-utils``.
    Without it, overlapping detections and small holes stay, which the choice of a person and
    the trimaps bear.
    """
    from transformers.models.sam3_video import modeling_sam3_video

    module: Any = modeling_sam3_video
    module.cv_utils_kernel = False
