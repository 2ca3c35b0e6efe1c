"""Training of matting models: settings, losses, the loop, checkpoints, logs, validation."""
