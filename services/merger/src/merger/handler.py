"""Publishes a batch: checks the books, joins the parts, then says so in the ledger. Only that last step makes it so."""

import csv
import io
from collections.abc import Sequence
from itertools import islice
from typing import Final

from baton.assembly import Part, arrange, rejects_parts, result_parts
from baton.batches import Batches, check_rejects
from baton.canary import is_canary
from baton.catalog import Catalog
from baton.errors import BatchFailed, NotFound, Retry
from baton.messages import Message
from baton.model import paths
from baton.model.batch import Batch, Counts, Published
from baton.model.plan import MIB, Plan
from baton.model.states import BatchState
from baton.ports import ObjectInfo, ObjectStore, Progress, RejectIndex
from baton.telemetry import Metrics
from baton.topology import REJECTS_INDEXED_MAX
from merger.domain import (
    ManifestObject,
    check_books,
    crc64nvme_of,
    manifest_of,
    read_rejects,
)

_RETRY_SECONDS: Final = 20
"""For what replication settles by itself within a minute."""


class Merger:
    """Handles `MergeBatch`."""

    def __init__(
        self,
        *,
        batches: Batches,
        objects: ObjectStore,
        progress: Progress,
        rejects: RejectIndex,
        catalog: Catalog,
    ) -> None:
        self._batches = batches
        self._objects = objects
        self._progress = progress
        self._rejects = rejects
        self._catalog = catalog

    async def handle(self, message: Message, *, attempt: int) -> Metrics | None:
        """Publish the batch, or find it published. `attempt` is not looked at: keys are the same every time."""
        del attempt
        batch = await self._batches.owned(message)
        if batch.state is BatchState.MERGED:
            await self._batches.announce(batch)
            return None
        if batch.state is not BatchState.PROCESSED:
            await self._batches.leave(batch, why="nothing to merge")
        try:
            published, counts = await self._publish(batch)
        except BatchFailed as failed:
            await self._batches.fail(batch, failed)
            return None
        batch = await self._batches.move(batch, BatchState.MERGED, published=published, counts=counts)
        await self._batches.announce(batch)
        return None if is_canary(batch) else {"BatchesMerged": (1, "Count")}

    async def give_up(self, message: Message, *, cause: str) -> None:
        """End the batch FAILED: it could not be merged in any attempt."""
        batch = await self._batches.owned(message)
        if batch.state is not BatchState.PROCESSED:
            await self._batches.leave(batch, why="nothing to merge")
        await self._batches.fail(batch, BatchFailed("merge_failed", f"the result could not be written: {cause}"))

    async def _publish(self, batch: Batch) -> tuple[Published, Counts]:
        """Write the result; return where it is, and the counts as the books have them."""
        assert batch.plan_id is not None
        plan = await self._plan(batch.batch_id, batch.plan_id)
        done = await self._progress.done(batch.batch_id, batch.plan_id)
        counts = check_books(plan, done)
        job = self._catalog[batch.job].job
        check_rejects(batch, job.limits, counts)
        folder = paths.output_prefix(batch.job, batch.batch_id, batch.owner_epoch, batch.plan_id)
        result = await self._join(f"{folder}result.csv", result_parts(done))
        rejected = await self._join(f"{folder}rejects.csv", rejects_parts(done))
        await self._index_rejects(plan.batch_id, rejects_parts(done))
        manifest = manifest_of(
            batch,
            plan,
            done,
            counts=counts,
            columns=await self._columns(plan),
            result=result,
            rejected=rejected,
        )
        manifest_key = f"{folder}manifest.json"
        await self._objects.put(
            manifest_key, manifest.model_dump_json(indent=1).encode(), content_type="application/json"
        )
        published = Published(
            result_key=result.key,
            rejects_key=rejected.key,
            manifest_key=manifest_key,
            result_bytes=result.size_bytes,
            result_crc64nvme=result.crc64nvme,
        )
        return published, counts

    async def _plan(self, batch_id: str, plan_id: str) -> Plan:
        try:
            return Plan.model_validate_json(await self._objects.get(paths.plan_key(batch_id, plan_id)))
        except NotFound as error:
            # It was cleared away with its batch, a canary, while this message was on its way; or it is on its own way.
            raise Retry("the plan is not in this Region", delay_seconds=_RETRY_SECONDS) from error

    async def _columns(self, plan: Plan) -> tuple[str, ...]:
        loaded = self._catalog[plan.job]
        if loaded.version == plan.job_version:
            return loaded.job.output_columns(plan.columns)
        # Merged by another version than made the parts, while a deployment rolls: the first part has the header.
        head = await self._objects.get(paths.part_key(plan.batch_id, plan.plan_id, 0), end=2 * MIB)
        # Not `baton.csv`, which is for files of others, and brings numpy into the container.
        return tuple(next(csv.reader(io.StringIO(head.decode(errors="replace"), newline="")), ()))

    async def _join(self, key: str, parts: Sequence[Part]) -> ManifestObject:
        size_bytes = sum(part.size_bytes for part in parts)
        try:
            written = await self._objects.compose(key, arrange(parts))
        except NotFound as error:
            raise _part_missing(error) from error
        _check_size(written, size_bytes)
        return ManifestObject(key=key, size_bytes=size_bytes, crc64nvme=crc64nvme_of(parts))

    async def _index_rejects(self, batch_id: str, parts: Sequence[Part]) -> None:
        left = REJECTS_INDEXED_MAX
        for part in parts:
            if left <= 0:
                return
            if part.size_bytes:
                rows = list(islice(read_rejects(await self._objects.get(part.key)), left))
                await self._rejects.put(batch_id, rows)
                left -= len(rows)


def _part_missing(error: NotFound) -> BatchFailed:
    return BatchFailed("part_missing", f"a finished part is gone: {error}")


def _check_size(written: ObjectInfo, size_bytes: int) -> None:
    if written.size_bytes != size_bytes:
        raise BatchFailed(
            "conservation",
            f"{written.key} has {written.size_bytes:,} bytes, its parts {size_bytes:,}: nothing was published",
        )
