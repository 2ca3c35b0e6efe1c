"""What ``refine`` takes: arrays, tensors, PIL images and files, one or many, as one kind of array.

Neither torch nor PIL is imported to look at an input: whoever has such an object imported them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from refinement.io import pictures
from refinement.io.pictures import Picture
from refinement.options import PictureError, RefinementError
from refinement.planes.grid import Pixels

if TYPE_CHECKING:
    import torch
    from PIL import Image

RgbaLike: TypeAlias = (
    "NDArray[np.integer | np.floating] | torch.Tensor | Image.Image | str | os.PathLike[str]"
)
"""One RGBA picture."""
Rgba = TypeVar("Rgba", bound=RgbaLike)
Layout: TypeAlias = Literal["HWC", "CHW"]
"""The order of height, width and channels in an array or a tensor."""

_LAYOUTS: Final = ("HWC", "CHW")


def is_batch(given: object) -> bool:
    """Whether it is several pictures: a list, a tuple, or an array or tensor of four axes."""
    return isinstance(given, list | tuple) or getattr(given, "ndim", 0) == 4


def each(given: Any, layout: Layout | None = None) -> Iterator[Picture]:
    """The pictures of a batch, converted when their turn comes.

    Args:
        given: A batch, see :func:`is_batch`.
        layout: See :func:`convert`.

    Raises:
        RefinementError: As :func:`convert`; the message begins with the number of the picture.
    """
    number = len(given)
    for index, one in enumerate(given, 1):
        try:
            yield convert(one, layout)
        except RefinementError as error:
            raise RefinementError(f"picture {index} of {number}: {error}") from None


def convert(given: object, layout: Layout | None = None) -> Picture:
    """One picture as 8- or 16-bit straight RGBA, and what its colours mean where that is known.

    Args:
        given: One of :data:`RgbaLike`.
        layout: Where the channels are; for arrays and tensors. None reads an array as
            (H, W, 4), and a tensor by the axis of length 4, the last or the first.

    Raises:
        RefinementError: It is not an RGBA picture, or it can be read in more than one way.
        PictureError: A file that is not a picture that can be used.
    """
    if layout not in (None, *_LAYOUTS):
        raise RefinementError(f"no layout {layout!r}; try: {' or '.join(map(repr, _LAYOUTS))}")
    if isinstance(given, str | os.PathLike):
        return _from_file(Path(os.fspath(given)))
    if _is_a(given, "PIL.Image", "Image"):
        return _from_pil(cast("Image.Image", given))
    if _is_a(given, "torch", "Tensor"):
        return _from_tensor(cast("torch.Tensor", given), layout)
    if isinstance(given, np.ndarray):
        return Picture(_samples(_channels_last(given, layout or "HWC")))
    raise RefinementError(
        f"no RGBA picture but {type(given).__name__}; try: a path, a PIL image, or an array or "
        "tensor of shape (H, W, 4)"
    )


def _is_a(given: object, module: str, name: str) -> bool:
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(given, kind)


def _from_file(path: Path) -> Picture:
    try:
        return pictures.read(pictures.load(path))
    except PictureError as error:
        raise PictureError(error.reason, f"{path}: {error}") from None
    except RefinementError as error:
        raise RefinementError(f"{path}: {error}") from None


def _from_pil(image: Image.Image) -> Picture:
    from PIL import ImageOps

    if image.mode not in pictures.ALPHA_MODES and "transparency" not in image.info:
        raise RefinementError(
            f"a PIL image of mode {image.mode} has no alpha; try: image.putalpha(matte)"
        )
    if 0 in image.size:
        raise RefinementError("the PIL image is empty; try: one with pixels")
    try:
        image.load()
        profile = image.info.get("icc_profile")
        rgba = np.asarray(pictures.as_rgba(ImageOps.exif_transpose(image)))
    except Exception as error:  # it may be read from a broken file only now
        raise RefinementError(
            f"the PIL image cannot be read ({pictures.one_line(error)}); try: another copy"
        ) from None
    return Picture(rgba, profile if isinstance(profile, bytes) else None)


def _from_tensor(tensor: torch.Tensor, layout: Layout | None) -> Picture:
    shape = tuple(tensor.shape)
    if layout is None and len(shape) == 3:
        first, last = shape[0] == 4, shape[2] == 4
        if first and last:
            raise RefinementError(
                f"the channels of a tensor {shape} may be the first axis or the last; "
                "try: layout='HWC' or layout='CHW'"
            )
        layout = "CHW" if first else "HWC"
    try:
        if tensor.is_floating_point() and tensor.element_size() < 4:
            tensor = tensor.float()  # NumPy has no bfloat16
        array: NDArray[Any] = tensor.numpy(force=True)  # from any device, without its gradient
    except (RuntimeError, TypeError) as error:
        raise RefinementError(
            f"a {tensor.layout} tensor of {tensor.dtype} cannot be read "
            f"({pictures.one_line(error)}); try: a dense tensor of uint8 or float32"
        ) from None
    return Picture(_samples(_channels_last(array, layout or "HWC")))


def _channels_last(array: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """(H, W, 4), or an error that says what the shape is taken for."""
    shape = array.shape
    if array.ndim == 3 and layout == "CHW":
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 4:
        if array.size == 0:
            raise RefinementError(f"the picture is empty: shape {shape}; try: one with pixels")
        return array
    if array.ndim == 3 and shape[0 if layout == "HWC" else 2] == 4:
        mend = f"layout={'CHW' if layout == 'HWC' else 'HWC'!r}"
    elif array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3)):
        mend = "np.dstack([rgb, alpha])"
    else:
        mend = "one picture as (H, W, 4), several as (N, H, W, 4)"
    axes = "(H, W, 4)" if layout == "HWC" else "(4, H, W)"
    raise RefinementError(f"expected an RGBA array of shape {axes}, got {shape}; try: {mend}")


def _samples(rgba: NDArray[Any]) -> Pixels:
    """The samples as uint8 or uint16 in the machine's byte order, contiguous."""
    kind, size = rgba.dtype.kind, rgba.dtype.itemsize
    if kind == "f":
        return _from_floats(rgba)
    if kind == "u" and size <= 2:
        return np.ascontiguousarray(rgba, rgba.dtype.newbyteorder("="))
    if kind in "iu" and size >= 2:
        return _from_integers(rgba)
    mend = {
        "b": "rgba.astype(np.uint8) * 255, if true is opaque",
        "i": "rgba.astype(np.uint8), if 127 is not its white",
        "O": "np.array(rgba.tolist(), np.uint8)",
    }.get(kind, "an array of uint8, uint16 or float32")
    raise RefinementError(
        f"an array of {rgba.dtype} does not say which value is opaque; try: {mend}"
    )


