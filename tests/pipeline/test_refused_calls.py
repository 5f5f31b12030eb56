"""Each call on a batch's way refused from its n-th time on: throttled, forbidden for a while, forbidden permanently.

Real loops and a real sweeper on virtual time. What is refused for a while comes to the same end as in peace; what is
refused permanently ends with a reason, or stays where it is seen; and nobody asks again in haste.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import pytest

from baton.catalog import Catalog, load_jobs
from baton.errors import BatonError
from baton.memory import LoopClock, MemoryLedger, Refusal, Refusals
from baton.memory.clock import START
from baton.messages import KINDS
from baton.model.batch import Batch
from baton.model.states import BatchState
from baton.ports import batches_of
from baton.testing import virtual_time
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region
from baton_proof.sales import financial, sales_file
from splitter.settings import SplitterSettings

KEY: Final = "input/sales/july.csv"
SAMPLE: Final = sales_file(records=6, bad=1, seed=7)
WHILE_SECONDS: Final = 600
HOUR: Final = 3_600
ENDS_WITHIN_HOURS: Final = 2
CALLS_AN_HOUR_MAX: Final = 150
"""Of what is refused permanently: some more than the sweeper's, which looks every 30 s."""
RECEIVES_AN_HOUR_MAX: Final = 100
"""Of one queue: a pause of 30 to 60 s after each."""
POLLS: Final = frozenset({"control", "list_open", "list_settled", "list", "list_versions", "receive"})
"""Asked on and on, whether or not there is a batch: refused from the first time on only."""
MARK: Final = "ledger.update 4"
"""The mail is out, and cannot be marked as such: a second one is declared, under the same Message-ID."""
PORTS: Final = ("ledger", "objects", "queues", "progress", "heartbeats", "reference", "rejects", "mailer", "links")


@cache
def _catalog() -> Catalog:
    return load_jobs("baton_jobs")


@dataclass(frozen=True, slots=True)
class Point:
    """The n-th call of an operation, from 0."""

    port: str
    operation: str
    number: int

    def __str__(self) -> str:
        return f"{self.port}.{self.operation} {self.number}"


@dataclass(frozen=True, slots=True)
class Ending:
    """What the batch came to, and what was refused on its way."""

    batch: Batch | None
    result: bytes
    mails: tuple[str, ...]
    is_listed: bool
    """Whether a list of open batches has it."""
    refused: int
    """In all."""

    @property
    def words(self) -> str:
        """Return its state, and of a failure the code."""
        if self.batch is None:
            return "no batch"
        failure, told = self.batch.failure, "" if self.batch.is_announced else " untold"
        return f"{failure.code}{told}" if failure else self.batch.state.value


