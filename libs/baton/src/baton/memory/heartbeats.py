"""Signs of life in memory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from baton.errors import Conflict
from baton.memory.refusals import Refusals
from baton.ports.heartbeats import Nudges, Signs


class MemoryHeartbeats:
    """One Region's signs of life."""

    def __init__(self) -> None:
        self.refusals = Refusals(MemoryHeartbeats)
        self._rows: dict[str, Signs] = {}
        self._began: dict[tuple[str, str], dict[str, datetime]] = {}
        """By batch and step: the processes that have not ended, and when each was alive."""
        self._notices: dict[str, datetime] = {}
        self._sent: set[str] = set()

    async def beat(self, batch_id: str, *, at: datetime) -> None:
        self.refusals.check("beat", batch_id)
        row = self._rows.get(batch_id, Signs())
        self._rows[batch_id] = replace(row, worked_at=max(at, row.worked_at or at))

    async def signs(self, batch_id: str) -> Signs:
        self.refusals.check("signs", batch_id)
        return self._rows.get(batch_id, Signs())

    async def count_nudge(self, batch_id: str, nudges: Nudges, *, before: Nudges | None) -> None:
        self.refusals.check("count_nudge", batch_id)
        row = self._rows.get(batch_id, Signs())
        if row.nudges != before:
            raise Conflict(f"batch {batch_id}: another sweeper nudged it")
        self._rows[batch_id] = replace(row, nudges=nudges)

    async def attempt_begun(self, batch_id: str, step: str, *, by: str, at: datetime) -> Sequence[datetime]:
        self.refusals.check("attempt_begun", batch_id)
        began = self._began.setdefault((batch_id, step), {})
        began[by] = at
        return [alive_at for process, alive_at in began.items() if process != by]

    async def attempt_alive(self, batch_id: str, step: str, *, by: str, at: datetime) -> None:
        self.refusals.check("attempt_alive", batch_id)
        began = self._began.get((batch_id, step), {})
        if by in began:
            began[by] = at

    async def attempt_ended(self, batch_id: str, step: str, *, by: str, at: datetime, for_good: bool) -> None:
        del at
        self.refusals.check("attempt_ended", batch_id)
        began = self._began.get((batch_id, step), {})
        for process in list(began) if for_good else [by]:
            began.pop(process, None)

    async def claim_notice(self, batch_id: str, *, at: datetime, lease: timedelta) -> bool:
        self.refusals.check("claim_notice", batch_id)
        before = self._notices.get(batch_id)
        if batch_id in self._sent or (before is not None and before > at - lease):
            return False
        self._notices[batch_id] = at
        return True

    async def notice_sent(self, batch_id: str, *, at: datetime) -> None:
        del at
        self.refusals.check("notice_sent", batch_id)
        self._sent.add(batch_id)
