"""Engines: where the work runs. The same task function runs under each of them."""
