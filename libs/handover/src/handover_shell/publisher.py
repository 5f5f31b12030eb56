"""Publishes decisions on the event bus. Events that it does not accept are kept and retried; nothing waits for them."""

from typing import Final

from baton.model.events import Event
from baton.ports import EventBus
from baton.telemetry import Log
from handover_shell.asking import Asking

_KEPT_MAX: Final = 1_000
"""Events that wait for the bus. A handover has a handful; a reader who missed more reads the history."""


class Publisher:
    """The events of one controller on their way to the bus. They are lost with the process; the history is not."""

    def __init__(self, bus: EventBus, *, ask: Asking, log: Log) -> None:
        """`ask` has the deadline of one event."""
        self._bus = bus
        self._ask = ask
        self._log = log
        self._waiting: dict[str, Event] = {}
        """By id, the oldest first."""

    @property
    def waiting(self) -> int:
        """How many events wait: none, unless the bus takes none."""
        return len(self._waiting)

    def add(self, event: Event | None) -> None:
        """Have an event sent by the next `send`; None is no news."""
        if event is None:
            return
        if len(self._waiting) >= _KEPT_MAX:
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            self._log.error("event_not_sent", decision_id=oldest)
        self._waiting[event.id] = event

    async def send(self) -> None:
        """Send what waits, the oldest first, until nobody answers; one that is refused hides no other. Never raises."""
        for event in list(self._waiting.values()):
            answer = await self._ask.told(self._bus.put, event)
            if answer.error is None:
                self._waiting.pop(event.id, None)
                continue
            self._log.warning("event_waits", decision_id=event.id, kind=event.kind, error=answer.error)
            if not answer.refused:
                return
