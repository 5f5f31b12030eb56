"""Chaos on containers: `python -m chaos.rounds` breaks the composed world round by round, as a seed draws it."""
