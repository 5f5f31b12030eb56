"""Baton: two-Region batch processing on AWS with automatic failover."""
