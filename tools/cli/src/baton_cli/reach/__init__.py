"""Connects the command to a world: ports of both Regions, and uploads through the access point."""
