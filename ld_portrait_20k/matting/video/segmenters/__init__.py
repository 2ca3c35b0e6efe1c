"""Ways from a frame to a person's mask, behind one small protocol."""
