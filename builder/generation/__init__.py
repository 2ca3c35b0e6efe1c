"""Generators: where portraits come from."""