def _from_floats(rgba: NDArray[np.floating]) -> Pixels:
    low, high = rgba.min(), rgba.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise RefinementError("a float picture with NaN or infinity; try: np.nan_to_num(rgba)")
    if low < 0 or high > 1:
        # Resampling overshoots by less than this; 255 and 65535 are other scales.
        if low < 0 or high < 2:
            mend = "np.clip(rgba, 0, 1)"
        elif rgba[..., 3].max() <= 1:
            mend = "rgba[..., :3] /= 255, for the alpha is between them"
        else:
            mend = f"rgba / {255 if high <= 255 else 65535}"
        raise RefinementError(
            f"the values of a float picture lie between 0 and 1, these between {low:g} and "
            f"{high:g}; try: {mend}"
        )
    # 65535 is infinite in float16, so it is multiplied as float32.
    scaled = np.multiply(rgba, 65535, dtype=np.promote_types(rgba.dtype, np.float32))
    return np.rint(scaled, out=scaled).astype(np.uint16, order="C")


def _from_integers(rgba: NDArray[np.integer]) -> Pixels:
    """Samples in a wider type than they need, where their own values leave no doubt of the scale.

    Alpha tells it. A 16-bit matte that nowhere exceeds 255 of 65535 would be invisible, so alpha
    up to 255 is of 8 bits and beyond it of 16. Alpha up to 1 may be of any scale. Colour must be
    of the scale of alpha. int16 ends at 32767, so it cannot hold 16 bits.
    """
    low, colour, alpha = int(rgba.min()), int(rgba[..., :3].max()), int(rgba[..., 3].max())
    name = rgba.dtype.name
    if low < 0 or max(colour, alpha) > 65535:
        raise RefinementError(
            f"{name} values between {low} and {max(colour, alpha)} are no picture; try: values "
            "of 0 to 255 or 0 to 65535"
        )
    if alpha <= 1:
        raise RefinementError(
            f"{name} alpha of at most {alpha} does not say which value is opaque; try: uint8 of 0 "
            "to 255, or float32 of 0 to 1"
        )
    deep = alpha > 255
    if (colour > 255) != deep and colour > 0:
        raise RefinementError(
            f"colour up to {colour} and alpha up to {alpha} are on two scales; try: both as uint8 "
            "or both as uint16"
        )
    if deep and rgba.dtype.itemsize == 2:
        raise RefinementError(
            f"{name} does not say whether 32767 or 65535 is opaque; try: uint16 of 0 to 65535"
        )
    return np.ascontiguousarray(rgba, np.uint16 if deep else np.uint8)
