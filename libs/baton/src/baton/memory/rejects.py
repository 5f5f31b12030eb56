"""The reject index in memory."""

from collections.abc import Sequence

from baton.ports.rejects import StoredReject
from baton.ports.rules import check_rejects_fit


class MemoryRejectIndex:
    """Rejects by batch and record number."""

    def __init__(self) -> None:
        self._rejects: dict[str, dict[int, StoredReject]] = {}

    async def put(self, batch_id: str, rejects: Sequence[StoredReject]) -> None:
        check_rejects_fit(rejects)
        self._rejects.setdefault(batch_id, {}).update({reject.record_number: reject for reject in rejects})

    async def list(self, batch_id: str, *, limit: int) -> Sequence[StoredReject]:
        rejects = self._rejects.get(batch_id, {})
        return [rejects[number] for number in sorted(rejects)[:limit]]
