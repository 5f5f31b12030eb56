"""Reads what operators ask about batches. Read-only, over ports; independent of terminal and AWS."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from baton import errors
from baton.errors import BatonError
from baton.model import paths
from baton.model.batch import Batch
from baton.model.control import Control, Transition
from baton.model.states import BatchState
from baton.model.takeover import was_moved_by
from baton.model.unreadable import UnreadableRow
from baton.ports import BatchPage, ObjectStore, StoredReject, Tally, whole_list
from baton.rejects import read_rejects
from baton.topology import REJECTS_INDEXED_MAX, RETENTION_DAYS
from baton_cli.hints import baton
from baton_cli.reach.asking import ANSWER_SECONDS_MAX, LAST, NO_ANSWER, NOT_HERE, follow
from baton_cli.reach.connection import Connection, Declined

PREFIX_DIGITS_MIN: Final = 4
_ID_DIGITS: Final = 20
_DAY: Final = timedelta(days=1)
_WINDOWS: Final = (timedelta(hours=1), _DAY, timedelta(days=RETENTION_DAYS))
"""How far back to look for the newest batches: most questions are about the last hour."""
_POLL_SECONDS: Final = 0.3
_REJECTS_READ_BYTES_MAX: Final = 16 * 1024 * 1024


async def recent(
    connection: Connection, *, state: BatchState | None = None, limit: int, canaries: bool = False
) -> list[Batch]:
    """Return the newest batches that can be read, as `listed` does."""
    return list((await listed(connection, state=state, limit=limit, canaries=canaries)).batches)


async def listed(
    connection: Connection,
    *,
    state: BatchState | None = None,
    limit: int,
    canaries: bool = False,
    moved_by: Transition | None = None,
) -> BatchPage:
    """Return the newest batches, newest first: at most `limit`, of one state, or moved by a switch, if asked.

    Canaries only if asked for.

    With them the rows that cannot be read and stand between them, whatever state they are of.
    """
    batches: list[Batch] = []
    unreadable: list[UnreadableRow] = []
    now = connection.clock.now()
    for window in _WINDOWS:
        found = await _admitted_since(connection, now - window)
        unreadable = [row for row in found.unreadable if canaries or not row.is_canary]
        batches = [
            batch
            for batch in found.batches
            if (state is None or batch.state is state)
            and (canaries or not batch.is_canary)
            and (moved_by is None or was_moved_by(batch, moved_by, now=now))
        ]
        if len(batches) >= limit:
            break
    return BatchPage(batches[:limit], unreadable)


async def sent_before(connection: Connection, key: str, size_bytes: int) -> Batch | None:
    """Return the newest batch of the last day of a file of this key and size; None also if the list does not answer."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            found = await _admitted_since(connection, connection.clock.now() - _DAY)
    except (*NO_ANSWER, errors.Refused):
        return None
    same = (each for each in found.batches if (each.source.key, each.source.size_bytes) == (key, size_bytes))
    return next(same, None)


async def _admitted_since(connection: Connection, since: datetime) -> BatchPage:
    found = await whole_list(connection.ledger.list_recent(since=since))
    newest_first = sorted(found.batches, key=lambda batch: batch.admitted_at, reverse=True)
    return BatchPage(newest_first, found.unreadable)


async def resolve(connection: Connection, text: str) -> Batch:
    """Return the batch that `text` names: its id, a unique beginning of it, or `last`.

    Raises `Declined` if there is none, or more than one.
    """
    if text == LAST:
        newest = await recent(connection, limit=1)
        if not newest:
            raise Declined(f"there is no batch yet: send one with `{baton()} submit FILE --job JOB`")
        return newest[0]
    if len(text) >= _ID_DIGITS:
        batch = await connection.ledger.get(text)
        if batch is None:
            raise Declined(f"there is no batch {text}")
        return batch
    if len(text) < PREFIX_DIGITS_MIN:
        raise Declined(f"{text!r} is too short: give at least {PREFIX_DIGITS_MIN} digits of the id, or `{LAST}`")
    return await _by_prefix(connection, text.lower())


async def _by_prefix(connection: Connection, prefix: str) -> Batch:
    since = connection.clock.now() - _WINDOWS[-1]
    listed = await _admitted_since(connection, since)
    found = {each.batch_id: each for each in (*listed.batches, *listed.unreadable) if each.batch_id.startswith(prefix)}
    if not found:
        raise Declined(f"no batch of the last {RETENTION_DAYS} days starts with {prefix}")
    if len(found) > 1:
        raise Declined(f"{len(found)} batches start with {prefix}: {', '.join(list(found)[:5])}")
    # The list is eventually consistent; the row itself is not. It is what says that it cannot be read.
    ((batch_id, seen),) = found.items()
    batch = await connection.ledger.get(batch_id) or seen
    if isinstance(batch, UnreadableRow):
        raise Declined(f"batch {batch_id} is gone")
    return batch


@dataclass(frozen=True, slots=True)
class RegionStatus:
    """One Region as seen from here. `problem` is None if it answers."""

    region: str
    active: bool
    problem: str | None


@dataclass(frozen=True, slots=True)
class Overview:
    """The world at one moment. `open_by_state` counts the batches that have no outcome yet."""

    environment: str
    control: Control
    regions: tuple[RegionStatus, ...]
    open_by_state: Mapping[BatchState, int]
    oldest_open: Batch | None
    unreadable: tuple[UnreadableRow, ...] = ()
    """Of open batches: what is known of rows that this version cannot read."""


