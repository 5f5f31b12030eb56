"""Admits an object version under `input/` as a batch: once, in the active Region, or for a canary in its own."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from baton.batches import Batches
from baton.canary import canary_epoch
from baton.errors import Refused, Unavailable
from baton.model import paths
from baton.model.batch import Batch, Source, Step
from baton.model.control import Control
from baton.model.identity import batch_id_of, owner_of
from baton.model.states import INITIAL
from baton.ports import Admission, Arrivals, Clock, Ledger, ObjectInfo, ObjectStore, Outbox
from baton.region_order import check_order
from baton.s3_events import created_objects
from baton.telemetry import Log, Metrics, emf
from baton.topology import RETENTION_DAYS

_NO_VERSION: Final = "null"
"""What S3 calls the version of an object written while versioning was off or suspended."""

ADMITTED_AGE_MAX: Final = timedelta(days=RETENTION_DAYS - 1)
"""Of a version, to be admitted. The row of an older one may be deleted: rows live for so long, and a day, after their
batch settled, which was after the version was written; a multipart upload even counts from its beginning. So what was
deleted is never admitted anew, in whichever Region and by whatever event, list or replica it is met."""


class Admitter:
    """Admits input objects of one Region. The trigger calls it for events, the sweeper for what no event announced."""

    def __init__(
        self,
        *,
        region: str,
        regions: tuple[str, str],
        ledger: Ledger,
        objects: ObjectStore,
        arrivals: Arrivals,
        batches: Batches,
        clock: Clock,
        log: Log,
    ) -> None:
        self._region = region
        self._regions = regions
        self._ledger = ledger
        self._objects = objects
        self._arrivals = arrivals
        self._batches = batches
        self._clock = clock
        self._log = log

    async def admit(
        self, key: str, version_id: str | None, *, size_bytes: int | None = None, created_at: datetime | None = None
    ) -> Batch | None:
        """Admit one object version (None: the current one) if it is due; return its batch, or None if it was ignored.

        `created_at`: when it was created as far as the event says, for an object of which S3 says nothing.

        Doing it twice is harmless: the row is created once, and the message of a batch that stands where the first
        attempt left it is sent again. An object that S3 does not let us read is admitted as the event describes it, and
        its batch ends FAILED with a reason. Raises `Unavailable` if the ledger cannot be reached, or while a planned
        switch drains this Region: the caller's event is then not lost but retried. Raises `Refused` for an object that
        S3 does not let us read and that has no version, and where our Regions are in another order than the ledger's.
        """
        name = paths.parse_input_key(key)
        if name is None or paths.is_marker(key, size_bytes):
            return None
        home = paths.canary_region(key)
        if home is not None:
            return await self._admit_canary(key, version_id) if home == self._region else None
        control = await self._ledger.control()
        check_order(control, self._regions)
        info = await self._told(key, version_id, size_bytes, created_at)
        if info is None or paths.is_marker(key, info.size_bytes):
            return None
        if control.active_region != self._region:
            control = await self._left(info)
        if control.active_region != self._region:
            self._log.info("left_to_active_region", key=key, active_region=control.active_region)
            return None
        if not control.admits(self._clock.now()):
            raise Unavailable("a planned switch is under way: nothing is admitted until it is through")
        return await self._admit(info, name.job, control.epoch)

    async def _told(
        self, key: str, version_id: str | None, size_bytes: int | None, created_at: datetime | None
    ) -> ObjectInfo | None:
        """Return what S3 says of the object, or what the event does if S3 says nothing."""
        try:
            return await self._found(key, version_id)
        except Refused as refused:
            if version_id is None:
                raise
            self._log.warning("input_unreadable", key=key, version_id=version_id, error=str(refused))
            # An event may be late by days (a dead letter that is sent again): its object is as old as it says.
            told = ObjectInfo(key, version_id, size_bytes or 0, created_at or self._clock.now())
            return told if self._has_version(told) else None

    async def _left(self, info: ObjectInfo) -> Control:
        """Note what is the other Region's to admit, if it has not yet; return the control row as it is after that.

        If this Region became active meanwhile, it may have looked at the notes before there was this one.
        """
        now = self._clock.now()
        if now <= info.last_modified + ADMITTED_AGE_MAX and not await self._has_row(info):
            await self._arrivals.note(info, at=now)
        return await self._ledger.control()

    async def _has_row(self, info: ObjectInfo) -> bool:
        try:
            return await self._ledger.get(batch_id_of(info.key, info.origin)) is not None
        except Refused:
            return True  # one that this version cannot read

    async def admit_listed(self, info: ObjectInfo, control: Control) -> Batch | None:
        """Admit a version from a list of this Region's bucket, for the active Region, whichever that is.

        On behalf of the other Region no message is sent: that one's own sweeper finds the row, and waits for the file
        if it has not got it.
        """
        name = paths.parse_input_key(info.key)
        if name is None or not self._has_version(info):
            return None
        return await self._admit(info, name.job, control.epoch)

    async def _admit_canary(self, key: str, version_id: str | None) -> Batch | None:
        """Admit a canary of this Region, whatever Region is active and whatever is under way."""
        info = await self._found(key, None)
        if info is not None and version_id is not None and info.version_id != version_id:
            return None
        # One that was cleared away is hidden: an event that comes late starts nothing.
        return await self._admit(info, paths.CANARY_JOB_NAME, canary_epoch(self._region, self._regions))

    async def _found(self, key: str, version_id: str | None) -> ObjectInfo | None:
        """Return the object if it is there, and named so that it differs from any other."""
        info = await self._objects.head(key, version_id=version_id)
        if info is None:
            self._log.info("input_gone", key=key, version_id=version_id)
            return None
        return info if self._has_version(info) else None

    def _has_version(self, info: ObjectInfo) -> bool:
        if info.version_id == _NO_VERSION:
            # The next upload of this name would be the same batch, and so be taken for done.
            self._log.error("bucket_not_versioned", key=info.key)
            return False
        return True

    async def _admit(self, info: ObjectInfo | None, job: str, epoch: int) -> Batch | None:
        if info is None or paths.is_marker(info.key, info.size_bytes):
            return None
        batch = self._new_batch(info, job, epoch)
        if batch.admitted_at > info.last_modified + ADMITTED_AGE_MAX:
            return await self._too_old(batch, info)
        if await self._ledger.admit(batch) is Admission.ALREADY_THERE:
            return await self._admitted_before(batch)
        self._report(batch)
        if self._is_mine(batch):
            await self._batches.nudge(batch)
        return batch

    async def _too_old(self, batch: Batch, info: ObjectInfo) -> Batch | None:
        there = await self._admitted_before(batch)
        if there is None:
            names = {"key": info.key, "version_id": info.version_id, "written_at": info.last_modified}
            self._log.warning("input_too_old", **names, **self._measured(batch, {"InputsTooOld": (1, "Count")}))
        return there

    async def _admitted_before(self, batch: Batch) -> Batch | None:
        there = await self._ledger.get(batch.batch_id)
        if there is None:
            return None
        if self._is_mine(there) and there.state is INITIAL:
            await self._batches.nudge(there)
        return there

    def _report(self, batch: Batch) -> None:
        names = {"batch_id": batch.batch_id, "key": batch.source.key, "job": batch.job, "epoch": batch.owner_epoch}
        if batch.is_canary:
            self._log.info("admitted", **names)
            return
        metrics: Metrics = {"BatchesAdmitted": (1, "Count"), "BytesAdmitted": (batch.source.size_bytes, "Bytes")}
        self._log.info("admitted", **names, **self._measured(batch, metrics))

    def _measured(self, batch: Batch, metrics: Metrics) -> dict[str, Any]:
        dimensions = {
            "Service": "trigger",
            "Region": self._region,
        }  # the trigger's work, even if the sweeper found the file
        return emf(metrics, dimensions=dimensions, now=batch.admitted_at)

    def _is_mine(self, batch: Batch) -> bool:
        return owner_of(batch.owner_epoch, self._regions) == self._region

    def _new_batch(self, info: ObjectInfo, job: str, epoch: int) -> Batch:
        now = self._clock.now()
        return Batch(
            batch_id=batch_id_of(info.key, info.origin),
            job=job,
            source=Source(key=info.key, version_id=info.origin, size_bytes=info.size_bytes),
            state=INITIAL,
            owner_epoch=epoch,
            admitted_at=now,
            updated_at=now,
            history=(Step(now, INITIAL, self._region),),
        )


async def admit_all(event: Mapping[str, Any], admitter: Admitter) -> int:
    """Admit every created object of the event; return how many batches there are for them.

    Raises what went wrong once all were tried: one that cannot be admitted keeps no other from it. An outage stays
    `Unavailable`, however many objects it met. Raises `pydantic.ValidationError` for what is no event of S3, be it a
    part of one.
    """
    objects, unreadable = created_objects(event)
    admitted = await asyncio.gather(
        *(
            admitter.admit(each.key, each.version_id, size_bytes=each.size_bytes, created_at=each.created_at)
            for each in objects
        ),
        return_exceptions=True,
    )
    errors = [*unreadable, *(result for result in admitted if isinstance(result, Exception))]
    if len(errors) == 1 or (errors and all(isinstance(error, Unavailable) for error in errors)):
        raise errors[0]
    if errors:
        raise ExceptionGroup(f"{len(errors)} of {len(objects) + len(unreadable)} objects were not admitted", errors)
    return sum(batch is not None for batch in admitted)


class AdmissionPorts(Protocol):
    """What of a Region's ports an admission needs."""

    def ledger(self) -> Ledger: ...

    def objects(self) -> ObjectStore: ...

    def arrivals(self) -> Arrivals: ...

    def outbox(self) -> Outbox: ...


def admitter(ports: AdmissionPorts, *, region: str, regions: tuple[str, str], clock: Clock, log: Log) -> Admitter:
    """Build what admits in `region`: for the trigger, which has no jobs, and for every `baton.context`."""
    ledger = ports.ledger()
    return Admitter(
        region=region,
        regions=regions,
        ledger=ledger,
        objects=ports.objects(),
        arrivals=ports.arrivals(),
        batches=Batches(region=region, ledger=ledger, outbox=ports.outbox(), clock=clock),
        clock=clock,
        log=log,
    )
