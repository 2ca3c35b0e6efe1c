"""Connectivity-aware refinement of Layer Diffusion mattes.

>>> from refinement import refine
>>> result = refine(rgba)              # (H, W, 4) uint8, straight sRGB
>>> result.alpha, result.foreground, result.trimap, result.report
"""

from __future__ import annotations

from refinement.options import Options, RefinementError
from refinement.pipeline import VERSION, RefinedMatte, refine
from refinement.report import Report

# An index has other packages of this name: ld_portrait_20k/own_packages.py looks for this line.
PROJECT = "ld-portrait-20k"

__all__ = ["VERSION", "Options", "RefinedMatte", "RefinementError", "Report", "refine"]
