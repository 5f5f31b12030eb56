"""The rules of failover and switchover: what a controller decides, and why. Pure: no I/O, no clock, no randomness."""
