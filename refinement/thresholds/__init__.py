"""Every threshold of the refinement, with what set it, a module for each thing that is decided.

Levels are of 255. Lengths inside the functions are pixels of a picture of 1024 x 1024, scaled
with the square root of the area.

Four kinds of origin occur:

- *measured*: on published Layer Diffusion pictures (eleven of them, unless the text says
  otherwise); the figure is given.
- *trade*: `python -m tests.benchmarks.bench_refinement` moves with it (SAD and the band's error
  against truth over 60 procedural portraits); the value is the best compromise that was tried.
- *chosen by eye*: on the same Layer Diffusion pictures and on the drawn cases of
  `tests/refinement`, which fail when it moves far.
- *fitted*: to the error that was left in 1,300 refined pictures: drawn portraits of two kinds, real
  mattes, fur, nets and plants, each damaged by nine designs
  (`python -m tests.benchmarks.bench_refinement_doubt --fit`). On fresh damage and without any one
  design or kind of picture the weights come out at 0.7 to 1.0 of what they are, ERROR_SOFT and
  ERROR_LEVEL at 0.9 to 2.0. ERROR_MOVED_VISIBLY and ERROR_KEPT come out near 0; they stay so that
  such decisions show.
"""
