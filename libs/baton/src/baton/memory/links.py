"""Links without signatures."""

from urllib.parse import quote

from baton.errors import NotFound
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


class MemoryLinkReader:
    """Opens links to what `behind` holds, by the link's URL up to its query."""

    def __init__(self) -> None:
        self.refusals = Refusals(MemoryLinkReader)
        self.behind: dict[str, bytes] = {}

    async def read(self, link: Link, *, bytes_max: int) -> bytes:
        url = link.url.partition("?")[0]
        self.refusals.check("read", url)
        if url not in self.behind:
            raise NotFound(f"404 Not Found: {url}")
        return self.behind[url][:bytes_max]
