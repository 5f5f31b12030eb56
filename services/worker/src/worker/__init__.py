"""The worker: validates and enriches every record of a chunk."""
