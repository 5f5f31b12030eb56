"""The rules of the handover: what a controller decides, and why. Pure: no I/O, no clock, no randomness."""
