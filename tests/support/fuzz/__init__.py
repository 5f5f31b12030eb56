"""Files at random through the whole pipeline, and a slow reader that says what must come of each."""
