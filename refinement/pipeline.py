"""The whole way: RGBA in, refined matte, colour, trimap and report out."""

from __future__ import annotations

from typing import Final, cast, overload

import cv2
import numpy as np

from refinement.band import halo, levels, veil
from refinement.band.texture import find_fine_structure
from refinement.colour.estimation import estimate_foreground
from refinement.holes.pin_holes import find_pin_holes
from refinement.io import inputs
from refinement.io.inputs import Layout, Rgba, RgbaLike
from refinement.io.pictures import Picture
from refinement.options import Options, RefinementError
from refinement.planes.grid import Alpha8, Pixels, Plane, to_8_bit
from refinement.planes.masks import Mask
from refinement.regions.division import Regions, divide
from refinement.regions.earlier import Earlier
from refinement.regions.narrow import in_dense_dips
from refinement.regions.panels import has_panels
from refinement.report import Report, assemble
from refinement.result import RefinedMatte

VERSION: Final = "1.10"
"""Changes whenever the outputs for the same input change."""

_LARGEST_BLOCK: Final = 32 * 2**20 - 2**16
_PASSES: Final = 8  # further passes over an undamaged matte, at most; one or two are usual


PARTS: Final = ("levels", "holes", "colour")
"""Parts of the refinement that :func:`refine` can leave out, to measure what each adds:
``levels`` (in the band, veils, haze and halos taken off), ``holes`` (the body made opaque) and
``colour`` (of the foreground, estimated)."""


@overload
def refine(
    rgba: list[RgbaLike] | tuple[RgbaLike, ...],
    *,
    options: Options | None = None,
    layout: Layout | None = None,
    without: str | None = None,
) -> list[RefinedMatte]: ...


@overload
def refine(
    rgba: list[Rgba],
    *,
    options: Options | None = None,
    layout: Layout | None = None,
    without: str | None = None,
) -> list[RefinedMatte]: ...


@overload
def refine(
    rgba: RgbaLike,
    *,
    options: Options | None = None,
    layout: Layout | None = None,
    without: str | None = None,
) -> RefinedMatte: ...


def refine(
    rgba: object,
    *,
    options: Options | None = None,
    layout: Layout | None = None,
    without: str | None = None,
) -> RefinedMatte | list[RefinedMatte]:
    """Repair mattes that are fine along the edge and wrong in the absolute regions.

    Args:
        rgba: One picture in straight sRGB with alpha, or several:

            - an array (H, W, 4) of uint8, uint16 or float (0..1). Wider integers are taken too
              where their values leave no doubt whether they are of 8 or 16 bits;
            - a torch tensor of these types, (H, W, 4) or (4, H, W), on any device;
            - a PIL image with alpha (8 bits; give the path to keep 16), turned by its EXIF;
            - a path to a picture, as ``python -m refinement`` takes it;
            - a list or tuple of these, or an array or tensor of four axes. A type checker
              takes an array for one picture, so give it ``list(array)`` instead.

            The shorter side should have 96 px or more.
        options: See :class:`Options`.
        layout: ``"HWC"`` or ``"CHW"``, for arrays and tensors. By default an array is (H, W, 4),
            and a tensor has its channels where its axis of length 4 is, last or first.
        without: For experiments: one of :data:`PARTS` to leave out.

    Returns:
        The refined matte, a list of them for several pictures. A pixel of the border band keeps
        exactly its input alpha unless a veil or a halo was found beside it.

    Raises:
        RefinementError: It is not an RGBA picture, it can be read in more than one way, or there
            is no such part. The message says how to mend the call.
    """
    options = options or Options()
    if without not in (None, *PARTS):
        raise RefinementError(f"no part {without!r} to leave out; try: {', '.join(PARTS)}")
    if inputs.is_batch(rgba):
        return [_refined(one, options, without) for one in inputs.each(rgba, layout)]
    return _refined(inputs.convert(rgba, layout), options, without)


def _refined(picture: Picture, options: Options, without: str | None) -> RefinedMatte:
    rgba = picture.rgba
    _keep_heap()
    alpha, report = _matte(rgba, options, without)
    straight = cast("Pixels", cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB))
    estimate = options.estimate_colour and without != "colour"
    foreground = estimate_foreground(straight, alpha) if estimate else straight
    unknown = max(1, round(options.trimap_width * _scale(alpha))) if options.trimap_width else 0
    return RefinedMatte(
        alpha=alpha,
        foreground=foreground,
        unknown=unknown,
        report=report,
        colour_space=picture.colour_space(),
    )


