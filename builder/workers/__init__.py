"""CPU processes behind bounded queues, below the pipeline."""
