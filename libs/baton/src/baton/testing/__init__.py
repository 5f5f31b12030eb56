"""Tools for tests, shipped with the library: virtual time and injected faults."""
