"""The pipeline that builds LD-Portrait-20K: prompts to shards, card and Hub."""

# An index has other packages of this name: ld_portrait_20k/common/own_packages.py reads this line.
PROJECT = "ld-portrait-20k"
