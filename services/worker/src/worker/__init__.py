"""Validates and enriches every record of a chunk."""
