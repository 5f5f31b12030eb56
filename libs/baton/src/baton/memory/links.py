"""Links without signatures."""

from datetime import timedelta
from urllib.parse import quote

from baton.memory.refusals import Refusals
from baton.ports.clock import Clock
from baton.ports.links import Link


class MemoryLinks:
    """Signs nothing: the link names the key and the end of its 60 minutes."""

    def __init__(self, clock: Clock, *, base_url: str = "https://links.invalid") -> None:
        self.refusals = Refusals(MemoryLinks)
        self._clock = clock
        self._base_url = base_url

    async def sign(self, key: str) -> Link:
        self.refusals.check("sign", key)
        expires_at = self._clock.now() + timedelta(minutes=60)
        return Link(f"{self._base_url}/{quote(key)}?expires={int(expires_at.timestamp())}", expires_at)
