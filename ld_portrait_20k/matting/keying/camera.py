"""A camera before a screen: green- or blue-screen footage of foregrounds with a true alpha.

What stands between a matte and the footage it is keyed from, in the order in which light
passes it: the screen's uneven lighting, its light on the subject (spill), the lens, the
sensor's shot and read noise, the file's halved chroma and JPEG.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.matting.keying.light import (
    CHANNELS,
    Light,
    Screen,
    excess,
    to_light,
    to_samples,
)

PAINT: Final[dict[Screen, tuple[int, int, int]]] = {"green": (48, 160, 72), "blue": (40, 72, 176)}
"""sRGB of a lit screen. Chosen by eye between the paint makers' colour cards, which are more
saturated, and screens in published footage."""

_SHEEN_REACH = 0.02  # of the longer side; how far spill stays strong inside the outline, by eye
_SHEEN_INSIDE = 0.3  # of the spill at the outline is left far inside it; chosen by eye


@dataclass(frozen=True, slots=True)
class Camera:
    """How footage is shot.

    Attributes:
        screen: Colour of the screen.
        unevenness: How much darker the screen's darkest place is than its brightest, 0..1.
        spill: Light of the screen on the subject's outline, as a share of the screen's own.
        blur: Standard deviation of the lens blur, in pixels.
        shot_noise: Standard deviation of the noise where light is 1; it goes with the root
            of the light. 0.01 is a full well of 10,000 electrons.
        read_noise: Standard deviation of the noise in the dark, in linear light.
        chroma: Subsampling of the chroma.
        jpeg: Quality of the JPEG, 1..100; None for no compression.
    """

    screen: Screen = "green"
    unevenness: float = 0.25
    spill: float = 0.06
    blur: float = 0.7
    shot_noise: float = 0.01
    read_noise: float = 0.002
    chroma: Literal["4:2:0", "4:4:4"] = "4:2:0"
    jpeg: int | None = 90

    @classmethod
    def ideal(cls, screen: Screen = "green") -> Camera:
        """One that loses nothing but the 8 bits it writes."""
        return cls(screen, 0.0, 0.0, 0.0, 0.0, 0.0, "4:4:4", None)


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """What the camera gave.

    Attributes:
        image: (H, W, 3) uint8 sRGB, the subject before the screen.
        plate: (H, W, 3) uint8 sRGB, the same screen without the subject (clean plate).
        jpeg: The image as the file the camera wrote; empty where it does not compress.
    """

    image: NDArray[np.uint8]
    plate: NDArray[np.uint8]
    jpeg: bytes = b""


def shoot(
    foreground: NDArray[np.uint8],
    alpha: NDArray[np.uint8],
    camera: Camera | None = None,
    *,
    seed: int = 0,
) -> Shot:
    """Shoot a foreground before a screen; composited in linear light.

    Args:
        foreground: (H, W, 3) uint8, straight sRGB.
        alpha: (H, W) uint8.
        camera: How; an ordinary one before a green screen by default.
        seed: Of the screen's lighting and the noise; the same seed gives the same shot.

    Returns:
        The image, and the clean plate with noise of its own.
    """
    camera = camera or Camera()
    rng = np.random.default_rng(seed)
    screen = _screen(camera, alpha.shape, rng)
    share = (alpha.astype(np.float32) * np.float32(1 / 255))[..., None]
    lit = to_light(foreground) + camera.spill * _sheen(alpha)[..., None] * screen
    image, jpeg = _expose(share * lit + (1 - share) * screen, camera, rng)
    return Shot(image, _expose(screen, camera, rng)[0], jpeg)


def choose_screen(foreground: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> Screen:
    """The screen that a camera operator would choose: the one least like the subject.

    Args:
        foreground: (H, W, 3) uint8, straight sRGB.
        alpha: (H, W) uint8.

    Returns:
        Green, unless more of the subject has a green cast than a blue one.
    """
    light = to_light(foreground[alpha > 127])
    if not len(light):
        return "green"
    alike = {screen: float(np.clip(excess(light, screen), 0, None).mean()) for screen in CHANNELS}
    return "blue" if alike["blue"] < alike["green"] else "green"


def _screen(camera: Camera, shape: tuple[int, ...], rng: np.random.Generator) -> Light:
    """The screen under a lamp that stands somewhere before it and falls off all around."""
    paint = to_light(np.array(PAINT[camera.screen], np.uint8)[None])[0]
    y, x = (np.linspace(0, 1, side, dtype=np.float32) for side in shape[:2])
    lamp_y, lamp_x = rng.uniform(0.1, 0.9, 2)
    tilt = rng.uniform(-0.5, 0.5)
    far = (y[:, None] - lamp_y) ** 2 + (x[None] - lamp_x) ** 2 + tilt * x[None] * y[:, None]
    fall = (far - far.min()) / max(float(np.ptp(far)), 1e-6)
    return ((1 - camera.unevenness * fall)[..., None] * paint).astype(np.float32)


def _sheen(alpha: NDArray[np.uint8]) -> Light:
    """How much of the screen's light each place of the subject gets, (H, W), 0..1.

    Most at the outline, which is seen at a grazing angle.
    """
    depth = cv2.distanceTransform((alpha > 127).astype(np.uint8), cv2.DIST_L2, 3)
    reach = _SHEEN_REACH * max(alpha.shape)
    return np.asarray(_SHEEN_INSIDE + (1 - _SHEEN_INSIDE) * np.exp(-depth / reach), np.float32)


def _expose(
    light: Light, camera: Camera, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], bytes]:
    """Lens, sensor and file."""
    if camera.blur > 0:
        light = np.asarray(cv2.GaussianBlur(light, (0, 0), camera.blur))
    if camera.shot_noise > 0 or camera.read_noise > 0:
        variance = camera.shot_noise**2 * light + camera.read_noise**2
        light = light + np.sqrt(variance) * rng.standard_normal(light.shape, np.float32)
    picture = np.asarray(to_samples(light), np.uint8)
    if camera.jpeg is not None:
        content = _encode(picture, camera)
        return _decode(content), content
    return (_halve_chroma(picture) if camera.chroma == "4:2:0" else picture), b""


def _encode(picture: NDArray[np.uint8], camera: Camera) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    subsampling = {"4:2:0": 2, "4:4:4": 0}[camera.chroma]
    Image.fromarray(picture).save(stream, "JPEG", quality=camera.jpeg, subsampling=subsampling)
    return stream.getvalue()


def _decode(content: bytes) -> NDArray[np.uint8]:
    from PIL import Image

    with Image.open(io.BytesIO(content)) as picture:
        return np.array(picture)


def _halve_chroma(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    planes = cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)
    height, width = planes.shape[:2]
    small = cv2.resize(
        planes[..., 1:], ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA
    )
    planes[..., 1:] = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.cvtColor(planes, cv2.COLOR_YCrCb2RGB), np.uint8)