def _matte(rgba: Pixels, options: Options, without: str | None) -> tuple[Plane, Report]:
    """The refined alpha and the report."""
    channel = cv2.extractChannel(rgba, 3)
    raw = channel / np.float32(np.iinfo(rgba.dtype).max)
    scale = _scale(raw)
    original = np.asarray(channel, np.uint8) if rgba.dtype == np.uint8 else to_8_bit(raw)
    quantised = to_8_bit(raw) if levels.repair_frame(raw) else original
    divided, earlier = None, Earlier()
    if without != "levels":
        lower = halo.take_off_wide_halo(raw, quantised, scale)
        if lower is not raw:
            divided = divide(quantised, scale, options, earlier)
            if not divided.clean:
                raw, quantised, divided = lower, to_8_bit(lower), None
    alpha, final, regions = _pass(raw, quantised, options, without, earlier, divided)
    before = quantised
    earlier.raised = not regions.clean
    again = regions.clean or has_panels(final, scale) or halo.is_clear_now(quantised, final, scale)
    for _ in range(_PASSES if again else 0):
        if np.array_equal(final, before):
            break
        # A gap stays because of the gaps beside it, and a dent because of what is not body
        # beside it. What was filled may change the decision, so repeat until nothing changes.
        before = final
        alpha, final, more = _pass(alpha, before, options, without, earlier)
        regions.inside |= more.inside
    final, holes = _fill_more_pin_holes(alpha, final, without)
    regions.inside |= holes
    if levels.repair_frame(alpha):  # the body behind the line may be whole only now
        final, holes = _fill_more_pin_holes(alpha, to_8_bit(alpha), without)
        regions.inside |= holes
    return alpha, assemble(original, final, regions, options)


def _fill_more_pin_holes(alpha: Plane, final: Alpha8, without: str | None) -> tuple[Alpha8, Mask]:
    """Fill the pin holes of refined alpha in place, until none is left.

    What stood among other dents may stand alone now.

    Args:
        alpha: (H, W) float32, 0..1.
        final: (H, W) uint8, the same in 255ths.
        without: See :func:`refine`.

    Returns:
        Alpha in 255ths, and what was filled.
    """
    found = Mask.empty(final.shape)
    if without == "holes":
        return final, found
    earlier, scale, hair = Earlier(), _scale(alpha), found
    for _ in range(_PASSES):
        holes = find_pin_holes(final, scale, earlier)
        if holes - hair:
            hair = in_dense_dips(holes, final, scale)
        holes -= hair
        if not holes:
            break
        places = holes.places()
        alpha.ravel()[places] = 1
        final = final.copy()
        final.ravel()[places] = 255
        found |= holes
    return final, found


def _pass(
    raw: Plane,
    quantised: Alpha8,
    options: Options,
    without: str | None,
    earlier: Earlier,
    divided: Regions | None = None,
) -> tuple[Plane, Alpha8, Regions]:
    """Divide the picture and compose the refined alpha, which takes the memory of the raw one.

    Args:
        raw: (H, W) float32, 0..1; it is written over.
        quantised: (H, W) uint8, the same in 255ths.
        options: See :class:`Options`.
        without: See :func:`refine`.
        earlier: What is known from another pass.
        divided: The regions, where they are known already.

    Returns:
        Alpha, the same in 255ths, and the regions.
    """
    regions = divided or divide(quantised, _scale(raw), options, earlier)
    if not regions.clean:
        earlier.forget()  # levels are taken off next, which needs memory
    levelled = not regions.clean and without != "levels"
    unfilled = raw.copy() if without == "holes" else None
    found = veil.follow_veil(raw, quantised, regions) if levelled else None
    fine = find_fine_structure(quantised, regions, _scale(raw)) if levelled else None
    band = (~(regions.inside | regions.outside)).places()
    values = raw.ravel()[band]
    if levelled:
        halo.take_off_halo(values, band, quantised, regions)
        raw.ravel()[band] = values
        levels.divide_by_opaque(values, band, raw, regions)
    inside = regions.inside.pixels()
    alpha = raw
    np.copyto(alpha, inside)
    alpha.ravel()[band] = values
    if fine is not None:
        fine.put_back(alpha)
    if found is not None:
        found.take_off(alpha)
    if unfilled is not None:
        np.copyto(alpha, unfilled, where=inside.view(bool))
    if not regions.clean:
        levels.drop_crumbs(alpha, band, regions)
    return alpha, to_8_bit(alpha), regions


def _scale(plane: Plane) -> float:
    """Size of the picture relative to 1024 x 1024."""
    return float(np.sqrt(plane.size)) / 1024.0


def _keep_heap() -> None:
    """Make glibc keep the memory of one picture for the next.

    glibc returns freed memory to the system beyond twice the largest block that was mapped and
    freed, up to 32 MiB. Mapping and freeing such a block once, without touching it, saves a
    third of the time of a 1024 x 1024 picture in a fresh process. It has no effect with other
    allocators.
    """
    np.empty(_LARGEST_BLOCK, np.uint8)
