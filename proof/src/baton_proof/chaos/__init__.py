"""Chaos tests on containers: `python -m baton_proof.chaos.rounds` breaks the composed world as a seed draws it."""
