"""Proofs that can be run: simulation, small model, chaos, random files and mutants, with the worlds they need."""
