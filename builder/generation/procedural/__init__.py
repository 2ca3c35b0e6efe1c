"""Draws portraits with exact alpha, without model weights, and damages mattes on request."""

from __future__ import annotations

from builder.generation.procedural.damage import damage
from builder.generation.procedural.generator import VERSION, ProceduralGenerator
from builder.generation.procedural.portrait import Portrait, draw

__all__ = ["VERSION", "Portrait", "ProceduralGenerator", "damage", "draw"]
