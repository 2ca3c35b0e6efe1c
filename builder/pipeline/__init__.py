"""From a plan to a finished dataset folder: units, samples, packing, finishing."""
