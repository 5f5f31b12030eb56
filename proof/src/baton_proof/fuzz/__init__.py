"""Fuzzer: random files through the whole pipeline, compared with a slow reference reader."""
