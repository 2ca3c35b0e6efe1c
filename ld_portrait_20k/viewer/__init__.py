"""``ld-portrait view``: a local page that shows every sample of a dataset, and its static copy."""
