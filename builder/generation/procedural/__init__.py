"""Portraits drawn with exact alpha and no model weights, and damage like Layer Diffusion's."""

from __future__ import annotations

from builder.generation.procedural.damage import damage
from builder.generation.procedural.generator import VERSION, ProceduralGenerator
from builder.generation.procedural.portrait import Portrait, draw

__all__ = ["VERSION", "Portrait", "ProceduralGenerator", "damage", "draw"]
