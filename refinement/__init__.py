"""Connectivity-aware refinement of Layer Diffusion mattes.

>>> from refinement import refine
>>> result = refine("portrait.png")    # or an array, a tensor, a PIL image, or a list of them
>>> result.alpha, result.foreground, result.trimap, result.report
>>> result.save("refined.png")
"""

from __future__ import annotations

from refinement.options import Options, RefinementError
from refinement.pipeline import VERSION, refine
from refinement.report import Report
from refinement.result import RefinedMatte

# An index has other packages of this name: ld_portrait_20k/common/own_packages.py reads this line.
PROJECT = "ld-portrait-20k"

__all__ = ["VERSION", "Options", "RefinedMatte", "RefinementError", "Report", "refine"]
