"""What operators do to a batch (cancel, pause, ...): a compare-and-set of its ledger row, then at most one message."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from baton.batches import Batches
from baton.errors import Fenced
from baton.job import DEADLINE_MINUTES_MAX
from baton.model.batch import Batch, Counts
from baton.model.states import TABLE, BatchState
from baton.topology import PROGRESS_KEPT_DAYS
from baton_cli.reach.asking import NOT_HERE
from baton_cli.reach.connection import Connection, Declined

_BY: Final = "operator"
"""Who a batch's history names for these steps."""

_ATTEMPTS_MAX: Final = 5
"""Races with a running service are rare and short; five lost in a row is a batch that moves all the time."""

RETRIED_AGE_MAX: Final = timedelta(days=PROGRESS_KEPT_DAYS) - timedelta(minutes=DEADLINE_MINUTES_MAX)
"""Of a batch that was planned, to be retried: what was made of it outlives that run, however many came before it. Else
parts, the books of its chunks and the reference data that it is pinned to would go one by one while it runs."""

_SEND_SECONDS_MAX: Final = 10.0
"""The row is what counts: the sweeper sends a message that a Region did not take."""


@dataclass(frozen=True, slots=True)
class Changed:
    """The batch after the change. `unsent` says why its message could not be queued; the sweeper sends it then."""

    batch: Batch
    unsent: str | None = None


async def cancel(connection: Connection, batch_id: str) -> Changed:
    """End a batch before its result is published. Raises `Declined` if it is too late."""
    return Changed(await _change(connection, batch_id, "cancelled", _cancelled))


async def pause(connection: Connection, batch_id: str) -> Changed:
    """Hold a batch; finished chunks are kept. Raises `Declined` once every chunk is done."""
    return Changed(await _change(connection, batch_id, "paused", _paused))


async def resume(connection: Connection, batch_id: str) -> Changed:
    """Resume a paused batch, and send its message. Raises `Declined` if it is not paused."""
    return await _send(connection, await _change(connection, batch_id, "resumed", _resumed))


async def retry(connection: Connection, batch_id: str) -> Changed:
    """Start a batch again that failed or was set aside, where it stopped: the mail if the result stands, else the rest.

    Raises `Declined` for any other, or if what is finished may be gone before the run ends.
    """
    now = connection.clock.now()
    return await _send(connection, await _change(connection, batch_id, "retried", lambda batch: _retried(batch, now)))


def _cancelled(batch: Batch) -> dict[str, Any]:
    _require(batch, TABLE.sources_of(BatchState.CANCELLED), "cancelled")
    return {"state": BatchState.CANCELLED}


def _paused(batch: Batch) -> dict[str, Any]:
    _require(batch, TABLE.sources_of(BatchState.PAUSED), "paused")
    return {"state": BatchState.PAUSED}


def _resumed(batch: Batch) -> dict[str, Any]:
    _require(batch, {BatchState.PAUSED}, "resumed")
    return {"state": BatchState.ADMITTED}


def _retried(batch: Batch, now: datetime) -> dict[str, Any]:
    _require(batch, {BatchState.FAILED, BatchState.QUARANTINED}, "retried")
    state = BatchState.MERGED if batch.published else BatchState.ADMITTED
    # What was made of it is never older than its admission.
    if state is BatchState.ADMITTED and batch.plan_id and now > batch.admitted_at + RETRIED_AGE_MAX:
        raise Declined(
            f"batch {batch.batch_id} was admitted on {batch.admitted_at:%Y-%m-%d}, "
            f"over {RETRIED_AGE_MAX.days} days ago: its finished chunks may be deleted before a retry ends. "
            "Upload the file again: that is a new batch"
        )
    counts = {"counts": Counts()} if state is BatchState.ADMITTED else {}
    return {"state": state, "run": batch.run + 1, "retried_at": now, "failure": None, **counts}


def _require(batch: Batch, states: Iterable[BatchState], done: str) -> None:
    allowed = frozenset(states)
    if batch.state not in allowed:
        *others, last = sorted(allowed)
        names = f"{', '.join(others)} or {last}" if others else last
        raise Declined(f"batch {batch.batch_id} is {batch.state}: only a batch that is {names} can be {done}")


async def _change(connection: Connection, batch_id: str, done: str, decide: Callable[[Batch], dict[str, Any]]) -> Batch:
    for _ in range(_ATTEMPTS_MAX):
        before = await connection.ledger.get(batch_id)
        if before is None:
            raise Declined(f"there is no batch {batch_id}")
        after = before.moved(at=connection.clock.now(), by=_BY, **decide(before))
        try:
            return await connection.ledger.update(before, after)
        except Fenced:
            continue  # a service moved it on between the read and the write: decide anew
    raise Declined(f"batch {batch_id} changed {_ATTEMPTS_MAX} times while it was to be {done}: try again")


async def _send(connection: Connection, batch: Batch) -> Changed:
    outbox = connection.owner_ports(batch).outbox
    try:
        async with asyncio.timeout(_SEND_SECONDS_MAX):
            await Batches(region=_BY, ledger=connection.ledger, outbox=outbox, clock=connection.clock).nudge(batch)
    except NOT_HERE as error:
        return Changed(batch, unsent=f"{connection.owner(batch)}: {str(error) or 'no answer in time'}")
    return Changed(batch)
