"""SAM 2 through transformers: one mask, box or point in the first frame, then the whole clip.

Ravi et al., "SAM 2: Segment Anything in Images and Videos", 2024.
"""

from __future__ import annotations

import math
from typing import Any, Final

import torch

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.video.frames import Frame, Pixels
from ld_portrait_20k.matting.video.segmenters.prompts import Prompt
from ld_portrait_20k.matting.video.segmenters.published import load_network, soft_mask
from ld_portrait_20k.matting.video.segmenters.sessions import trim
from ld_portrait_20k.matting.video.segmenters.weights import source_of
from ld_portrait_20k.matting.video.writing import SEGMENT

_PERSON: Final = 1  # the one object that is tracked
_BOX_CORNERS: Final = (2, 3)  # labels of a box's corners, as SAM's prompt encoder counts


class Sam2:
    """The mask of the person by SAM 2's memory of the frames before.

    A session lives for one segment of :data:`~.writing.SEGMENT` frames. The next one begins
    with the prompt in the first frame and with the last mask that was kept, so memory stays
    bounded, someone who left can be found again, and a run that goes on gives the same masks.

    Args:
        prompt: Where the person is in the first frame.
        weights: A folder or a repository on the Hub; by default what the environment names,
            else that of :data:`~.weights.REPOSITORY`.
        revision: Of the repository.
        device: Where it computes.

    Raises:
        PortraitError: There is no prompt, or the model cannot be had.
    """

    name = "sam2"

    def __init__(
        self,
        prompt: Prompt,
        weights: str | None = None,
        *,
        revision: str | None = None,
        device: str = "cpu",
    ) -> None:
        if prompt.is_empty:
            raise PortraitError(
                "the segmenter sam2 is told nothing; try: --first-mask PICTURE, --first-box or "
                "--first-point"
            )
        self._prompt = prompt
        self._network = load_network(
            "sam2_video", "Sam2VideoModel", source_of(self.name, weights),
            revision=revision, device=device, mean=math.nan,
        )  # fmt: skip
        self._first: Frame | None = None
        self._session: Any = None

    def begin(self, frame: Frame) -> None:
        """Take in the clip's first frame; see :class:`~.protocol.AnchoredSegmenter`."""
        self._prompt.check(*frame.colour.shape[:2])
        self._first, self._session = frame, None

    @torch.inference_mode()
    def __call__(self, frame: Frame, last: tuple[Frame, Pixels] | None) -> Pixels:
        """The mask of a frame; see :class:`~.protocol.Segmenter`."""
        if self._first is None or last is None:
            self.begin(frame)
        assert self._first is not None
        if last is None:
            return self._prompted(frame)
        if self._session is None or frame.index % SEGMENT == 0:
            self._prompted(self._first)
            if last[0].index != self._first.index and last[1].any():
                self._shown(last[0], Prompt(mask=last[1]))
        return self._shown(frame)

    def _prompted(self, first: Frame) -> Pixels:
        """A new session; the mask of the first frame by what the user said of it."""
        from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

        device = self._network.device
        self._session = Sam2VideoInferenceSession(
            inference_device=device, inference_state_device=device, video_storage_device=device,
            dtype=torch.float32,
        )  # fmt: skip
        return self._shown(first, self._prompt)

    def _shown(self, frame: Frame, prompt: Prompt | None = None) -> Pixels:
        """Show the session a frame, with a prompt or to be tracked."""
        height, width = frame.colour.shape[:2]
        if prompt is not None:
            place = self._session.obj_id_to_idx(_PERSON)
            if prompt.mask is not None:
                mask = self._network.prepare_mask(prompt.fitted_mask(height, width))
                self._session.add_mask_inputs(place, frame.index, mask)
            else:
                points = self._points(prompt, height, width)
                self._session.add_point_inputs(place, frame.index, points)
            self._session.obj_with_new_inputs = [_PERSON]
        found = self._network.module(
            inference_session=self._session,
            frame=self._network.prepare(frame.colour),
            frame_idx=frame.index,
        )
        trim(self._session, self._network, frame.index)
        return soft_mask(found.pred_masks[0, 0], height, width)

    def _points(self, prompt: Prompt, height: int, width: int) -> dict[str, torch.Tensor]:
        """A box or a point in the model's pixels: coordinates (1, 1, N, 2), labels (1, 1, N)."""
        if prompt.box is not None:
            left, top, box_width, box_height = prompt.box
            places = [(left, top), (left + box_width, top + box_height)]
            labels = list(_BOX_CORNERS)
        else:
            assert prompt.point is not None
            places, labels = [prompt.point], [1]
        side = self._network.side
        scaled = [(x * side / width, y * side / height) for x, y in places]
        return {
            "point_coords": torch.tensor([[scaled]], dtype=torch.float32),
            "point_labels": torch.tensor([[labels]], dtype=torch.int32),
        }
