"""Port: download links."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

LINK_LIFE: Final = timedelta(minutes=60)
"""For how long a link is valid: the most that STS gives to a role which assumes a role, as a container's does."""


@dataclass(frozen=True, slots=True)
class Link:
    """A presigned URL and the moment until which it works."""

    url: str
    expires_at: datetime


class Links(Protocol):
    """Signs links over the Multi-Region Access Point."""

    async def sign(self, key: str) -> Link:
        """Return a link to one output object that is really valid for `LINK_LIFE`.

        Signed with credentials taken at this moment from a role that may read outputs only: a link signed by longer
        running credentials dies with them, whatever its stated expiry.
        """
        ...


class LinkReader(Protocol):
    """Opens links as their recipients do: without any credentials of its own."""

    async def read(self, link: Link, *, bytes_max: int) -> bytes:
        """Return the first bytes behind it.

        Raises `Refused` for a status that says no (400, 403), `NotFound` for 404, `Unavailable` for any other error.
        """
        ...
