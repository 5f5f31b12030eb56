"""Adapters for ports that are stored in S3."""
