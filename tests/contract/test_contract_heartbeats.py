"""What every Region's signs of life do."""

import asyncio
from datetime import timedelta

import pytest

from baton.errors import Conflict
from baton.ports import Nudges, Signs
from worlds import Ports, in_world


@in_world
async def test_nothing_is_known_of_a_batch_that_nobody_had_in_hand(ports: Ports) -> None:
    assert await ports.heartbeats.signs("b1") == Signs(worked_at=None, nudges=None)


@in_world
async def test_the_latest_sign_of_life_is_kept(ports: Ports) -> None:
    now = ports.clock.now()

    await ports.heartbeats.beat("b1", at=now)
    await ports.heartbeats.beat("b1", at=now + timedelta(seconds=20))
    await ports.heartbeats.beat("b1", at=now + timedelta(seconds=10))
    await ports.heartbeats.beat("b2", at=now)

    assert await ports.heartbeats.signs("b1") == Signs(worked_at=now + timedelta(seconds=20))
    assert await ports.heartbeats.signs("b2") == Signs(worked_at=now)


@in_world
async def test_nudges_and_signs_of_life_leave_each_other_alone(ports: Ports) -> None:
    now = ports.clock.now()
    first = Nudges(entered_at=now, count=1, last_at=now + timedelta(seconds=300))

    await ports.heartbeats.count_nudge("b1", first, before=None)
    await ports.heartbeats.beat("b1", at=now)

    assert await ports.heartbeats.signs("b1") == Signs(worked_at=now, nudges=first)


@in_world
async def test_a_nudge_is_counted_from_what_was_read(ports: Ports) -> None:
    now = ports.clock.now()
    first = Nudges(entered_at=now, count=1, last_at=now + timedelta(seconds=1))
    second = Nudges(entered_at=now, count=2, last_at=now + timedelta(seconds=2))
    anew = Nudges(entered_at=now + timedelta(seconds=3), count=1, last_at=now + timedelta(seconds=4))
    await ports.heartbeats.count_nudge("b1", first, before=None)

    with pytest.raises(Conflict):
        await ports.heartbeats.count_nudge("b1", second, before=None)
    await ports.heartbeats.count_nudge("b1", second, before=first)
    with pytest.raises(Conflict):
        await ports.heartbeats.count_nudge("b1", anew, before=first)
    await ports.heartbeats.count_nudge("b1", anew, before=second)

    assert (await ports.heartbeats.signs("b1")).nudges == anew


@in_world
async def test_of_many_sweepers_one_counts(ports: Ports) -> None:
    now = ports.clock.now()
    counts = [Nudges(entered_at=now, count=1, last_at=now + timedelta(seconds=number)) for number in range(8)]

    results = await asyncio.gather(
        *(ports.heartbeats.count_nudge("b1", each, before=None) for each in counts), return_exceptions=True
    )

    assert [type(result) for result in results if result is not None] == [Conflict] * 7


@in_world
async def test_the_mail_about_a_row_that_cannot_be_read_is_claimed_by_one_and_sent_once(ports: Ports) -> None:
    now, lease = ports.clock.now(), timedelta(seconds=120)

    async def claimed(seconds: float) -> bool:
        return await ports.heartbeats.claim_notice("b1", at=now + timedelta(seconds=seconds), lease=lease)

    await ports.heartbeats.beat("b1", at=now)
    claims = await asyncio.gather(*(claimed(0) for _ in range(5)))
    in_between, after = await claimed(119), await claimed(120)
    await ports.heartbeats.notice_sent("b1", at=now + timedelta(seconds=121))

    assert (sum(claims), in_between, after) == (1, False, True)
    assert not await claimed(1_000)
    assert await ports.heartbeats.signs("b1") == Signs(worked_at=now)


@in_world
async def test_processes_that_began_a_step_and_have_not_ended_are_counted(ports: Ports) -> None:
    now, chunk = ports.clock.now(), "chunk#2#p#0"

    async def begun(by: str, step: str = chunk) -> int:
        return len(await ports.heartbeats.attempt_begun("b1", step, by=by, at=now))

    async def ended(by: str, step: str = chunk, *, for_good: bool = False) -> None:
        await ports.heartbeats.attempt_ended("b1", step, by=by, at=now, for_good=for_good)

    await ports.heartbeats.beat("b1", at=now)
    assert [await begun("x"), await begun("x"), await begun("y"), await begun("x", "split#2")] == [0, 0, 1, 0]
    await ended("x")
    await ended("x")
    await ended("nobody", "merge#2")
    assert [await begun("z"), await begun("x"), await begun("x", "merge#2")] == [1, 2, 0]
    await ended("x", for_good=True)
    await ended("y")
    assert [await begun("z"), await begun("y", "split#2")] == [0, 1]
    assert await ports.heartbeats.signs("b1") == Signs(worked_at=now)


@in_world
async def test_each_that_began_tells_when_it_was_last_alive_until_it_has_ended(ports: Ports) -> None:
    now, step = ports.clock.now(), "split#2"
    at = [now + timedelta(seconds=20 * number) for number in range(5)]
    heartbeats = ports.heartbeats

    await heartbeats.attempt_begun("b1", step, by="x", at=at[0])
    await heartbeats.attempt_alive("b1", step, by="x", at=at[1])
    beside = await heartbeats.attempt_begun("b1", step, by="y", at=at[2])
    await heartbeats.attempt_ended("b1", step, by="x", at=at[3], for_good=False)
    for late in ("x", "nobody"):
        await heartbeats.attempt_alive("b1", step, by=late, at=at[4])

    assert list(beside) == [at[1]]
    assert list(await heartbeats.attempt_begun("b1", step, by="z", at=at[4])) == [at[2]]
    assert list(await heartbeats.attempt_begun("b2", step, by="z", at=at[4])) == []
