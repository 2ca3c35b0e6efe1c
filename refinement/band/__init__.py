"""Alpha of the border band: halos, veils and levels taken off it, and the trimap about it."""
