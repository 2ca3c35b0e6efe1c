"""Glasses, earrings, necklaces, and hands that lie on the hip."""

from __future__ import annotations

import numpy as np

from builder.generation.procedural.anatomy import Body, limb_field
from builder.generation.procedural.canvas import (
    Canvas,
    blur,
    inflate,
    linear,
    normals,
    polygon,
    ribbon,
    smoothstep,
    spline,
    srgb,
    stream,
)
from builder.generation.procedural.clothing import Dresser
from builder.generation.procedural.ears import lobe, placement
from builder.generation.procedural.eyes import EYE_Y
from builder.generation.procedural.light import Light, shade
from builder.generation.procedural.traits import Traits
from builder.generation.procedural.view import View

_METALS = ((212, 175, 96), (200, 200, 205), (206, 150, 120))
_FRAMES = ((22, 20, 20), (70, 44, 28), (150, 120, 70), (120, 120, 126), (110, 28, 34), (34, 48, 84))


def _solid(
    canvas: Canvas,
    view: View,
    light: Light,
    mask: np.ndarray,
    depth: float,
    colour: np.ndarray,
    gloss: float,
) -> None:
    """Lay a small shiny solid with this coverage; ``depth`` in pixels rounds its edges."""
    height = inflate(mask, max(depth, 1.0))
    lit = shade(light, normals(height), colour, gloss=gloss, roughness=0.22)
    canvas.over(srgb(lit + colour * 0.12), mask)


def _metal(person: Traits) -> np.ndarray:
    rng = stream(person.seed, "jewellery")
    return linear(np.array(_METALS[int(rng.integers(len(_METALS)))]) / 255.0)


def earrings(canvas: Canvas, person: Traits, view: View, light: Light) -> None:
    """Studs, hoops (their inside stays open) or drops at both visible lobes."""
    kind = person["jewellery"]
    if kind not in ("stud earrings", "hoop earrings", "drop earrings"):
        return
    if person["headwear"] == "headscarf":
        return  # it covers the ears
    rng = stream(person.seed, "earrings")
    size = {
        "stud earrings": 0.022,
        "hoop earrings": rng.uniform(0.085, 0.14),
        "drop earrings": 0.2,
    }[kind]
    metal = _metal(person)
    gem = linear(
        np.array(
            [(60, 120, 190), (190, 40, 60), (40, 140, 90), (235, 235, 240)][int(rng.integers(4))]
        )
        / 255
    )
    circle = np.linspace(0, 2 * np.pi, 49)[:-1]
    ring = np.stack([np.cos(circle), np.sin(circle)], 1)
    unit = view.scale
    for side in (-1.0, 1.0):
        _, open_, facing = placement(person, view, side)
        if facing < -0.30:
            continue
        at = view.body(view.tilt(lobe(person, view, side)[:2]))
        if kind == "stud earrings":
            mask = polygon(view.shape, [at + ring * size * unit])
            _solid(canvas, view, light, mask, size * unit, metal, 0.9)
        elif kind == "hoop earrings":
            # Hoops hang outwards a little, clear of neck and jaw.
            flat = 0.55 + 0.45 * open_
            centre = at + np.array([side * 0.35 * size, size * 0.98]) * unit
            width = max(0.0085 * unit, 0.8)
            outer = centre + ring * (size * flat * unit, size * unit)
            inner = centre + ring * (size * flat * unit - width, size * unit - width)
            mask = polygon(view.shape, [outer, inner])
            _solid(canvas, view, light, mask, width * 0.6, metal, 0.9)
        else:
            thin = np.array([at, at + np.array((0.0, 0.10 * unit))])
            _solid(
                canvas,
                view,
                light,
                polygon(view.shape, [ribbon(thin, max(0.004 * unit, 0.5))]),
                1.0,
                metal,
                0.8,
            )
            drop = np.stack(
                [np.sin(circle) * (0.55 + 0.45 * np.cos(circle)) * -0.032, -np.cos(circle) * 0.055],
                1,
            )
            mask = polygon(view.shape, [at + (0.0, 0.145 * unit) + drop * unit])
            _solid(canvas, view, light, mask, 0.03 * unit, gem, 1.2)


