"""An event bus in memory that keeps the events that it accepts."""

from collections.abc import Mapping
from typing import Any

from baton.memory.refusals import Refusals
from baton.model import events
from baton.model.events import Event


class MemoryEventBus:
    """Taken events are in `taken`, in order, and as entries of PutEvents in `entries`."""

    def __init__(self, environment: str = "memory") -> None:
        self.refusals = Refusals(MemoryEventBus)
        self._environment = environment
        self.taken: list[Event] = []
        self.entries: list[Mapping[str, Any]] = []

    async def put(self, event: Event) -> None:
        entry = events.entry(event, self._environment)
        self.refusals.check("put", event.id)
        self.taken.append(event)
        self.entries.append(entry)
