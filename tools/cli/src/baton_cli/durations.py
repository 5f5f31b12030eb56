"""Parses durations as people type them: 90s, 30m, 2h, 1d."""

import re
from datetime import timedelta
from typing import Final

_PATTERN: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DAYS_MAX: Final = 366


def duration(text: str) -> timedelta:
    """Return the length of time that `text` names. Raises `ValueError` if it names none, or more than a year."""
    match = _PATTERN.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"{text!r} is no length of time: write 90s, 30m, 2h or 1d")
    length = timedelta(**{_UNITS[match[2]]: float(match[1])})
    if not timedelta() < length <= timedelta(days=_DAYS_MAX):
        raise ValueError(f"{text!r} is out of bounds: more than nothing, at most {_DAYS_MAX} days")
    return length
