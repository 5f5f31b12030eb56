"""Admits canaries from S3's events, which come in a separate queue without events of other files.

So a canary's admission waits behind nobody's, neither in the queue of a function nor for its share of an account's
concurrency. What it does not measure is the trigger's function: ADR 19.
"""

from baton.admission import Admitter, admit_all
from baton.s3_events import Event, log_fields
from baton.telemetry import Log, Metrics


class CanaryEvents:
    """Handles events of S3."""

    def __init__(self, admitter: Admitter, *, log: Log) -> None:
        self._admitter = admitter
        self._log = log

    async def handle(self, message: Event, _attempt: int) -> Metrics | None:
        """Admit what was created."""
        await admit_all(message, self._admitter)
        return None

    async def give_up(self, message: Event, *, cause: str) -> None:
        """Say so: there is no batch, and nobody waits for a canary for so long."""
        self._log.error("event_given_up", **log_fields(message), cause=cause)
