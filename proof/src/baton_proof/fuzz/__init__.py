"""Fuzzer: random files through the whole pipeline, compared with a slow reader that says what must come of each."""
