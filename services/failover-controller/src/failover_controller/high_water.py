"""Stores the ledger's high water in the Region's own bucket, which a restore of the table does not change."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from baton.errors import NotFound
from baton.model import high_water
from baton.model.high_water import HighWater
from baton.ports import Clock
from handover.settings import ControllerSettings
from handover_shell.acts import Place
from handover_shell.asking import Asking

_BEATS_BETWEEN: Final = 60
"""Heartbeats between two writes: five minutes, and a table can be restored to no later moment than five minutes ago."""


class Kept:
    """What the buckets say of how far the ledger has been. Reads both until they answer, writes our own."""

    def __init__(self, *, region: str, places: Mapping[str, Place], settings: ControllerSettings, clock: Clock) -> None:
        self._region = region
        self._objects = {name: place.objects for name, place in places.items()}
        self._settings = settings
        self._clock = clock
        self._ask = Asking(settings.call_seconds)
        self._unread = set(places)
        self._first_asked_at: datetime | None = None
        self._asked_at: datetime | None = None
        self._written: HighWater | None = None
        self.known: HighWater | None = None
        """The furthest of what was read."""

    @property
    def is_known(self) -> bool:
        """Whether our own bucket has answered, or has not for so long that it is not waited for any longer.

        Bounded: a bucket that is gone, or that refuses us, must not keep a dead Region from being left.
        """
        if self._region not in self._unread:
            return True
        waited = timedelta(seconds=self._settings.driver_seconds)
        return self._first_asked_at is not None and self._clock.now() - self._first_asked_at > waited

    async def read(self) -> None:
        """Ask those buckets that have not answered yet, as often as vitals are taken. Never raises."""
        now = self._clock.now()
        if self._asked_at and now < self._asked_at + timedelta(seconds=self._settings.vitals_seconds):
            return
        self._asked_at, self._first_asked_at = now, self._first_asked_at or now
        await asyncio.gather(*(self._read(region) for region in sorted(self._unread)))

    async def _read(self, region: str) -> None:
        async def ask() -> HighWater | None:
            try:
                return high_water.read(await self._objects[region].get(high_water.KEY))
            except NotFound:
                return None

        answer = await self._ask.told(ask)
        if answer.error is None:
            self._unread.discard(region)
            self.known = answer.value.joined(self.known) if answer.value else self.known

    async def write(self, mark: HighWater) -> None:
        """Keep it, if it is worth a write. Never raises: what fails is tried again with the next beat."""
        if self._region in self._unread or not self._is_worth_it(mark):
            return  # what was not read yet may be further
        if self.known is not None and not self.known.has_been_passed_by(mark):
            return  # of a look that did not know it yet
        body = high_water.written(mark)
        put = self._objects[self._region].put
        if (await self._ask.told(put, high_water.KEY, body, content_type="application/json")).error is None:
            self._written = mark

    def _is_worth_it(self, mark: HighWater) -> bool:
        last = self._written
        if last is None or mark.place > last.place:
            return True
        return mark.beats.get(self._region, 0) >= last.beats.get(self._region, 0) + _BEATS_BETWEEN
