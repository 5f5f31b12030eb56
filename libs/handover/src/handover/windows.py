"""Weekly time windows in UTC, such as `Sun 02:00-04:00` or `Fri 22:00-01:00`."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WINDOW: Final = re.compile(r"(\w{3}|daily) (\d\d):([0-5]\d)-(\d\d):([0-5]\d)")
_MINUTES_PER_DAY: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class Window:
    """A window that comes every week, or every day. One that ends before it starts goes past midnight."""

    day: int | None
    """0 is Monday; None is every day."""
    start_minute: int
    end_minute: int
    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `Sun 02:00-04:00` or `daily 22:00-01:00`. Raises `ValueError` with the text in it."""
        found = _WINDOW.fullmatch(text.strip())
        if found is None or found[1] not in (*_DAYS, "daily"):
            raise ValueError(f"no window: {text!r}; write `Sun 02:00-04:00` or `daily 22:00-01:00`, in UTC")
        start, end = int(found[2]) * 60 + int(found[3]), int(found[4]) * 60 + int(found[5])
        if max(start, end) > _MINUTES_PER_DAY or start == end:
            raise ValueError(f"no window: {text!r} has no length, or a time that is none")
        return cls(None if found[1] == "daily" else _DAYS.index(found[1]), start, end, text.strip())

    def holds(self, now: datetime) -> bool:
        """Return whether the moment, in UTC, lies in the window."""
        minute = now.hour * 60 + now.minute
        if self.start_minute < self.end_minute:
            return self._on(now.weekday()) and self.start_minute <= minute < self.end_minute
        late = self._on(now.weekday()) and minute >= self.start_minute
        return late or (self._on((now.weekday() - 1) % 7) and minute < self.end_minute)

    def _on(self, weekday: int) -> bool:
        return self.day is None or self.day == weekday


def parse_all(text: str) -> tuple[Window, ...]:
    """Read windows separated by commas; none in an empty text."""
    return tuple(Window.parse(each) for each in text.split(",") if each.strip())
