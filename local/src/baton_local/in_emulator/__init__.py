"""What runs on the emulator's own Python, where nothing of ours is installed."""
