"""Compositing whole batches with torch, on the device that trains."""
