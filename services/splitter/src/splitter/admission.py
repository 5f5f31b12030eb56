"""Admission: an object version under `input/` becomes a batch, once, in the active Region."""

from typing import Final

from baton.batches import Batches
from baton.model import paths
from baton.model.batch import Batch, Source, Step
from baton.model.identity import batch_id_of, origin_version, owner_of
from baton.model.states import INITIAL
from baton.ports import Admission, Clock, Ledger, ObjectInfo, ObjectStore
from baton.telemetry import Log

_NO_VERSION: Final = "null"
"""What S3 calls the version of an object written while versioning was off or suspended."""


class Admitter:
    """Admits input objects of one Region. The trigger calls it for events, the sweeper for what no event announced."""

    def __init__(
        self,
        *,
        region: str,
        regions: tuple[str, str],
        ledger: Ledger,
        objects: ObjectStore,
        batches: Batches,
        clock: Clock,
        log: Log,
    ) -> None:
        self._region = region
        self._regions = regions
        self._ledger = ledger
        self._objects = objects
        self._batches = batches
        self._clock = clock
        self._log = log

    async def admit(self, key: str, version_id: str | None) -> Batch | None:
        """Admit one object version (None: the current one), or leave it: return its batch, or None if it was left.

        Doing it twice is harmless: the row is created once, and the message of a batch that stands where the first
        attempt left it is sent again. Raises `Unavailable` if the ledger cannot be reached: the caller's event is
        then not lost but tried again.
        """
        name = paths.parse_input_key(key)
        if name is None:
            return None
        control = await self._ledger.control()
        if control.active_region != self._region:
            self._log.info("left_to_active_region", key=key, active_region=control.active_region)
            return None
        info = await self._objects.head(key, version_id=version_id)
        if info is None:
            self._log.info("input_gone", key=key, version_id=version_id)
            return None
        if info.version_id == _NO_VERSION:
            # The next upload of this name would be the same batch, and so be taken for done.
            self._log.error("bucket_not_versioned", key=key)
            return None
        batch = self._new_batch(info, name.job, control.epoch)
        if await self._ledger.admit(batch) is Admission.ALREADY_THERE:
            return await self._admitted_before(batch)
        self._log.info("admitted", batch_id=batch.batch_id, key=key, job=name.job, epoch=control.epoch)
        await self._batches.nudge(batch)
        return batch

    async def _admitted_before(self, batch: Batch) -> Batch | None:
        there = await self._ledger.get(batch.batch_id)
        if there is None:
            return None
        mine = owner_of(there.owner_epoch, self._regions) == self._region
        if mine and there.state is INITIAL:
            await self._batches.nudge(there)
        return there

    def _new_batch(self, info: ObjectInfo, job: str, epoch: int) -> Batch:
        version = origin_version(info.version_id, info.metadata)
        now = self._clock.now()
        return Batch(
            batch_id=batch_id_of(info.key, version),
            job=job,
            source=Source(key=info.key, version_id=version, size_bytes=info.size_bytes),
            state=INITIAL,
            owner_epoch=epoch,
            admitted_at=now,
            updated_at=now,
            history=(Step(now, INITIAL, self._region),),
        )
