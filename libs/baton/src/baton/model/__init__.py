"""The pure heart: states, identity, plans and paths. No I/O, no clock, no randomness."""
