"""Stand-ins for AWS services that no emulator has, or none has strictly enough."""