@dataclass(slots=True)
class World:
    """One Region with its services and its sweeper at work."""

    region: Region = field(default_factory=lambda: Region(clock=LoopClock()))
    pipeline: Pipeline = field(init=False)
    truth: MemoryLedger = field(init=False)
    """The rows as nobody can refuse to show them."""

    def __post_init__(self) -> None:
        settings = SplitterSettings(chunk_bytes=500, epoch_poll_seconds=300)
        self.pipeline = Pipeline(_catalog(), region=self.region, splitter_settings=settings)
        self.truth = self.region.ledger.view()

    def refusals(self, port: str) -> Refusals:
        adapter: Any = getattr(self.region, port)
        return adapter.refusals

    @asynccontextmanager
    async def at_work(self) -> AsyncGenerator[None]:
        stop = asyncio.Event()
        process = self.pipeline.process
        async with asyncio.TaskGroup() as group:
            group.create_task(process.sweeper.run(stop))
            for runner in process.runners.values():
                group.create_task(runner.run(stop))
            yield
            stop.set()

    async def upload(self) -> str:
        """Put the file there; return its version, of which no event has told yet."""
        await financial(self.region.reference, SAMPLE)
        info = await self.region.objects.put(KEY, SAMPLE.body)
        for port in PORTS:
            self.refusals(port).asked.clear()
        return info.version_id

    async def announce(self, version_id: str) -> None:
        with contextlib.suppress(BatonError):  # an event that fails permanently: the sweeper finds the file
            await self.pipeline.announce(KEY, version_id)

    async def batch(self) -> Batch | None:
        found = await batches_of(self.truth.list_recent(since=START))
        return found[0] if found else None

    async def is_over(self) -> bool:
        batch = await self.batch()
        archived = self.region.objects.content_type(KEY) is None
        return batch is not None and batch.is_settled and (batch.state is not BatchState.COMPLETED or archived)

    async def over(self, hours: float) -> None:
        """Wait until it is over, for so long at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(hours * HOUR):
                while not await self.is_over():  # noqa: ASYNC110 - virtual time: a poll costs nothing
                    await asyncio.sleep(10)

    async def ending(self, refused: int) -> Ending:
        batch = await self.batch()
        published = batch.published if batch else None
        result = await self.region.objects.get(published.result_key) if published else b""
        mails = tuple(mail.message_id for mail in self.region.mailer.outbox)
        is_listed = bool(await batches_of(self.truth.list_open()))
        return Ending(batch, result, mails, is_listed, refused)


@cache
def in_peace() -> tuple[Ending, Mapping[str, Counter[str]]]:
    """Return how it ends when nothing is refused, and how often each operation of each port was called."""

    async def story() -> tuple[Ending, Mapping[str, Counter[str]]]:
        world = World()
        version_id = await world.upload()
        async with world.at_work():
            await world.announce(version_id)
            await world.over(1)
        asked = {port: Counter(world.refusals(port).asked) for port in PORTS}
        return await world.ending(0), asked

    return virtual_time.run(story())


def points(port: str) -> list[Point]:
    _, asked = in_peace()
    return [
        Point(port, operation, number)
        for operation, calls in asked[port].items()
        for number in range(1 if operation in POLLS else calls)
    ]


def refused_for_a_while(point: Point, by: Refusal) -> Ending:
    async def story() -> Ending:
        world = World()
        version_id, refusals = await world.upload(), world.refusals(point.port)
        refusals.refuse(point.operation, by=by, after=point.number)
        async with world.at_work():
            await world.announce(version_id)
            while not refusals.refused:  # noqa: ASYNC110 - virtual time: a poll costs nothing
                await asyncio.sleep(5)
            await asyncio.sleep(WHILE_SECONDS)
            refusals.allow()
            await world.over(ENDS_WITHIN_HOURS)
        return await world.ending(refusals.refused.total())

    return virtual_time.run(story())


def refused_for_ever(point: Point) -> Ending:
    """Return where it stands after an hour."""

    async def story() -> Ending:
        world = World()
        version_id, refusals = await world.upload(), world.refusals(point.port)
        refusals.refuse(point.operation, after=point.number)
        async with world.at_work():
            await world.announce(version_id)
            await world.over(1)
        refusals.allow()
        return await world.ending(refusals.refused.total())

    return virtual_time.run(story())


def flaws(point: Point, ending: Ending) -> list[str]:
    """Return what is not as in peace."""
    expected, _ = in_peace()
    found: list[str] = []
    if ending.words != expected.words or ending.is_listed:
        found.append(f"it is {ending.words}")
    if ending.result != expected.result:
        found.append("the result has other bytes")
    if set(ending.mails) != set(expected.mails) or len(ending.mails) > 1 + (str(point) == MARK):
        found.append(f"its mails were {ending.mails}")
    return found


def test_in_peace_it_completes() -> None:
    ending, asked = in_peace()

    assert (ending.words, len(ending.mails), ending.is_listed) == ("COMPLETED", 1, False)
    assert all(asked[port] for port in PORTS if port != "heartbeats"), "a port that nobody asks is not tried"


@pytest.mark.parametrize("port", PORTS)
def test_what_is_throttled_for_ten_minutes_comes_to_the_same_end(port: str) -> None:
    wrong = {str(each): flaws(each, refused_for_a_while(each, Refusal.THROTTLED)) for each in points(port)}

    assert {point: found for point, found in wrong.items() if found} == {}


UNREADABLE: Final = frozenset({"objects.find_version 0", "objects.find_version 1", "objects.read 0", "objects.get 1"})
"""Of the file itself: its sender is told within minutes, who may be the one to mend it."""


@pytest.mark.parametrize("port", PORTS)
def test_what_is_forbidden_for_ten_minutes_comes_to_the_same_end(port: str) -> None:
    wrong: dict[str, list[str]] = {}
    for point in points(port):
        ending = refused_for_a_while(point, Refusal.FORBIDDEN)
        is_told = str(point) in UNREADABLE and ending.words == "unreadable"
        wrong[str(point)] = [] if is_told else flaws(point, ending)

    assert {point: found for point, found in wrong.items() if found} == {}


EVER: Final[Mapping[str, str]] = {
    # Nobody may admit it: the file stays in `input/`, and every sweep logs an error.
    "ledger.control 0": "no batch",
    "ledger.admit 0": "no batch",
    # Nobody may read or write its row: it stays open, and grows old (`OldestBatch`).
    "ledger.get 0": "ADMITTED",
    "ledger.get 1": "SPLIT",
    "ledger.get 2": "PROCESSED",
    "ledger.get 3": "MERGED",
    "ledger.update 0": "ADMITTED",
    "ledger.update 1": "SPLIT",
    "ledger.update 2": "PROCESSED",
    "ledger.update 3": "MERGED",
    "ledger.update 4": "MERGED",
    "ledger.update 5": "NOTIFIED",
    # The same, until the sweeper has sent its message in vain six times (`stalled`, after ten hours).
    "queues.send 0": "ADMITTED",
    "queues.send 2": "PROCESSED",
    "queues.send 3": "MERGED",
    "queues.receive 0": "ADMITTED",
    # It ends with a reason; an `untold` one stays open until its mail can be sent.
    "queues.send 1": "split_failed untold",
    "ledger.claim_mail 0": "mail_failed untold",
    "mailer.send 0": "mail_failed untold",
    "links.sign 0": "mail_failed",
    "links.sign 1": "mail_failed",
    **dict.fromkeys(UNREADABLE, "unreadable"),
    **dict.fromkeys(
        ("objects.put 0", "progress.open 0", "reference.current 0", "reference.is_complete 0"), "split_failed"
    ),
    **dict.fromkeys(
        (
            "objects.get 0",
            "objects.put 1",
            "objects.put 2",
            "progress.complete 0",
            "reference.describe 0",
            "reference.load 0",
        ),
        "chunk_failed",
    ),
    **dict.fromkeys(
        (
            "objects.compose 0",
            "objects.compose 1",
            "objects.get 2",
            "objects.get 3",
            "objects.put 3",
            "progress.done 0",
            "rejects.put 0",
        ),
        "merge_failed",
    ),
}
"""Where it stands after an hour; whatever is not named here completes all the same."""


@pytest.mark.parametrize("port", PORTS)
def test_what_is_forbidden_for_ever_ends_in_words_or_stands_where_it_is_seen(port: str) -> None:
    wrong: dict[str, str] = {}
    for point in points(port):
        ending, expected = refused_for_ever(point), EVER.get(str(point), "COMPLETED")
        calls_max = len(KINDS) * RECEIVES_AN_HOUR_MAX if point.operation == "receive" else CALLS_AN_HOUR_MAX
        if ending.words != expected or ending.refused > calls_max:
            wrong[str(point)] = f"{ending.words}, not {expected}; {ending.refused} calls in an hour"

    assert wrong == {}
