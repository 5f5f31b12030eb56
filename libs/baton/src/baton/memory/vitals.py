"""Measurements of queues in memory; all others are set by the test."""

from collections.abc import Mapping

from baton.memory.queues import MemoryQueues
from baton.memory.refusals import Refusals
from baton.messages import KINDS, OF_USERS, Kind
from baton.ports.vitals import CallStats, QueueVitals, ReplicationVitals


class MemoryVitals:
    """One Region. What the fields hold is measured next; they start as in a Region that has no metrics yet."""

    def __init__(self, queues: MemoryQueues) -> None:
        self.refusals = Refusals(MemoryVitals)
        self._queues = queues
        self.ages_known = True
        """False: CloudWatch has no data of the queues."""
        self.replicated = ReplicationVitals(lag_seconds=None, pending=None)
        self.firing: dict[str, bool | None] = {}
        """By the alarm's name."""
        self.called: dict[str, CallStats] = {}
        """By service."""

    async def queues(self) -> Mapping[Kind, QueueVitals]:
        self.refusals.check("queues")
        return {kind: self._queue(kind) for kind in KINDS}

    async def replication(self) -> ReplicationVitals:
        self.refusals.check("replication")
        return self.replicated

    async def alarms(self) -> Mapping[str, bool | None]:
        self.refusals.check("alarms")
        return dict(self.firing)

    def calls(self) -> Mapping[str, CallStats]:
        return dict(self.called)

    def _queue(self, kind: Kind) -> QueueVitals:
        return QueueVitals(
            waiting=sum(self._queues.waiting(kind, lane) for lane in OF_USERS),
            dead_letters=sum(len(self._queues.dead(kind, lane)) for lane in OF_USERS),
            oldest_seconds=self._queues.oldest_seconds(kind) if self.ages_known else None,
        )
