"""Rows of old batches are deleted many at once, beside the splitter's other work, and only if they are not needed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any, Final, override

import pytest

from baton.errors import Unavailable
from baton.memory import LoopClock, MemoryLedger, MemoryObjectStore
from baton.model.batch import Batch, Source
from baton.model.control import Control
from baton.model.identity import next_epoch
from baton.model.states import BatchState
from baton.ports import BatchPage, ObjectInfo
from baton.testing import virtual_time
from baton.topology import INITIAL_EPOCH, REGIONS_DEFAULT, RETENTION_DAYS
from baton_proof.logs import recording_log
from splitter.retention import Retention

REGION: Final = REGIONS_DEFAULT[0]
THEIR_EPOCH: Final = next_epoch(INITIAL_EPOCH, REGIONS_DEFAULT[1], REGIONS_DEFAULT)
AT_ONCE: Final = 16
CALL_SECONDS: Final = 0.05


class SlowObjectStore(MemoryObjectStore):
    """Takes its time over each question, and counts how many are open."""

    asked = 0
    open_now = 0
    open_most = 0
    silent = 0
    """How many questions, from now on, get no answer."""

    @override
    async def head(self, key: str, *, version_id: str | None = None) -> ObjectInfo | None:
        self.asked += 1
        self.open_now += 1
        self.open_most = max(self.open_most, self.open_now)
        await asyncio.sleep(CALL_SECONDS)
        self.open_now -= 1
        if self.silent:
            self.silent -= 1
            raise Unavailable(f"{key}: throttled")
        return await super().head(key, version_id=version_id)


class CountingLedger(MemoryLedger):
    """Counts the days that somebody asked for."""

    days_asked = 0

    @override
    def list_settled(self, day: date) -> AsyncIterator[BatchPage]:
        self.days_asked += 1
        return super().list_settled(day)


class World:
    """A ledger of settled batches whose inputs are gone, and what deletes their rows."""

    def __init__(self) -> None:
        self.clock = LoopClock()
        self.ledger = CountingLedger(Control(INITIAL_EPOCH, REGION))
        self.objects = SlowObjectStore(self.clock)
        self.lines: list[dict[str, Any]] = []
        self.retention = Retention(
            region=REGION,
            regions=REGIONS_DEFAULT,
            ledger=self.ledger,
            objects=self.objects,
            clock=self.clock,
            log=recording_log(self.lines),
        )

    async def settle(
        self, number: int, *, days_ago: float, epoch: int = INITIAL_EPOCH, key: str = "", version: str = "gone"
    ) -> str:
        """Put in the row of a batch that settled so long ago, a week after its admission; return its id."""
        at = self.clock.now() - timedelta(days=days_ago)
        source = Source(key or f"input/sales/{number}.csv", version, 1)
        row = Batch(f"{number:020x}", "sales", source, BatchState.CANCELLED, epoch, at - timedelta(days=7), at)
        await self.ledger.admit(row)
        return row.batch_id

    async def left(self, ids: list[str]) -> list[str]:
        return [each for each in ids if await self.ledger.get(each)]


def test_sixteen_rows_are_in_work_at_once_and_never_more() -> None:
    async def story() -> tuple[int, int, float, list[str]]:
        world = World()
        ids = [await world.settle(number, days_ago=RETENTION_DAYS + 0.5) for number in range(320)]
        began = asyncio.get_running_loop().time()
        await world.retention.delete_old()
        seconds = asyncio.get_running_loop().time() - began
        return world.objects.open_most, world.objects.asked, seconds, await world.left(ids)

    open_most, asked, seconds, left = virtual_time.run(story())

    assert (open_most, asked, left) == (AT_ONCE, 320, [])
    assert seconds < 320 / AT_ONCE * CALL_SECONDS * 1.5


def test_an_input_that_may_be_there_keeps_its_row_and_no_other() -> None:
    # Deleting the row of an input that still exists would admit it again with the next sweep, and mail it again.
    async def story() -> tuple[list[str], list[dict[str, Any]]]:
        world = World()
        there = await world.objects.put("input/sales/there.csv", b"x")
        newer = await world.objects.put("input/sales/newer.csv", b"x")
        refused = await world.objects.put("input/sales/refused.csv", b"x")
        world.objects.refusals.refuse("head", "find_version", key=refused.key)
        days = RETENTION_DAYS + 0.5
        kept = [
            await world.settle(1, days_ago=days, key=refused.key, version=refused.version_id),
            await world.settle(2, days_ago=days, key=there.key, version=there.version_id),
        ]
        forgotten = [
            await world.settle(3, days_ago=days),
            await world.settle(4, days_ago=days, key=newer.key, version="an older one"),
        ]
        await world.retention.delete_old()
        assert await world.left(kept) == kept
        return await world.left(forgotten), world.lines

    left, lines = virtual_time.run(story())

    assert left == []
    assert lines == [], "an object that nobody may look at is no trouble to log in each pass"


@pytest.mark.parametrize(
    ("days_ago", "epoch", "is_kept"),
    [
        (RETENTION_DAYS - 0.1, INITIAL_EPOCH, True),
        (RETENTION_DAYS + 0.1, INITIAL_EPOCH, False),
        (RETENTION_DAYS + 0.1, THEIR_EPOCH, True),
        (RETENTION_DAYS + 300, INITIAL_EPOCH, False),
    ],
    ids=["too young", "old", "the other Region's", "very old"],
)
def test_what_is_forgotten_is_old_and_ones_own(days_ago: float, epoch: int, is_kept: bool) -> None:  # noqa: FBT001
    async def story() -> bool:
        world = World()
        batch_id = await world.settle(1, days_ago=days_ago, epoch=epoch)
        for _ in range(200):  # each looks at a few days of the year
            await world.retention.delete_old()
        return await world.ledger.get(batch_id) is not None

    assert virtual_time.run(story()) == is_kept


def test_a_year_is_looked_at_a_few_days_at_a_time_and_once_a_day() -> None:
    async def story() -> list[int]:
        world, asked = World(), list[int]()
        for hours in (0, 1, 25):  # at the start, an hour later, and on the next day
            await asyncio.sleep(hours * 3_600)
            world.ledger.days_asked = 0
            await world.retention.delete_old()
            asked.append(world.ledger.days_asked)
            for _ in range(250):
                await world.retention.delete_old()
        return asked

    assert virtual_time.run(story()) == [4, 2, 4]


def test_a_row_that_is_throttled_holds_no_other_up_and_goes_with_the_next_pass() -> None:
    async def story() -> tuple[int, int, int]:
        world = World()
        ids = [await world.settle(number, days_ago=RETENTION_DAYS + 0.5) for number in range(100)]
        world.objects.silent = 5
        await world.retention.delete_old()
        first = len(await world.left(ids))
        asked = world.objects.asked
        await world.retention.delete_old()
        soon = world.objects.asked - asked
        await asyncio.sleep(3_601)
        await world.retention.delete_old()
        return first, soon, len(await world.left(ids))

    assert virtual_time.run(story()) == (5, 0, 0), "an hour lies between two passes"


def test_a_pass_that_met_an_outage_is_tried_again_at_once() -> None:
    async def story() -> list[str]:
        world = World()
        ids = [await world.settle(number, days_ago=RETENTION_DAYS + 0.5) for number in range(100)]
        world.objects.silent = 50
        with pytest.raises(Unavailable):
            await world.retention.delete_old()
        world.objects.silent = 0
        await world.retention.delete_old()
        return await world.left(ids)

    assert virtual_time.run(story()) == []
