"""The operator's command line, `baton`."""
