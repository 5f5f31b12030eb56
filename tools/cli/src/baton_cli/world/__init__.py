"""Commands on the world on this machine: up, down, inbox, and injected faults."""
