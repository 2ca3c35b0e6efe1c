"""Small shiny solids: metal, beads, frames."""

from __future__ import annotations

from builder.generation.procedural.arrays import FloatArray
from builder.generation.procedural.canvas import Canvas, inflate, normals, srgb
from builder.generation.procedural.light import Light, shade


def lay_solid(
    canvas: Canvas,
    light: Light,
    mask: FloatArray,
    depth: float,
    colour: FloatArray,
    gloss: float,
) -> None:
    """Lay a shiny solid over the canvas.

    Args:
        canvas: Where it is laid.
        light: The light.
        mask: (H, W) coverage, 0..1.
        depth: Pixels over which its edges are rounded, at least 1.
        colour: (3,) linear.
        gloss: Strength of the highlight, 0..1.
    """
    height = inflate(mask, max(depth, 1.0))
    lit = shade(light, normals(height), colour, gloss=gloss, roughness=0.22)
    canvas.over(srgb(lit + colour * 0.12), mask)
