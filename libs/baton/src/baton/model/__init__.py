"""The pure core: states, identity, plans and paths. No I/O, no clock, no randomness."""
