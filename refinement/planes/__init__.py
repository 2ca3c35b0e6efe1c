"""What the rest computes with: coarse grids, masks of bits, connected regions, distances."""
