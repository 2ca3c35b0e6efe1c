"""Streaming: byte sources, order, and the iterable dataset for training loops."""
