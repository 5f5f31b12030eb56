"""Remembers where pages of a long S3 listing ended, so that a later pass can begin in the middle of it.

A pass records such places, evenly spread. From each of them a later pass may list, side by side with the others.
"""

from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from baton.ports import PageEnd, VersionPage

_KEPT_MAX: Final = 1_024


@dataclass(frozen=True, slots=True)
class ListPart:
    """A part of the list: what comes after a place (None: from the beginning), up to another (None: to the end)."""

    after: PageEnd | None = None
    until: PageEnd | None = None

    def without(self, page: VersionPage) -> "ListPart | None":
        """Return what is left of it once this page of it was gone through; None if nothing is.

        The last page may reach into the next part: what was written meanwhile moves the bounds of pages.
        """
        if page.end is None or (self.until and _reaches(page.end, self.until)):
            return None
        return ListPart(page.end, self.until)


def _reaches(end: PageEnd, until: PageEnd) -> bool:
    # Of the key itself there may be versions on both sides. S3 lists in the order of UTF-8 bytes.
    return end == until or end.key.encode() > until.key.encode()


class PageEnds:
    """What the passes over one list have met."""

    def __init__(self) -> None:
        self._behind: list[PageEnd] = []
        """Of the pass under way."""
        self._ahead = deque[PageEnd]()
        """Of the pass before it, those that it has not come to."""
        self._every = 1
        """How many pages lie between two places."""
        self._pages = 0

    def passed(self, page: VersionPage) -> None:
        """Take note of a page that the pass under way has met."""
        if page.end is None:
            self._ahead.clear()
            return
        while self._ahead and self._ahead[0].key.encode() <= page.end.key.encode():
            self._ahead.popleft()
        self._pages += 1
        if self._pages % self._every == 0:
            self._behind.append(page.end)
        if len(self._behind) > _KEPT_MAX:
            self._behind = self._behind[1::2]
            self._every *= 2

    def begin_anew(self) -> None:
        """Begin another pass, wherever the last one ended."""
        known = [*self._behind, *self._ahead]
        self._ahead = deque(known[:: 2 if len(known) > _KEPT_MAX else 1])
        self._behind, self._every, self._pages = [], 1, 0

    def parts(self, most: int) -> list[ListPart]:
        """Return the list in at most so many parts of about one length, as far as places are known."""
        known = [*self._behind, *self._ahead]
        count = min(most, len(known) + 1)
        bounds = [known[number * (len(known) + 1) // count - 1] for number in range(1, count)]
        return [ListPart(after, until) for after, until in pairwise([None, *bounds, None])]
