"""The provisions of a Region in memory, set by the test."""

from collections.abc import Mapping, Sequence

from baton.memory.refusals import Refusals
from baton.ports.provisions import Headroom, MailProvision, TaskCounts


class MemoryProvisions:
    """One Region, in which everything is ready until a field says otherwise."""

    def __init__(self) -> None:
        self.refusals = Refusals(MemoryProvisions)
        self.of_mail: MailProvision | None = MailProvision(
            verified=True, sends=True, in_sandbox=False, per_day=50_000, sent=0
        )
        self.denies: list[str] | None = []
        self.running: dict[str, TaskCounts] | None = {"worker": TaskCounts(running=1, desired=1)}
        self.rooms: dict[str, Headroom] | None = {"fargate": Headroom(vcpus_allowed=64, vcpus_needed=8)}

    async def mail(self) -> MailProvision | None:
        self.refusals.check("mail")
        return self.of_mail

    async def denied(self) -> Sequence[str] | None:
        self.refusals.check("denied")
        return None if self.denies is None else list(self.denies)

    async def tasks(self) -> Mapping[str, TaskCounts] | None:
        self.refusals.check("tasks")
        return None if self.running is None else dict(self.running)

    async def room(self) -> Mapping[str, Headroom] | None:
        self.refusals.check("room")
        return None if self.rooms is None else dict(self.rooms)
