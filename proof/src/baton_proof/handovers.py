"""Sends files through the embedded world while the active Region changes, follows them, and counts."""

import asyncio
import email
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from baton.model.batch import Batch
from baton.model.identity import batch_id_of
from baton.model.journal import Command, CommandKind, CommandState, Decision, DecisionKind, Heartbeat, Verdict
from baton.model.paths import input_key
from baton.model.states import BatchState
from baton_cli.reach.connection import Connection

_UPLOADS_AT_ONCE = 8
_BEAT_SECONDS = 3
"""A heartbeat older than this is of a controller that does not reach the ledger."""


async def until[T](look: Callable[[], Awaitable[T]], what: str, *, seconds: float) -> T:
    """Return the first true answer of `look`. Raises `AssertionError` if there is none in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not (seen := await look()):
        assert loop.time() < deadline, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.1)
    return seen


@dataclass(frozen=True, slots=True)
class Uploads:
    """Files that were taken by the access point, each a batch."""

    files: Mapping[str, Path]
    """By batch."""
    keys: Sequence[str]


async def send(connection: Connection, files: Iterable[Path], tag: str) -> Uploads:
    """Send the files under names of their own."""
    slots = asyncio.Semaphore(_UPLOADS_AT_ONCE)

    async def one(path: Path) -> tuple[str, str, Path]:
        key = input_key("sales", f"{tag}-{path.name}")
        async with slots:
            version = await connection.uploader.upload(path, key, sent=lambda _: None)
        return batch_id_of(key, version), key, path

    found = await asyncio.gather(*map(one, files))
    return Uploads({batch_id: path for batch_id, _, path in found}, [key for _, key, _ in found])


async def until_replicated(connection: Connection, sent: Uploads, region: str, *, seconds: float = 30) -> None:
    """Return once every file has a copy in that Region, in which a cut could not keep it back."""
    objects = connection.by_region[region].objects

    async def look() -> bool:
        # A batch that is through has left `input/` in both Regions.
        through = {batch.source.key for batch in await rows(connection, sent) if batch.is_final}
        return all([key in through or await objects.head(key) is not None for key in sent.keys])

    await until(look, f"a copy of every file in {region}", seconds=seconds)


async def rows(connection: Connection, sent: Uploads) -> list[Batch]:
    """Return the rows of all that are admitted by now."""
    found = await asyncio.gather(*(connection.ledger.get(batch_id) for batch_id in sent.files))
    return [batch for batch in found if batch is not None]


async def until_completed(connection: Connection, sent: Uploads, *, seconds: float) -> list[Batch]:
    """Return all rows once every batch is COMPLETED. Raises `AssertionError` with those that are not in time."""
    seen: list[Batch] = []

    async def look() -> bool:
        seen[:] = await rows(connection, sent)
        return len(seen) == len(sent.files) and all(batch.state is BatchState.COMPLETED for batch in seen)

    try:
        await until(look, "every batch completed", seconds=seconds)
    except AssertionError as late:
        missing = sorted(set(sent.files) - {batch.batch_id for batch in seen})
        open_ones = [(b.batch_id, str(b.state), b.owner_epoch) for b in seen if b.state is not BatchState.COMPLETED]
        raise AssertionError(f"{late}: not admitted {missing}, open {open_ones}") from None
    return seen


async def result(connection: Connection, batch: Batch, region: str) -> bytes:
    """Return the published bytes as that Region has them."""
    assert batch.published is not None
    found = await connection.by_region[region].objects.get(batch.published.result_key)
    assert found is not None, f"{region} has no {batch.published.result_key}"
    return found


async def until_ready(connection: Connection, *, seconds: float = 240) -> None:
    """Return once both Regions follow the present epoch and could be active, and no switch is under way.

    Raises `AssertionError` with what each Region lacks.
    """
    missing: list[str] = []

    async def look() -> bool:
        control, beats = await asyncio.gather(connection.ledger.control(), connection.journal.heartbeats())
        now = connection.clock.now()
        cooling = control.cooldown_until is not None and control.cooldown_until >= now
        missing[:] = [
            *([f"{control.phase} since {control.phase_since}"] if cooling or control.in_transition else []),
            *(lack for region in connection.regions for lack in _lacks(region, beats.get(region), control.epoch, now)),
        ]
        return not missing

    try:
        await until(look, "both Regions are ready", seconds=seconds)
    except AssertionError as late:
        raise AssertionError("; ".join([str(late), *missing])) from None


def _lacks(region: str, beat: Heartbeat | None, epoch: int, now: datetime) -> Iterator[str]:
    if beat is None or (now - beat.at).total_seconds() >= _BEAT_SECONDS:
        yield f"{region} was last seen {beat.at if beat else 'never'}"
    elif beat.epoch_seen != epoch:
        yield f"{region} follows epoch {beat.epoch_seen}, not {epoch}"
    elif beat.ready is not Verdict.HEALTHY:
        bad = [
            f"{rule.name}: {rule.value}" for rule in beat.assessment.readiness if rule.verdict is not Verdict.HEALTHY
        ]
        yield f"{region} is {beat.ready} ({', '.join(bad)})"


async def acknowledge(connection: Connection, name: str) -> None:
    """Say that a human looked: the failovers so far no longer count."""
    await connection.journal.submit(Command(name, CommandKind.ACK, "test", connection.clock.now()))

    async def look() -> bool:
        found = await connection.journal.command(name)
        return found is not None and found.state is CommandState.ACCEPTED

    await until(look, "the ack is taken", seconds=30)


async def decisions_since(connection: Connection, since: datetime) -> list[Decision]:
    """Return what was decided since then, the oldest first."""
    return [each for each in reversed(await connection.journal.decisions(limit=200)) if each.at >= since]


def first(decisions: Sequence[Decision], kind: DecisionKind) -> Decision:
    """Return the first decision of that kind. Raises `AssertionError` with all that there are."""
    found = next((each for each in decisions if each.kind is kind), None)
    assert found, f"nothing {kind} among {[(str(each.kind), each.summary) for each in decisions]}"
    return found


def message_ids(mails: Iterable[Mapping[str, Any]], batch_id: str) -> list[str]:
    """Return the Message-ID of each mail about a batch: a second copy in the declared window has the same one."""
    return [str(email.message_from_string(mail["raw"])["Message-ID"]) for mail in mails if batch_id in mail["text"]]


@dataclass(frozen=True, slots=True)
class HandoverTimes:
    """When a handover was how far."""

    decided: datetime
    owned: datetime | None
    """The last open batch belonged to the other Region. None: none was open."""
    going_on: datetime | None
    """The first one of them took a step there."""
    completed: datetime | None
    """The last one of them was through."""


def times_of(batches: Iterable[Batch], decisions: Sequence[Decision], target: str) -> HandoverTimes:
    """Return how far the handover to `target` was when. The batches are COMPLETED."""
    decided = first(decisions, DecisionKind.COMMITTED).at
    theirs = [[step for step in batch.history if step.by == target and step.at >= decided] for batch in batches]
    taken = [steps for steps in theirs if len(steps) > 1]
    return HandoverTimes(
        decided=decided,
        owned=max((steps[0].at for steps in taken), default=None),
        going_on=min((steps[1].at for steps in taken), default=None),
        completed=max((steps[-1].at for steps in taken), default=None),
    )
