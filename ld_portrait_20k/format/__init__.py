"""What a dataset consists of: samples, shards, the manifest, and their checks."""
