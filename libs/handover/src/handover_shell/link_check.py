"""Follows the link to a canary's result, as its recipient would: through the access point, by a session of its role."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

from baton.errors import BatonError, Refused
from baton.model.journal import Verdict
from baton.ports import Clock
from baton.ports.links import LinkReader, Links
from baton.ports.switch import Routes
from handover.provided import Provided, Provision
from handover.settings import ControllerSettings

_SPARE_BYTES: Final = 1
"""Read beyond what is expected: more is other bytes."""


class LinkCheck:
    """One Region's way to what it publishes: its session, its signature, and the access point."""

    def __init__(
        self, links: Links, reader: LinkReader, routes: Routes, *, settings: ControllerSettings, clock: Clock
    ) -> None:
        self._links = links
        self._reader = reader
        self._routes = routes
        self._settings = settings
        self._clock = clock
        self._answered_at: datetime | None = None
        self._refused_since: datetime | None = None
        self.newest: Provided | None = None

    async def follow(self, region: str, key: str, *, expected: bytes) -> None:
        """Follow a link to what lies in that Region, if it is time to and the access point leads there. Never raises.

        No answer says nothing: the Region that holds the object may be going down, which is no fault of ours.
        """
        now = self._clock.now()
        if self._answered_at and now - self._answered_at < timedelta(seconds=self._settings.provisions_seconds):
            return
        try:
            async with asyncio.timeout(self._settings.call_seconds):
                if (await self._routes.dials()).get(region):
                    link = await self._links.sign(key)
                    found = await self._reader.read(link, bytes_max=len(expected) + _SPARE_BYTES)
                    self._answered(Verdict.HEALTHY if found == expected else Verdict.UNKNOWN, "opened")
        except Refused as error:
            self._refused(str(error))
        except (BatonError, TimeoutError) as error:
            self._told(Verdict.UNKNOWN, str(error) or "no answer in time")

    def _answered(self, verdict: Verdict, text: str) -> None:
        if verdict is Verdict.HEALTHY:
            self._answered_at, self._refused_since = self._clock.now(), None
        self._told(verdict, text if verdict is Verdict.HEALTHY else "it leads to other bytes")

    def _refused(self, text: str) -> None:
        """Take a refusal for one only once it lasts: dials that were just turned lead elsewhere for a while.

        Where an object is not, S3 refuses it to a role that may not list.
        """
        now = self._clock.now()
        self._refused_since = self._refused_since or now
        lasts = now - self._refused_since > timedelta(seconds=self._settings.dials_seconds)
        self._told(Verdict.UNHEALTHY if lasts else Verdict.UNKNOWN, text)

    def _told(self, verdict: Verdict, text: str) -> None:
        self.newest = Provided(Provision.LINK, verdict, text, self._clock.now())
