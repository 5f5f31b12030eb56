"""Publishes a batch: checks the counts, joins the parts, then writes the ledger. Only that last step publishes."""

import asyncio
import csv
import io
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from itertools import batched
from typing import Final

from baton.batches import Batches, check_rejects
from baton.catalog import Catalog
from baton.errors import BatchFailed, NotFound, Retry
from baton.messages import Message
from baton.model import paths
from baton.model.batch import Batch, Counts, Published
from baton.model.plan import MIB, Plan
from baton.model.states import BatchState
from baton.offload import Offload
from baton.plans import load_plan
from baton.ports import ChunkDone, ObjectInfo, ObjectStore, Progress, RejectIndex, StoredReject
from baton.rejects import read_rejects
from baton.telemetry import Metrics
from merger.bounds import LARGE_CHUNKS, Bounds
from merger.domain import Joint, ManifestObject, Wanted, balance, counted, manifest_of

_RETRY_SECONDS: Final = 20
"""Before a retry: replication usually brings what is missing within a minute."""
PARTS_INDEXED_AT_ONCE: Final = 8
INDEX_BYTES_FIRST: Final = 512 * 1024
"""Of a rejects part: a thousand rejects as they usually are."""
INDEX_BYTES_MAX: Final = 4 * MIB
"""Of a rejects part: more is read only for records of many kilobytes, and then not all of them are indexed."""


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
        offload: Offload,
        bounds: Bounds,
    ) -> None:
        self._batches = batches
        self._objects = objects
        self._progress = progress
        self._rejects = rejects
        self._catalog = catalog
        self._offload = offload
        self._bounds = bounds

    async def handle(self, message: Message, _attempt: int) -> Metrics | None:
        """Publish the batch, or find it published: keys are the same in every attempt."""
        batch = await self._batches.owned(message)
        if batch.state is BatchState.MERGED:
            await self._batches.announce(batch)
            return None
        if batch.state is not BatchState.PROCESSED:
            raise await self._batches.left(batch, why="nothing to merge")
        try:
            async with self._bounds.large if (batch.chunks or 0) >= LARGE_CHUNKS else nullcontext():
                published, counts = await self._publish(batch)
        except BatchFailed as failed:
            await self._batches.fail(batch, failed)
            return None
        # S3: the writer that wins the row has published; what another one wrote is referenced nowhere.
        batch = await self._batches.move(batch, BatchState.MERGED, published=published, counts=counts)
        await self._batches.announce(batch)
        return None if batch.is_canary else {"BatchesMerged": (1, "Count")}

    async def give_up(self, message: Message, *, cause: str) -> None:
        """End the batch FAILED: it could not be merged in any attempt."""
        batch = await self._batches.owned(message)
        if batch.state is not BatchState.PROCESSED:
            raise await self._batches.left(batch, why="nothing to merge")
        said = f"the result could not be written, job {batch.job!r}: {cause}"
        await self._batches.fail(batch, BatchFailed("merge_failed", said))

    async def _publish(self, batch: Batch) -> tuple[Published, Counts]:
        """Write the result; return where it is, and the counts of the manifest."""
        assert batch.plan_id is not None
        plan = await self._plan(batch.batch_id, batch.plan_id)
        done = await self._progress.done(batch.batch_id, batch.plan_id)
        # Before the books: a chunk that exceeds the limit alone counts what was checked of it, and is not all there.
        limits = self._catalog[batch.job].job.limits
        check_rejects(batch, limits, await self._offload(lambda: counted(done)))
        # A file of 9,000 chunks takes a fraction of a second here, which heartbeats do not wait for.
        books = await self._offload(lambda: balance(plan, done))
        folder = paths.output_prefix(batch.job, batch.batch_id, batch.owner_epoch, batch.plan_id)
        result = await self._join(f"{folder}result.csv", books.result)
        rejected = await self._join(f"{folder}rejects.csv", books.rejects)
        await self._index_rejects(plan, books.indexed)
        columns = await self._columns(plan, done[0])
        manifest = await self._offload(
            lambda: manifest_of(
                batch, plan, done, counts=books.counts, columns=columns, result=result, rejected=rejected
            ).to_bytes()
        )
        manifest_key = f"{folder}manifest.json"
        await self._objects.put(manifest_key, manifest, content_type="application/json")
        published = Published(
            result_key=result.key,
            rejects_key=rejected.key,
            manifest_key=manifest_key,
            result_bytes=result.size_bytes,
            result_crc64nvme=result.crc64nvme,
        )
        return published, books.counts

    async def _plan(self, batch_id: str, plan_id: str) -> Plan:
        try:
            return await load_plan(self._objects, batch_id, plan_id, offload=self._offload)
        except NotFound as error:
            # It was cleared away with its batch, a canary, while this message was on its way; or it is on its own way.
            raise Retry("the plan is not in this Region", delay_seconds=_RETRY_SECONDS) from error

    async def _columns(self, plan: Plan, first: ChunkDone) -> tuple[str, ...]:
        loaded = self._catalog[plan.job]
        if loaded.version == plan.job_version:
            return loaded.job.output_columns(plan.columns)
        # Merged by another version than made the parts, while a deployment rolls: the first part has the header.
        head = await self._objects.get(first.part_key, end=2 * MIB)
        # Not `baton.csv`, which is for files of others, and brings numpy into the container.
        return tuple(next(csv.reader(io.StringIO(head.decode(errors="replace"), newline="")), ()))

    async def _join(self, key: str, joint: Joint) -> ManifestObject:
        try:
            written = await self._objects.compose(key, joint.pieces)
        except NotFound as error:
            raise _part_missing(error) from error
        _check_size(written, joint.size_bytes)
        return ManifestObject(key=key, size_bytes=joint.size_bytes, crc64nvme=joint.crc64nvme)

    async def _index_rejects(self, plan: Plan, wanted: Sequence[Wanted]) -> None:
        first: list[StoredReject] = []
        for some in batched(wanted, PARTS_INDEXED_AT_ONCE):
            async with self._bounds.indexing:
                for found in await asyncio.gather(*map(self._first_rejects, some)):
                    first += found
        if first:
            await self._rejects.put(plan.batch_id, plan.plan_id, first)

    async def _first_rejects(self, wanted: Wanted) -> list[StoredReject]:
        """Read so much of a rejects part as these rows need. What is not within the limit is left to `rejects.csv`."""
        window_bytes = INDEX_BYTES_FIRST
        found, body = await self._read_on(wanted, b"", window_bytes)
        if len(found) >= wanted.rows or window_bytes >= wanted.part.size_bytes:
            return found
        async with self._bounds.widening:
            while len(found) < wanted.rows and window_bytes < min(wanted.part.size_bytes, INDEX_BYTES_MAX):
                window_bytes *= 2
                found, body = await self._read_on(wanted, body, window_bytes)
        return found

    async def _read_on(self, wanted: Wanted, body: bytes, window_bytes: int) -> tuple[list[StoredReject], bytes]:
        """Read behind `body` up to `window_bytes`; return the rows of all of it, and all of it."""
        part = wanted.part
        try:
            body += await self._objects.get(part.key, start=len(body), end=min(window_bytes, part.size_bytes))
        except NotFound as error:
            raise _part_missing(error) from error
        read = partial(read_rejects, body, whole=len(body) >= part.size_bytes, limit=wanted.rows)
        return await self._offload(read), body


def _part_missing(error: NotFound) -> BatchFailed:
    return BatchFailed("part_missing", f"a finished part is gone: {error}")


def _check_size(written: ObjectInfo, size_bytes: int) -> None:
    if written.size_bytes != size_bytes:
        raise BatchFailed(
            "conservation",
            f"{written.key} has {written.size_bytes:,} bytes, its parts {size_bytes:,}: nothing was published",
        )
