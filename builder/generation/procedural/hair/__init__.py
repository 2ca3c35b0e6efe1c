"""Hair of the head, brows, lashes and beards as strands."""
