"""Port: the event bus on which handovers are published."""

from typing import Protocol

from baton.model.events import Event


class EventBus(Protocol):
    """Takes events of one environment."""

    async def put(self, event: Event) -> None:
        """Hand over one event. After an answer that is lost the event may be there twice: its `id` says so.

        Raises `Refused` also if it is larger than the bus takes.
        """
        ...