async def status(connection: Connection) -> Overview:
    """Return who is active, which Regions answer, and what is open. Raises `Unavailable` without the ledger.

    Canaries are not counted: they come and go.
    """
    control = await connection.ledger.control()
    problems = await asyncio.gather(*(_problem_of(connection, region) for region in connection.regions))
    listed = await whole_list(connection.ledger.list_open())
    unfinished = [batch for batch in listed.batches if not batch.is_final and not batch.is_canary]
    return Overview(
        environment=connection.environment,
        control=control,
        regions=tuple(
            RegionStatus(region, active=region == control.active_region, problem=problem)
            for region, problem in zip(connection.regions, problems, strict=True)
        ),
        open_by_state=Counter(batch.state for batch in unfinished),
        oldest_open=min(unfinished, key=lambda batch: batch.admitted_at, default=None),
        unreadable=tuple(row for row in listed.unreadable if not row.is_canary),
    )


async def _problem_of(connection: Connection, region: str) -> str | None:
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            await connection.by_region[region].progress.tally("reachable", "reachable")
    except TimeoutError:
        return f"no answer within {ANSWER_SECONDS_MAX:g} s"
    except BatonError as error:
        return str(error)
    return None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A batch at one moment of watching. `batch` is None until it is admitted; `problem` says what did not answer."""

    at: datetime
    batch: Batch | None
    tally: Tally | None
    problem: str | None = None

    @property
    def records_done(self) -> int:
        """Return the records of finished chunks: of the tally while it is worked on, of the ledger after it."""
        in_ledger = self.batch.counts.records_in if self.batch else 0
        return max(in_ledger, self.tally.counts.records_in if self.tally else 0)

    @property
    def is_over(self) -> bool:
        return self.batch is not None and self.batch.is_final


def watch(connection: Connection, batch_id: str, *, poll_seconds: float = _POLL_SECONDS) -> AsyncIterator[Snapshot]:
    """Yield the batch again and again until it has its outcome, through any outage of the ledger or of a Region."""
    seen = Snapshot(connection.clock.now(), None, None)
    return follow(seen, partial(look, connection, batch_id), every_seconds=poll_seconds)


async def look(connection: Connection, batch_id: str, before: Snapshot) -> Snapshot:
    """Return how the batch stands now; what does not answer is as it was `before`."""
    now = connection.clock.now()
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            batch = await connection.ledger.get(batch_id) or before.batch
    except NO_ANSWER:
        return replace(before, at=now, problem="the ledger does not answer")
    tally, problem = await _tally_or_problem(connection, batch) if batch else (None, None)
    return Snapshot(now, batch, tally or before.tally, problem)


async def _tally_or_problem(connection: Connection, batch: Batch) -> tuple[Tally | None, str | None]:
    if batch.plan_id is None:
        return None, None
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            return await connection.owner_ports(batch).progress.tally(batch.batch_id, batch.plan_id), None
    except NO_ANSWER:
        return None, f"{connection.owner(batch)} does not answer"
    except errors.Refused as error:
        return None, f"{connection.owner(batch)}: {error}"


@dataclass(frozen=True, slots=True)
class Detail:
    """Everything about one batch."""

    batch: Batch
    owner: str
    tally: Tally | None
    problem: str | None


async def detail(connection: Connection, batch: Batch) -> Detail:
    """Return everything about one batch, and what could not be asked."""
    tally, problem = await _tally_or_problem(connection, batch)
    return Detail(batch=batch, owner=connection.owner(batch), tally=tally, problem=problem)


@dataclass(frozen=True, slots=True)
class Rejects:
    """The first rejects of a batch. `total` counts all of them: the rest is in `rejects.csv`."""

    batch: Batch
    rejects: Sequence[StoredReject]
    total: int


async def rejects_of(connection: Connection, batch: Batch, *, limit: int) -> Rejects:
    """Return the first rejects, from the owner Region, else the other one. Raises `Unavailable` if none answers.

    Only the owner indexes them, when it publishes. Before that, and in the other Region, they are read from the files.
    """

    async def ask(region: str) -> Rejects:
        ports, counted = connection.by_region[region], batch.counts
        rejects: Sequence[StoredReject] = ()
        if batch.published and batch.plan_id:
            rejects = await ports.rejects.list(batch.batch_id, batch.plan_id, limit=min(limit, REJECTS_INDEXED_MAX))
        if not rejects and batch.published and counted.rejects:
            rejects = await _rejects_in_files(ports.objects, [batch.published.rejects_key], limit)
        if not batch.published and batch.plan_id:
            tally = await ports.progress.tally(batch.batch_id, batch.plan_id)
            counted = tally.counts if tally else counted
            found = ports.objects.list(paths.rejects_of_plan(batch.batch_id, batch.plan_id))
            by_chunk = {paths.chunk_of(part.key): part.key async for part in found}  # one run of each
            rejects = await _rejects_in_files(ports.objects, list(by_chunk.values()), limit)
        return Rejects(batch, rejects, total=max(counted.rejects, len(rejects)))

    return await first_answer(connection, batch, ask)


async def _rejects_in_files(objects: ObjectStore, keys: Sequence[str], limit: int) -> list[StoredReject]:
    found: list[StoredReject] = []
    for key in keys:
        head = await objects.get(key, end=_REJECTS_READ_BYTES_MAX)
        found += read_rejects(head, whole=len(head) < _REJECTS_READ_BYTES_MAX, limit=limit - len(found))
        if len(found) >= limit:
            break
    return found


async def first_answer[T](connection: Connection, batch: Batch, ask: Callable[[str], Awaitable[T]]) -> T:
    """Ask the owner Region, then the other one; return the first answer. Raises what the last one raised."""
    owner, other = connection.owner_first(batch)
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            return await ask(owner)
    except NOT_HERE:
        return await ask(other)
