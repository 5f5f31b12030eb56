"""Mutation tests: bugs put into the code one by one, each of which some test must find: `make mutants`."""
