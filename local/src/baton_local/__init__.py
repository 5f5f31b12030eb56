"""The two-Region world on one machine: emulators, stand-ins for what emulators lack, and the services."""