def necklace(canvas: Canvas, person: Traits, view: View, light: Light, body: Body) -> None:
    """A chain on the skin with a pendant, or a row of beads."""
    if person["jewellery"] != "necklace":
        return
    rng = stream(person.seed, "necklace")
    metal = _metal(person)
    half = body.neck_half
    low = rng.uniform(0.88, 1.0)
    path = spline(
        np.array(
            [
                (-half * 0.94, 0.56),
                (-half * 0.92, 0.68),
                (-half * 0.55, low - 0.07),
                (0.0, low),
                (half * 0.55, low - 0.07),
                (half * 0.92, 0.68),
                (half * 0.94, 0.56),
            ]
        ),
        False,
        24,
    )
    pixels = view.body(path)
    unit = view.scale
    circle = np.linspace(0, 2 * np.pi, 25)[:-1]
    ring = np.stack([np.cos(circle), np.sin(circle)], 1)
    steps = np.hypot(*np.diff(pixels, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    pearls = rng.random() < 0.45
    size = 0.024 if pearls else 0.008
    beads = np.arange(0.0, along[-1], size * unit * (2.05 if pearls else 2.6))
    centres = np.stack([np.interp(beads, along, pixels[:, i]) for i in (0, 1)], 1)
    mask = np.zeros(view.shape, np.float32)
    for group in (centres[::2], centres[1::2]):
        mask = np.maximum(
            mask, polygon(view.shape, [c + ring * max(size * unit, 0.6) for c in group])
        )
    canvas.shadow(
        blur(np.roll(mask, max(1, int(0.012 * unit)), 0), 0.012 * unit) * canvas.alpha * 0.6
    )
    colour = linear([0.92, 0.88, 0.84]) if pearls else metal
    _solid(canvas, view, light, mask, size * unit, colour, 0.8)
    if not pearls:
        pendant = view.body(np.array([0.0, low + 0.045])) + ring * (0.032 * unit, 0.040 * unit)
        _solid(canvas, view, light, polygon(view.shape, [pendant]), 0.03 * unit, metal, 0.9)


def glasses(canvas: Canvas, person: Traits, view: View, light: Light) -> None:
    """Frames before the eyes, bridge, temples to the ears, lenses."""
    kind = person["glasses"]
    if kind == "none":
        return
    rng = stream(person.seed, "glasses")
    colour = linear(np.array(_FRAMES[int(rng.integers(len(_FRAMES)))]) / 255.0)
    unit = view.scale
    thick = max(
        {"round glasses": 0.0085, "rectangular glasses": 0.012, "sunglasses": 0.013}[kind] * unit,
        0.9,
    )
    gap = 0.158 * person.eye_gap
    half_w, half_h, power = {
        "round glasses": (0.108, 0.104, 2.0),
        "rectangular glasses": (0.118, 0.078, 4.0),
        "sunglasses": (0.125, 0.100, 2.8),
    }[kind]
    angle = np.linspace(0, 2 * np.pi, 65)[:-1]
    c, s = np.cos(angle), np.sin(angle)
    shape = np.stack(
        [
            np.sign(c) * np.abs(c) ** (2 / power) * half_w,
            np.sign(s) * np.abs(s) ** (2 / power) * half_h,
        ],
        1,
    )
    y = EYE_Y + 0.018

    def place(points: np.ndarray, depth: np.ndarray | float) -> np.ndarray:
        z = np.broadcast_to(np.asarray(depth, np.float64), len(points))
        turned = view.turn(np.column_stack([points, z]))
        return view.head(turned[:, :2])

    rims: list[np.ndarray] = []
    lenses: list[np.ndarray] = []
    for side in (-1.0, 1.0):
        outline = shape * (side, 1.0) + (side * gap, y)
        # The frame curves back towards the temples.
        depth = 0.455 - 0.45 * np.maximum(np.abs(outline[:, 0]) - 0.05, 0) ** 1.6
        ring = place(outline, depth)
        middle = ring.mean(0)
        span = np.maximum(np.abs(ring - middle).max(0), 1.0)
        lenses.append(ring)
        rims.append(polygon(view.shape, [middle + (ring - middle) * (1 + thick / span), ring]))
    bridge_t = np.linspace(-1, 1, 15)
    bridge = np.stack([bridge_t * (gap - half_w + 0.008), y - 0.03 - 0.018 * (1 - bridge_t**2)], 1)
    rims.append(polygon(view.shape, [ribbon(place(bridge, 0.462), thick * 0.62)]))
    for side in (-1.0, 1.0):
        edge_x = gap + half_w
        reach = np.linspace(0, 1, 12)
        x = edge_x + (0.365 * person.face_width - edge_x + 0.012) * np.minimum(reach * 3, 1.0)
        depth = 0.455 - 0.45 * (edge_x - 0.05) ** 1.6 - reach * 0.36
        temple = np.stack([side * x, np.full(12, y - 0.035) + 0.01 * reach], 1)
        if side * np.sin(view.yaw) > 0.1:
            continue  # the far temple is behind the face
        rims.append(polygon(view.shape, [ribbon(place(temple, depth), thick * 0.55)]))
    mask = np.clip(np.maximum.reduce(rims), 0, 1)
    lens = np.maximum(*(polygon(view.shape, [ring]) for ring in lenses))
    canvas.shadow(
        blur(np.roll(mask, max(1, int(0.02 * unit)), 0), 0.012 * unit)
        * canvas.alpha
        * 0.45
        * (1 - mask)
    )
    if kind == "sunglasses":
        tint = linear(
            np.array([(20, 20, 24), (44, 28, 18), (24, 34, 30)][int(rng.integers(3))]) / 255.0
        )
        rows = (np.arange(view.shape[0], dtype=np.float32) - view.y) / unit
        fade = smoothstep(-0.12, 0.16, rows)[:, None, None]
        colour_map = np.broadcast_to(
            tint * (0.8 + 1.5 * fade) + light.key_colour * 0.02, (*view.shape, 3)
        )
        canvas.over(srgb(colour_map.astype(np.float32)), lens * 0.97)
    else:
        canvas.over(np.ones(3, np.float32), lens * 0.03 * (canvas.alpha > 0.999))
    # One slanting reflection, only where there is something behind the glass.
    for ring in lenses:
        centre, span = ring.mean(0), np.ptp(ring, axis=0)
        bar = (
            centre
            + np.array([(-0.30, -0.6), (-0.08, -0.6), (-0.36, 0.6), (-0.58, 0.6)]) * span * 0.6
        )
        strength = 0.16 if kind == "sunglasses" else 0.07
        glare = blur(polygon(view.shape, [bar]), 0.006 * unit) * polygon(view.shape, [ring])
        canvas.over(np.ones(3, np.float32), glare * strength * (canvas.alpha > 0.999))
    _solid(canvas, view, light, mask, thick * 0.6, colour, 0.5)


def hand_on_hip(canvas: Canvas, dresser: Dresser, index: int) -> None:
    """The hand that rests on the hip lies over the clothes."""
    arm = dresser.body.arms[index]
    wrist = arm.limb.path[-1]
    elbow = arm.limb.path[4]
    if abs(wrist[0] - elbow[0]) < 0.3:
        return  # this arm hangs
    cover, dome = limb_field(dresser.view, arm.hand)
    canvas.shadow(blur(cover, 0.03 * dresser.unit) * (1 - cover) * canvas.alpha * 0.4)
    dresser.skin(canvas, cover, dome * dresser.unit * 0.9)
