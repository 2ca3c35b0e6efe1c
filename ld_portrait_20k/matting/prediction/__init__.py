"""Prediction: pictures in, mattes out, in tiles where pictures are large."""
