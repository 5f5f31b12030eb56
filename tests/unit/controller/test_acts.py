"""What one act sets and reads back, and what a planned switch waits for."""

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final, override

import pytest

from actors_made import actor_made
from batches_made import admitted, filled
from baton.memory import (
    LoopClock,
    MemoryLedger,
    MemoryObjectStore,
    MemoryQueues,
    MemoryRoutes,
    MemorySwitch,
    MemoryVitals,
)
from baton.model.batch import Batch, MailClaim
from baton.model.control import Control, StepName, SwitchKind
from baton.model.states import BatchState
from baton.ports import BatchPage, ObjectInfo, batches_of
from baton.requests import PAGE_BATCHES
from baton.testing import virtual_time
from baton.topology import REGIONS_DEFAULT
from controller_made import EAST, START, WEST, control_made, frozen, under_way
from handover.facts import Drain, StepResult
from handover_shell.acts import Place

AFTER = control_made(active_region=WEST, epoch=3)
"""The row after a failover to the second Region."""
DIALS_SECONDS = 120


MANY: Final = 2 * PAGE_BATCHES + 50
"""Open batches on three pages of the ledger's list, as the one on AWS has them."""


class StubbornRoutes(MemoryRoutes):
    """Dials that take what is asked of them, and stay as they are."""

    @override
    async def set_dials(self, dials: Mapping[str, int]) -> None:
        del dials


class LateLedger(MemoryLedger):
    """A ledger whose list leaves out everything once: an index may be that late."""

    passes = 0

    @override
    async def list_open(self) -> AsyncGenerator[BatchPage]:
        self.passes += 1
        if self.passes == 1:
            yield BatchPage([], [])
            return
        async for page in super().list_open():
            yield page


@dataclass
class Setting:
    """One controller's reach."""

    control: Control = AFTER
    routes: MemoryRoutes = field(default_factory=lambda: MemoryRoutes(REGIONS_DEFAULT))
    made: type[MemoryLedger] = MemoryLedger
    clock: LoopClock = field(default_factory=LoopClock)

    def __post_init__(self) -> None:
        self.ledger = self.made(self.control)
        self.switch = MemorySwitch(clock=self.clock)
        self.queues = MemoryQueues(self.clock)
        self.objects = MemoryObjectStore(clock=self.clock)
        place = Place(self.objects, self.queues.outbox(), MemoryVitals(self.queues))
        self.actor = actor_made(
            self.ledger, {EAST: place, WEST: place}, self.clock, switch=self.switch, routes=self.routes, at_once=2
        )

    def act(self, step: StepName, epoch: int | None = None, *batches: Batch) -> StepResult:
        """Do one step, with these batches open."""

        async def story() -> StepResult:
            for batch in batches:
                await self.ledger.admit(batch)
            return await self.actor.act(step, self.control.epoch if epoch is None else epoch)

        return virtual_time.run(story())


# --- right before it acts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [StepName.SWITCH, StepName.ROUTES, StepName.TAKEOVER])
def test_an_act_of_another_epoch_does_nothing(step: StepName) -> None:
    setting = Setting()

    result = setting.act(step, 2, admitted("b1", START))

    assert (result.done, result.repaired, result.note) == (False, False, "the epoch is 3 by now")
    assert setting.switch.changes == []


@pytest.mark.parametrize("step", [StepName.SWITCH, StepName.ROUTES, StepName.TAKEOVER])
def test_nor_does_one_that_a_freeze_has_overtaken(step: StepName) -> None:
    setting = Setting(replace(AFTER, freeze=frozen(START + timedelta(days=3_650))))

    result = setting.act(step, None, admitted("b1", START))

    assert (result.done, result.repaired, result.note) == (False, False, "frozen meanwhile")


def test_a_list_that_lags_for_long_holds_no_takeover_back() -> None:
    setting = Setting()

    async def story() -> StepResult:
        for name in ("b1", "b2", "b3"):
            await setting.ledger.admit(admitted(name, START))
        setting.ledger.hold_index()
        return await setting.actor.act(StepName.TAKEOVER, AFTER.epoch)

    result = virtual_time.run(story())

    assert (result.done, result.note) == (True, "3 batches taken over")
    assert {batch.owner_epoch for batch in setting.ledger.rows.values()} == {AFTER.epoch}


# --- switch and dials -------------------------------------------------------------------------------------------------


def test_routing_controls_are_set_as_the_row_says_and_once() -> None:
    setting = Setting()

    first, second = setting.act(StepName.SWITCH), setting.act(StepName.SWITCH)

    assert (first.done, first.repaired, second.done, second.repaired) == (True, True, True, False)
    assert setting.switch.changes == [{EAST: False, WEST: True}]


@pytest.mark.parametrize("kind", list(SwitchKind))
def test_the_switch_hears_whether_the_region_that_is_left_is_healthy(kind: SwitchKind) -> None:
    setting = Setting(control_made(epoch=3, active_region=WEST, transition=under_way(kind)))

    assert setting.act(StepName.SWITCH).done
    assert setting.switch.were_planned == [kind is not SwitchKind.FAILOVER]


def test_dials_are_turned_as_the_row_says_and_once() -> None:
    setting = Setting()

    first, second = setting.act(StepName.ROUTES), setting.act(StepName.ROUTES)

    assert (first.done, first.repaired, second.done, second.repaired) == (True, True, True, False)
    assert virtual_time.run(_dials(setting)) == {EAST: 0, WEST: 100}


async def _dials(setting: Setting) -> dict[str, int]:
    return dict(await setting.routes.dials())


