"""Matting: metrics, models, training and evaluation."""
