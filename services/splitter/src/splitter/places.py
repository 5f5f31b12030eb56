"""Remembers keys at which a long S3 listing can be begun in the middle: S3 lists by key alone.

A pass records keys, evenly spread. From each of them a later pass may list, side by side with the others.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from baton.ports import VersionPage

_KEPT_MAX: Final = 1_024


@dataclass(frozen=True, slots=True)
class Place:
    """Between two pages of versions: `cursor` goes on there, `key` is the last one before it."""

    cursor: str
    key: str


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the list: from `cursor` (None: the beginning) up to a place (None: the end)."""

    cursor: str | None = None
    until: Place | None = None

    def after(self, page: VersionPage) -> "Part | None":
        """Return what is left of it once this page of it was gone through; None if nothing is.

        The last page may reach into the next part: what was written meanwhile moves the bounds of pages.
        """
        if page.cursor is None or (self.until and self._is_past(page, self.until)):
            return None
        return Part(page.cursor, self.until)

    def _is_past(self, page: VersionPage, until: Place) -> bool:
        if page.cursor == until.cursor:
            return True
        # Of the key itself there may be versions on both sides. S3 lists in the order of UTF-8 bytes.
        return bool(page.versions) and page.versions[-1].info.key.encode() > until.key.encode()


class Places:
    """What the passes over one list have met."""

    def __init__(self) -> None:
        self._behind: list[Place] = []
        """Of the pass under way."""
        self._ahead = deque[Place]()
        """Of the pass before it, those that it has not come to."""
        self._every = 1
        """How many pages lie between two places."""
        self._pages = 0

    def passed(self, page: VersionPage) -> None:
        """Take note of a page that the pass under way has met."""
        if page.cursor is None:
            self._ahead.clear()
        if page.cursor is None or not page.versions:
            return
        key = page.versions[-1].info.key
        while self._ahead and self._ahead[0].key.encode() <= key.encode():
            self._ahead.popleft()
        self._pages += 1
        if self._pages % self._every == 0:
            self._behind.append(Place(page.cursor, key))
        if len(self._behind) > _KEPT_MAX:
            self._behind = self._behind[1::2]
            self._every *= 2

    def begin_anew(self) -> None:
        """Begin another pass, wherever the last one ended."""
        known = [*self._behind, *self._ahead]
        self._ahead = deque(known[:: 2 if len(known) > _KEPT_MAX else 1])
        self._behind, self._every, self._pages = [], 1, 0

    def parts(self, most: int) -> list[Part]:
        """Return the list in at most so many parts of about one length, as far as places are known."""
        known = [*self._behind, *self._ahead]
        count = min(most, len(known) + 1)
        bounds = [known[number * (len(known) + 1) // count - 1] for number in range(1, count)]
        cursors = [None, *(each.cursor for each in bounds)]
        return [Part(cursor, until) for cursor, until in zip(cursors, [*bounds, None], strict=True)]
