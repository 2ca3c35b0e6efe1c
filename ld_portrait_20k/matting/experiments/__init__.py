"""What the data are worth: the paper's tables, from cells that are trained and tested alike.

A *cell* is one model trained on one arm of the data with one seed, and its errors on every
test set. Cells are described before anything runs, their results are files, and tables are
made from those files alone.
"""
