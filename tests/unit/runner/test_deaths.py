"""What counts as the death of a process at a message, and what that costs."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from baton.deaths import Deaths
from baton.messages import APART
from baton.outcome import Handled, Outcome
from baton.service import settings_of
from baton.settings import RunnerSettings
from baton.testing import virtual_time
from baton_proof.logs import silent_log

DONE = Handled(Outcome.DONE)
VISIBILITY_SECONDS, SIGN_SECONDS = 60, 20
SETTINGS = RunnerSettings(deaths_max=3, visibility_seconds=VISIBILITY_SECONDS)
AGAIN = Handled(Outcome.RETRY, delay_seconds=20)


@dataclass(slots=True)
class Table:
    """Notes who began, answers when it may, and remembers what it was told. Seen from one process, `me`."""

    began: set[str] = field(default_factory=set[str])
    lives: frozenset[str] = frozenset()
    """Those among them that give signs of life."""
    told: list[str] = field(default_factory=list[str])
    answers: bool = True

    async def attempt_begun(self, message: str) -> Sequence[float]:
        await self._answer(f"{message} begun")
        self.began.add("me")
        return [SIGN_SECONDS if each in self.lives else VISIBILITY_SECONDS for each in self.began - {"me"}]

    async def attempt_alive(self, message: str) -> None:
        await self._answer(f"{message} alive")

    async def attempt_ended(self, message: str, *, for_good: bool) -> None:
        await self._answer(f"{message} ended" + " permanently" * for_good)
        self.began -= self.began if for_good else {"me"}

    async def set_aside(self, message: str, cause: str) -> None:
        await self._answer(f"{message} set aside: {cause}")

    async def _answer(self, what: str) -> None:
        if not self.answers:
            await asyncio.sleep(10**6)
        self.told.append(what)


def _process(table: Table) -> Deaths[str]:
    return Deaths(table, settings=SETTINGS, log=silent_log())


async def _try(process: Deaths[str], attempt: int, verdict: Handled = AGAIN) -> int | None:
    """Return how many died before, as the attempt is told."""
    seen: list[int | None] = []

    async def handle(died: int | None) -> Handled:
        seen.append(died)
        return verdict

    assert await process.counted("m", attempt, handle) is verdict
    return seen[0]


def test_a_first_delivery_writes_nothing() -> None:
    table = Table()

    assert virtual_time.run(_try(_process(table), 1, DONE)) == 0
    assert table.told == []


def test_an_attempt_that_ends_is_counted_off_and_one_that_is_through_forgets_all() -> None:
    table = Table({"dead", "dead too"})

    async def story() -> list[int | None]:
        return [await _try(_process(table), 2), await _try(_process(table), 3, DONE), await _try(_process(table), 4)]

    assert virtual_time.run(story()) == [2, 2, 0]
    assert table.told[:4] == ["m begun", "m ended", "m begun", "m ended permanently"]


def test_what_is_handed_back_at_a_stop_has_not_died() -> None:
    table = Table()

    async def works(died: int | None) -> Handled:
        await asyncio.sleep(10**6)
        raise AssertionError(died)

    async def story() -> None:
        for attempt in range(2, 12):
            working = asyncio.create_task(_process(table).counted("m", attempt, works))
            await asyncio.sleep(1)
            working.cancel()
            with pytest.raises(asyncio.CancelledError):
                await working

    virtual_time.run(story())

    assert table.began == set()
    assert table.told == ["m begun", "m ended"] * 10


def test_a_table_that_does_not_answer_delays_the_work_and_fails_nothing() -> None:
    table = Table(answers=False)

    async def story() -> tuple[int | None, float]:
        died = await _try(_process(table), 2)
        return died, asyncio.get_running_loop().time()

    assert virtual_time.run(story()) == (0, pytest.approx(20))


def test_a_living_process_takes_none_of_its_own_for_a_death_and_notes_the_end_later() -> None:
    table = Table()
    process = _process(table)

    async def story() -> list[int | None]:
        seen: list[int | None] = []

        async def handle(died: int | None) -> Handled:
            seen.append(died)
            table.answers = False  # an outage that begins while it is at work
            return AGAIN

        for attempt in range(2, 8):
            await process.counted("m", attempt, handle)
            table.answers = True
        await process.settle()
        return seen

    assert virtual_time.run(story()) == [0] * 6
    assert table.began == set()


def test_who_gives_signs_of_life_has_not_died() -> None:
    table = Table({"dead", "works on it"}, frozenset({"works on it"}))

    assert virtual_time.run(_try(_process(table), 2)) == 1


def test_an_attempt_gives_signs_of_life_until_it_ends_also_when_some_are_not_taken() -> None:
    table = Table()

    async def handle(died: int | None) -> Handled:
        del died
        await asyncio.sleep(2.5 * SIGN_SECONDS)
        table.answers = False
        await asyncio.sleep(SIGN_SECONDS)
        table.answers = True
        await asyncio.sleep(1.5 * SIGN_SECONDS)
        return AGAIN

    async def story() -> None:
        await _process(table).counted("m", 2, handle)
        await asyncio.sleep(100)

    virtual_time.run(story())

    assert table.told == ["m begun", "m alive", "m alive", "m alive", "m ended"]


# --- of what is suspected each delivery is counted -------------------------------------------------------------------


def _suspecting(table: Table) -> Deaths[str]:
    return Deaths(table, settings=settings_of(APART, SETTINGS), log=silent_log())


def test_a_first_delivery_of_a_copy_finds_who_died_at_the_other() -> None:
    table = Table({"took the message before it was sent again"})

    assert virtual_time.run(_try(_suspecting(table), 1)) == 1


def test_whoever_gets_it_again_finds_who_died_at_it_the_first_time() -> None:
    table = Table({"dead"})

    assert virtual_time.run(_try(_suspecting(table), 2, DONE)) == 1
    assert table.began == set()


@pytest.mark.parametrize("attempt", [1, 2, 5])
def test_nobody_begins_while_another_process_has_it_in_hand_and_that_is_no_death(attempt: int) -> None:
    table = Table({"works on it"}, frozenset({"works on it"}))
    begun: list[int | None] = []

    async def handle(died: int | None) -> Handled:
        begun.append(died)
        return DONE

    handled = virtual_time.run(_suspecting(table).counted("m", attempt, handle))

    assert begun == []
    assert (handled.outcome, handled.delay_seconds) == (Outcome.RETRY, VISIBILITY_SECONDS)
    assert table.began == {"works on it"}


@pytest.mark.parametrize("outcome", [Outcome.UNAVAILABLE, Outcome.REFUSED])
def test_a_death_that_could_not_be_acted_upon_is_not_forgotten(outcome: Outcome) -> None:
    table = Table({"dead"})

    virtual_time.run(_try(_suspecting(table), 2, Handled(outcome, delay_seconds=30)))

    assert table.began == {"dead"}
