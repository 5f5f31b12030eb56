"""Asks a store or a Region with a time limit, and repeats until the awaited answer comes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, Protocol

from baton.errors import NotFound, Refused, Unavailable

LAST: Final = "last"
"""Names the newest of what can be named by an id."""
ANSWER_SECONDS_MAX: Final = 4.0
"""Of the ledger and of a Region. One that is cut off answers nothing at all: nobody waits for the client's retries."""
NO_ANSWER: Final = (TimeoutError, Unavailable)
"""What a question that is not answered raises."""
NOT_HERE: Final = (*NO_ANSWER, Refused, NotFound)
"""What a Region raises that does not answer, or refuses: the other one may answer."""


class Pollable(Protocol):
    """Something that is over at some time."""

    @property
    def is_over(self) -> bool: ...


async def follow[T: Pollable](seen: T, look: Callable[[T], Awaitable[T]], *, every_seconds: float) -> AsyncIterator[T]:
    """Yield how it stands again and again until it is over. `look` takes what was seen before."""
    while not seen.is_over:
        seen = await look(seen)
        yield seen
        if not seen.is_over:
            await asyncio.sleep(every_seconds)
