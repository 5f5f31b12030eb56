"""Links without signatures."""

from urllib.parse import quote

from baton.memory.refusals import Refusals
from baton.ports.clock import Clock
from baton.ports.links import LINK_LIFE, Link


class MemoryLinks:
    """Signs nothing: the link names the key and the end of its life."""

    def __init__(self, clock: Clock, *, base_url: str = "https://links.invalid") -> None:
        self.refusals = Refusals(MemoryLinks)
        self._clock = clock
        self._base_url = base_url

    async def sign(self, key: str) -> Link:
        self.refusals.check("sign", key)
        expires_at = self._clock.now() + LINK_LIFE
        return Link(f"{self._base_url}/{quote(key)}?expires={int(expires_at.timestamp())}", expires_at)
