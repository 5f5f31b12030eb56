"""The reject index in memory."""

from collections.abc import Sequence
from itertools import batched
from typing import Final

from baton.memory.refusals import Refusals
from baton.ports.preconditions import check_rejects_fit
from baton.ports.rejects import StoredReject

_ITEMS_MAX: Final = 25
"""Of one call to DynamoDB."""


class MemoryRejectIndex:
    """Rejects by batch, plan and record number."""

    def __init__(self) -> None:
        self.refusals = Refusals(MemoryRejectIndex)
        self._rejects: dict[tuple[str, str], dict[int, StoredReject]] = {}
        self._held: dict[tuple[str, str], dict[int, StoredReject]] | None = None
        """What lists see while they lag. None: they do not."""

    def hold_index(self) -> None:
        """Let lists show what is there now, whatever is written from now on: they are eventually consistent."""
        self._held = {plan: dict(rejects) for plan, rejects in self._rejects.items()}

    def release_index(self) -> None:
        """Let lists show what is there."""
        self._held = None

    async def put(self, batch_id: str, plan_id: str, rejects: Sequence[StoredReject]) -> None:
        check_rejects_fit(rejects)
        for some in batched(rejects, _ITEMS_MAX):
            self.refusals.check("put", batch_id)
            self._rejects.setdefault((batch_id, plan_id), {}).update({reject.record_number: reject for reject in some})

    async def list(self, batch_id: str, plan_id: str, *, limit: int) -> Sequence[StoredReject]:
        self.refusals.check("list", batch_id)
        rejects = (self._rejects if self._held is None else self._held).get((batch_id, plan_id), {})
        return [rejects[number] for number in sorted(rejects)[:limit]]
