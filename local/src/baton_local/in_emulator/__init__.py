"""Code that runs on the emulator's own Python, where none of our packages is installed."""
