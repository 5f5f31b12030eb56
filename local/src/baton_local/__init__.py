"""The two-Region world on one machine."""