def _attempts(setting: Setting, *, seconds: float, every: float) -> list[StepResult]:
    async def story() -> list[StepResult]:
        results: list[StepResult] = []
        for _ in range(int(seconds // every)):
            results.append(await setting.actor.act(StepName.ROUTES, AFTER.epoch))
            await asyncio.sleep(every)
        return results

    return virtual_time.run(story())


@pytest.mark.parametrize("seed", range(5))
def test_dials_that_turn_slowly_are_asked_for_once_and_are_no_failure(seed: int) -> None:
    clock = LoopClock()
    routes = MemoryRoutes(clock=clock, turns=timedelta(seconds=110), dice=random.Random(seed))

    results = _attempts(Setting(routes=routes, clock=clock), seconds=300, every=5)

    assert routes.submitted == 1
    assert all(each.done or each.under_way for each in results)
    assert [each.repaired for each in results if each.done].count(True) == 1, "it is told once"
    assert all(each.done for each in results[-30:])


def test_dials_that_never_turn_are_asked_for_again_and_that_is_a_failure() -> None:
    results = _attempts(Setting(routes=StubbornRoutes(REGIONS_DEFAULT)), seconds=400, every=DIALS_SECONDS)

    assert [(each.done, each.under_way) for each in results] == [(False, True), (False, False), (False, False)]
    assert results[1].note.startswith("asked for 120 s ago, and the dials read")


def test_dials_that_do_not_read_what_was_set_are_not_done() -> None:
    result = Setting(routes=StubbornRoutes(REGIONS_DEFAULT)).act(StepName.ROUTES)

    assert not result.done
    assert result.note.startswith("asked for, and the dials read")


# --- takeover ---------------------------------------------------------------------------------------------------------


def test_one_empty_list_is_no_proof_that_nothing_is_left() -> None:
    setting = Setting(made=LateLedger)

    result = setting.act(StepName.TAKEOVER, None, admitted("b1", START))

    assert (result.done, result.note) == (True, "1 batch taken over")


def test_canaries_stay_where_they_are() -> None:
    batch = admitted("b1", START)
    canary = replace(batch, batch_id="canary-c1")

    result = Setting().act(StepName.TAKEOVER, None, batch, canary)

    assert result.note == "1 batch taken over"


def test_batches_of_every_page_of_the_list_are_taken_over() -> None:
    setting = Setting()
    batches = [admitted(f"b{number:03d}", START + timedelta(seconds=number)) for number in range(MANY)]

    result = setting.act(StepName.TAKEOVER, None, *batches)

    left = virtual_time.run(batches_of(setting.ledger.list_open()))
    assert (result.done, result.taken_over) == (True, MANY)
    assert {batch.owner_epoch for batch in left} == {AFTER.epoch}


# --- what a planned switch waits for ----------------------------------------------------------------------------------


async def _drained(setting: Setting, *batches: Batch) -> Drain:
    for batch in batches:
        await setting.ledger.admit(batch)
    return await setting.actor.drain(setting.control)


def _planned() -> Setting:
    return Setting(control_made(transition=under_way(SwitchKind.SWITCHOVER)))


async def _put(setting: Setting, key: str) -> ObjectInfo:
    return await setting.objects.put(key, b"x")


def test_it_waits_for_every_file() -> None:
    setting = _planned()

    drain = virtual_time.run(_drained(setting, admitted("b1", START)))

    assert (drain.open_batches, drain.waiting) == (1, ("the file of b1 is not there yet",))


def test_it_waits_for_files_of_every_page_of_the_list() -> None:
    batches = [admitted(f"b{number:03d}", START + timedelta(seconds=number)) for number in range(MANY)]

    drain = virtual_time.run(_drained(_planned(), *batches))

    assert drain.open_batches == MANY


def test_a_file_that_is_there_is_not_waited_for() -> None:
    setting = _planned()

    async def story() -> Drain:
        info = await _put(setting, "input/sales/b1.csv")
        batch = admitted("b1", START)
        there = replace(batch, source=replace(batch.source, key=info.key, version_id=info.version_id))
        return await _drained(setting, there)

    assert virtual_time.run(story()).waiting == ()


def test_it_waits_for_the_result_of_a_batch_that_is_merged() -> None:
    merged = replace(filled("b1", START), state=BatchState.MERGED, mail_claim=None)

    assert virtual_time.run(_drained(_planned(), merged)).waiting == ("the result of b1 is not there yet",)


def test_it_waits_for_a_mail_that_is_being_sent_and_for_no_other() -> None:
    setting = _planned()
    claim = MailClaim(run=3, epoch=2, claimed_at=START)

    async def story() -> Drain:
        await _put(setting, "output/r")
        merged = replace(filled("b1", START), state=BatchState.MERGED, mail_claim=claim)
        sent = replace(merged, batch_id="b2", mail_claim=replace(claim, sent_at=START))
        earlier = replace(merged, batch_id="b3", mail_claim=replace(claim, run=2))
        return await _drained(setting, merged, sent, earlier)

    assert virtual_time.run(story()).waiting == ("the mail of b1 is being sent",)


def test_it_does_not_wait_for_batches_that_are_not_of_the_region_it_leaves() -> None:
    setting = Setting(
        control_made(epoch=4, active_region=EAST, transition=under_way(SwitchKind.SWITCHOVER), revision=9)
    )

    drain = virtual_time.run(_drained(setting, replace(admitted("b1", START), owner_epoch=3)))

    assert (drain.open_batches, drain.waiting) == (0, ())
