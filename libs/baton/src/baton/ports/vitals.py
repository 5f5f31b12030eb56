"""Port: measurements of one Region from outside its services. What was not measured is None, never a guess."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from baton.messages import Kind


@dataclass(frozen=True, slots=True)
class QueueVitals:
    """The work queues of one kind for users' batches, and their dead letters."""

    waiting: int
    dead_letters: int
    oldest_seconds: float | None
    """Age of the oldest message of the ordinary lane; large batches may wait for each other. None: the metric has
    no data."""


@dataclass(frozen=True, slots=True)
class ReplicationVitals:
    """Replication into this Region's bucket, by the store's own metrics: a hint, since they are best effort."""

    lag_seconds: float | None
    pending: int | None
    """Operations that wait: objects, delete markers, tags."""


@dataclass(frozen=True, slots=True)
class CallStats:
    """Calls of one service's client within the last minute, every attempt counted."""

    calls: int
    errors: int
    """No answer, throttled, or a server's error."""


class Vitals(Protocol):
    """Measurements of one Region. Each method raises `Unavailable` if the Region does not answer."""

    async def queues(self) -> Mapping[Kind, QueueVitals]:
        """Return the state of users' work queues, by kind. Canaries' are told by the canaries."""
        ...

    async def replication(self) -> ReplicationVitals:
        """Return how far replication into this Region is behind."""
        ...

    async def alarms(self) -> Mapping[str, bool | None]:
        """Return whether each of this environment's alarms fires; None: it has too little data to say."""
        ...

    def calls(self) -> Mapping[str, CallStats]:
        """Return how this process's own calls to the Region went, by service: `s3`, `sqs`, `dynamodb`."""
        ...
