"""Sends events to EventBridge by PutEvents, on the default bus of this Region.

An event for a bus that does not exist is dropped without a word; the default bus is always there.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from baton.aws.sdk.failures import translated
from baton.errors import Refused, Unavailable
from baton.model import events
from baton.model.events import Event

_ASK_AGAIN: Final = frozenset({"InternalFailure", "ThrottlingException"})
"""Codes of an entry that may be taken the next time. Source: PutEventsResultEntry, EventBridge API Reference."""


class EventBridge:
    """The default bus of one Region."""

    def __init__(self, client: Callable[[], Awaitable[Any]], *, environment: str) -> None:
        self._client = client
        self._environment = environment

    @translated()
    async def put(self, event: Event) -> None:
        entry = events.entry(event, self._environment)
        client = await self._client()
        answer = await client.put_events(Entries=[entry])
        # The call itself succeeds although no entry was taken.
        for result in answer["Entries"]:
            if code := result.get("ErrorCode"):
                told = f"PutEvents: {code}: {result.get('ErrorMessage', '')}"
                raise (Unavailable if code in _ASK_AGAIN else Refused)(told)
