"""Attributes and the grammar that words them."""
