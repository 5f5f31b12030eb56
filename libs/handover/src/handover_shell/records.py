"""Records decisions. A record that cannot be written at once is written later, and delays nothing meanwhile."""

from typing import Final

from baton.model.control import Transition
from baton.model.journal import Decision
from baton.ports import Journal
from baton.telemetry import Log
from handover_shell.asking import Asking

_KEPT_MAX: Final = 1_000
"""Records that wait for the ledger. A controller makes a few in an hour; while it reads nothing it decides nothing."""


class Records:
    """The decisions of one controller on their way into the journal."""

    def __init__(self, journal: Journal, *, ask: Asking, log: Log) -> None:
        """`ask` has the deadline of one write."""
        self._journal = journal
        self._ask = ask
        self._log = log
        self._waiting: dict[str, tuple[Decision, Transition | None]] = {}

    async def put(self, decision: Decision, *, left: Transition | None = None) -> None:
        """Write a decision, and what left the control row by it. Never raises: what fails is kept for `put_waiting`."""
        self._log.info(
            "decided",
            decision_id=decision.id,
            kind=decision.kind,
            epoch=decision.epoch,
            transition_id=decision.transition_id,
            command_id=decision.command_id,
            summary=decision.summary,
        )
        self._waiting[decision.id] = decision, left
        if len(self._waiting) > _KEPT_MAX:
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            self._log.error("decision_not_recorded", decision_id=oldest)
        await self._put(decision.id)

    async def put_waiting(self) -> None:
        """Write what waits, the oldest first, until one fails."""
        for decision_id in list(self._waiting):
            if not await self._put(decision_id):
                return

    async def _put(self, decision_id: str) -> bool:
        decision, left = self._waiting[decision_id]
        answer = await self._ask.told(self._journal.record, decision, left=left)
        if answer.error is not None:
            self._log.warning("record_waits", decision_id=decision_id, error=answer.error)
            return False
        self._waiting.pop(decision_id, None)
        return True
