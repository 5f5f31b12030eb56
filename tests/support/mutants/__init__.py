"""Bugs put into the pipeline's code one by one, each of which some test must find: `python -m mutants`."""
