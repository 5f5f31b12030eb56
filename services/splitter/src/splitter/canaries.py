"""Deletes canaries that their controller did not delete: it died, or its Region was cut off."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from baton.batches import Batches
from baton.canary import KEPT, clear_away, hide_work
from baton.model import paths
from baton.model.batch import Batch, Failure
from baton.model.identity import CANARY, batch_id_of
from baton.model.states import BatchState
from baton.ports import Clock, Ledger, ObjectStore


class CanarySweep:
    """One Region's canaries, found by what they leave in its bucket."""

    def __init__(
        self,
        *,
        region: str,
        ledger: Ledger,
        objects: ObjectStore,
        batches: Batches,
        clock: Clock,
        alone: Callable[[str], AbstractContextManager[None]],
    ) -> None:
        """`alone` isolates one canary's errors from the others."""
        self._region = region
        self._ledger = ledger
        self._objects = objects
        self._batches = batches
        self._clock = clock
        self._alone = alone

    async def sweep(self) -> None:
        """Remove every canary older than `KEPT`, with its row."""
        before = self._clock.now() - KEPT
        for batch_id, key in (await self._remains(before)).items():
            with self._alone(batch_id):
                await self._remove(batch_id, key, before)

    async def end(self, batch: Batch) -> None:
        """Remove an open canary if it is older than `KEPT`; nobody waits for it any more."""
        if batch.admitted_at > self._clock.now() - KEPT:
            return
        if not batch.is_final:
            # The table knows no failure after the mail, and a canary has none.
            state = BatchState.COMPLETED if batch.state is BatchState.NOTIFIED else BatchState.FAILED
            failure = Failure("stalled", f"a canary that stood in {batch.state} for {KEPT}")
            batch = await self._batches.move(
                batch, state, failure=failure if state is BatchState.FAILED else batch.failure
            )
        await clear_away(batch, ledger=self._ledger, objects=self._objects)

    async def _remains(self, before: datetime) -> dict[str, str | None]:
        """Return the canaries whose objects are that old, by id, with the key of their file if it is there."""
        found: dict[str, str | None] = {}
        async for info in self._objects.list(paths.CANARY_WORK):
            if info.last_modified <= before:
                found[info.key.removeprefix(paths.CANARY_WORK).partition("/")[0]] = None
        async for info in self._objects.list(f"{CANARY}{self._region}/"):
            with self._alone(info.key):
                version = await self._objects.head(info.key) if info.last_modified <= before else None
                if version:
                    found[batch_id_of(info.key, version.origin)] = info.key
        return found

    async def _remove(self, batch_id: str, key: str | None, before: datetime) -> None:
        batch = await self._ledger.get(batch_id)
        if batch is not None:
            await self.end(batch)
            return
        await hide_work(batch_id, self._objects)
        left = await self._objects.head(key) if key else None
        if left and left.last_modified <= before:
            await self._objects.delete(left.key, if_version_is=left.version_id)
