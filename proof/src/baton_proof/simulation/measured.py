"""What a simulated controller measures of a Region besides canaries: the time, and vitals."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import override

from baton.memory import MemoryQueues, MemoryVitals
from baton.messages import Kind
from baton.ports import CallStats, Clock, QueueVitals, ReplicationVitals
from baton_proof.simulation.network import Life


@dataclass(frozen=True, slots=True)
class Skewed:
    """A clock that is wrong, by what stands in `skews` at that moment."""

    clock: Clock
    skews: Mapping[str, float]
    region: str

    def now(self) -> datetime:
        return self.clock.now() + timedelta(seconds=self.skews.get(self.region, 0.0))


class SimVitals(MemoryVitals):
    """One Region's vitals, in which a fault may put what is bad for hours."""

    def __init__(self, queues: MemoryQueues) -> None:
        super().__init__(queues)
        self.suffers(dead_letters=0, alarm=False)

    def suffers(self, *, dead_letters: int, alarm: bool) -> None:
        """Have so many dead letters more than there are, and an alarm that fires or does not."""
        self.more_dead_letters = dead_letters
        self.firing: dict[str, bool | None] = {"baton-sim-region-x": alarm}

    @override
    async def queues(self) -> Mapping[Kind, QueueVitals]:
        found = dict(await super().queues())
        kind = next(iter(found))
        found[kind] = replace(found[kind], dead_letters=found[kind].dead_letters + self.more_dead_letters)
        return found


class SeenVitals:
    """The vitals as one controller sees them: with its own calls over the simulated network."""

    def __init__(self, vitals: MemoryVitals, life: Life, region: str) -> None:
        self._vitals, self._life, self._region = vitals, life, region

    async def queues(self) -> Mapping[Kind, QueueVitals]:
        return await self._vitals.queues()

    async def replication(self) -> ReplicationVitals:
        return await self._vitals.replication()

    async def alarms(self) -> Mapping[str, bool | None]:
        return await self._vitals.alarms()

    def calls(self) -> Mapping[str, CallStats]:
        return {"s3": self._life.stats_of(self._region)}
