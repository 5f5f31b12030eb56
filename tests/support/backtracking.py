"""A pattern that holds the interpreter's lock for as long as it is tried, as a rule of a job may."""

import re
import time


def backtracks(letters: int) -> float:
    """Match in vain, twice as long for each letter more; return how many seconds it took."""
    began = time.perf_counter()
    assert re.fullmatch("(a+)+b", "a" * letters) is None
    return time.perf_counter() - began
