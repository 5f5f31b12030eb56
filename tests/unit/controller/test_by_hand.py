"""A failover from an operator's machine: without any controller, killed at any step, beside one that wakes."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import override

import pytest

from baton.errors import Unavailable
from baton.memory import MemoryLedger, MemoryRoutes, MemorySwitch
from baton.model.control import Control, Ending, Phase, StepName, SwitchKind, Transition
from baton.model.journal import Command, CommandState, DecisionKind
from baton.ports import Endpoints, batches_of
from baton.testing import virtual_time
from baton.topology import INITIAL_EPOCH
from by_hand_made import EAST, WEST, Canaries, Kill, Scene
from controller_made import frozen
from handover_shell.by_hand import ByHand

_EFFECTS_MAX = 60


def test_it_fails_over_without_any_controller() -> None:
    async def story() -> None:
        scene = Scene()
        await scene.admit()
        command = scene.order()
        hand = scene.by_hand(command)
        await hand.prove()
        async with hand.acting(command):
            control = await scene.until_over()
        await scene.check()
        transition = control.transition
        assert transition is not None
        assert (transition.ended, transition.degraded, transition.command_id) == (Ending.COMPLETED, (), command.id)
        assert {step.step for step in transition.steps} == set(StepName)
        assert {(step.by, step.operator) for step in transition.steps} == {(WEST, "ann@desk")}
        settled = await scene.journal.command(command.id)
        assert settled is not None
        assert (settled.state, settled.settled_by, settled.settled_operator) == (
            CommandState.ACCEPTED, WEST, "ann@desk",
        )  # fmt: skip
        kinds = [each.kind for each in reversed(await scene.journal.decisions(limit=100))]
        assert kinds[:2] == [DecisionKind.INTENDED, DecisionKind.COMMITTED]
        assert kinds[-1] is DecisionKind.COMPLETED
        assert {each.operator for each in await scene.journal.decisions(limit=100)} == {"ann@desk"}

    virtual_time.run(story())


def test_a_region_that_does_not_prove_that_it_is_ready_is_refused_as_by_a_controller() -> None:
    async def story() -> tuple[str, str]:
        scene = Scene(canaries=Canaries(WEST))
        command = scene.order()
        hand = scene.by_hand(command)
        await hand.prove()
        async with hand.acting(command):
            await asyncio.sleep(30)
        assert (await scene.ledger.control()).active_region == EAST
        settled = await scene.journal.command(command.id)
        assert settled is not None
        return settled.state, settled.answer

    state, answer = virtual_time.run(story())

    assert state == "REFUSED"
    assert answer.startswith(f"{WEST} does not prove that it is ready: own canary: its bucket accepts no file")
    assert answer.endswith("--force overrides this")


class _LateSwitch(MemorySwitch):
    """A switch of which the first question of a process is answered too late."""

    questions = 0

    @override
    async def endpoints(self) -> Endpoints:
        self.questions += 1
        if self.questions == 1:
            await asyncio.sleep(100)
        return await super().endpoints()


def test_one_late_answer_of_the_switch_refuses_nothing() -> None:
    async def story() -> str:
        scene = Scene()
        scene.switch = _LateSwitch(clock=scene.clock)
        command = scene.order()
        hand = scene.by_hand(command)
        await hand.prove()
        async with hand.acting(command):
            await scene.until_over()
        settled = await scene.journal.command(command.id)
        assert settled is not None
        return settled.state

    assert virtual_time.run(story()) == CommandState.ACCEPTED


def test_nor_is_one_whose_switch_does_not_answer() -> None:
    async def story() -> str:
        scene = Scene()
        scene.switch.down = {1, 2, 3}
        command = scene.order()
        hand = scene.by_hand(command)
        await hand.prove()
        async with hand.acting(command):
            await asyncio.sleep(30)
        settled = await scene.journal.command(command.id)
        return settled.answer if settled else ""

    assert "switch endpoints: 0 of 5 answer" in virtual_time.run(story())


def test_force_goes_to_a_region_that_proves_nothing_and_says_that_it_was_not_verified() -> None:
    async def story() -> Control:
        scene = Scene(canaries=Canaries(WEST))
        await scene.admit()
        command = scene.order(force=True)
        async with scene.by_hand(command).acting(command):
            control = await scene.until_over()
        await scene.check()
        return control

    transition = virtual_time.run(story()).transition
    assert transition is not None
    assert transition.degraded == (StepName.VERIFY,)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("then", ["the same command", "the target's controller", "the other controller"])
def test_killed_at_any_step_it_is_continued(then: str, *, before: bool) -> None:
    async def killed(at: int) -> bool:
        """Kill it at this effect, let the other one continue, and return whether there was such an effect."""
        scene, kill = Scene(), Kill(at, before)
        await scene.admit()
        command = scene.order()
        hand = scene.by_hand(command, kill)
        run = asyncio.create_task(_run(scene, hand, command))
        died = asyncio.create_task(kill.dead.wait())
        await asyncio.wait([run, died], return_when=asyncio.FIRST_COMPLETED)
        reached = kill.dead.is_set()
        for task in (run, died):
            task.cancel()
        await asyncio.gather(run, died, return_exceptions=True)
        if not reached or await _continue(scene, then):
            await scene.check()
        return reached

    for at in range(_EFFECTS_MAX):
        if not virtual_time.run(killed(at)):
            assert at > 12, "so few effects are no failover"
            return
    raise AssertionError("it never ends")


async def _run(scene: Scene, hand: ByHand, command: Command) -> None:
    await hand.prove()
    async with hand.acting(command):
        await scene.until_over()


async def _continue(scene: Scene, then: str) -> bool:
    """Let another one find what the kill left. Say whether there was anything to find."""
    control = await scene.ledger.control()
    if then == "the same command":
        done = control.active_region == WEST and not control.in_transition
        command = scene.order()
        hand = scene.by_hand(command)
        await hand.prove()
        async with hand.acting(None if done else command):
            await scene.until_over()
            await hand.in_line.wait()
        return True
    if control.epoch == INITIAL_EPOCH and not await scene.journal.pending():
        return False  # the order never reached the ledger
    async with scene.awake(WEST if then == "the target's controller" else EAST):
        await asyncio.sleep(60)
        if (await scene.ledger.control()).epoch == INITIAL_EPOCH:
            # Nobody proves to the other Region's controller that the target is ready.
            assert [each.state for each in await _settled(scene)] == [CommandState.REFUSED]
            return False
        await scene.until_over()
        await asyncio.sleep(2 * scene.settings.reconcile_seconds)
    return True


async def _settled(scene: Scene) -> list[Command]:
    found = [await scene.journal.command(f"c{number + 1}") for number in range(scene.orders)]
    return [each for each in found if each is not None]


@pytest.mark.parametrize("region", [EAST, WEST])
@pytest.mark.parametrize("after", range(0, 26, 2))
def test_a_controller_that_wakes_up_meanwhile_does_no_harm(after: int, region: str) -> None:
    """It resumes when the command has had so many effects; both continue."""

    async def story() -> None:
        scene, kill = Scene(), Kill(watched=after)
        await scene.admit()
        command = scene.order()
        hand = scene.by_hand(command, kill)
        run = asyncio.create_task(_run(scene, hand, command))
        reached = asyncio.create_task(kill.reached.wait())
        await asyncio.wait([run, reached], return_when=asyncio.FIRST_COMPLETED)
        async with scene.awake(region):
            await run
            await asyncio.sleep(2 * scene.settings.reconcile_seconds)
        await scene.check()

    virtual_time.run(story())


def test_two_operators_at_once_make_one_switch() -> None:
    async def story() -> list[str]:
        scene = Scene()
        await scene.admit()
        first, second = scene.order(), scene.order()
        one, other = scene.by_hand(first), scene.by_hand(second)
        await asyncio.gather(one.prove(), other.prove())
        async with one.acting(first), other.acting(second):
            await scene.until_over()
            await asyncio.sleep(10)
        await scene.check()
        settled = [await scene.journal.command(each.id) for each in (first, second)]
        return [each.answer for each in settled if each is not None]

    answers = virtual_time.run(story())

    assert answers[0] == "switch t1"
    assert answers[1] == "ann@desk drives t1 on"


def test_it_continues_an_automatic_switch_that_a_freeze_has_stopped_half_way() -> None:
    async def story() -> None:
        scene = Scene()
        await scene.admit()
        now = scene.clock.now()
        before = await scene.ledger.control()
        half = before.changed(
            epoch=INITIAL_EPOCH + 1,
            active_region=WEST,
            phase=Phase.SWITCHING,
            phase_since=now,
            transition=Transition("t1", SwitchKind.FAILOVER, EAST, WEST, "dead", now, automatic=True),
            freeze=replace(frozen(now + timedelta(days=1)), at=now),
        )
        await scene.ledger.set_control(half, before=before)
        command = scene.order()
        async with scene.by_hand(command).acting(command):
            control = await scene.until_over()
        assert control.transition is not None
        assert control.transition.degraded == ()
        open_ones = await batches_of(scene.ledger.list_open())
        assert {batch.owner_epoch for batch in open_ones} == {INITIAL_EPOCH + 1}

    virtual_time.run(story())


def test_it_cuts_a_drain_short() -> None:
    async def story() -> None:
        scene = Scene()
        await scene.admit()
        now, before = scene.clock.now(), await scene.ledger.control()
        draining = before.changed(
            phase=Phase.DRAINING,
            phase_since=now,
            transition=Transition("t1", SwitchKind.SWITCHOVER, EAST, WEST, "works", now, automatic=False),
        )
        await scene.ledger.set_control(draining, before=before)
        command = scene.order()
        hand = scene.by_hand(command)
        await hand.prove()
        async with hand.acting(command):
            await asyncio.sleep(5)
            await scene.until_over()
        await scene.check()
        left = await scene.journal.switch("t1")
        assert left is not None
        assert left.ended is Ending.SUPERSEDED

    virtual_time.run(story())


class LateRoutes(MemoryRoutes):
    """Dials that answer after a while only."""

    silent = 5

    @override
    async def dials(self) -> Mapping[str, int]:
        if self.silent:
            self.silent -= 1
            raise Unavailable("S3 Control does not answer")
        return await super().dials()


def test_dials_that_do_not_answer_hold_nothing_else_back_and_are_tried_on() -> None:
    async def story() -> Scene:
        scene = Scene(routes=LateRoutes())
        await scene.admit()
        command = scene.order()
        hand = scene.by_hand(command)
        await hand.prove()
        async with hand.acting(command):
            await scene.until_over()
        await scene.check()
        return scene

    scene = virtual_time.run(story())
    assert {line["step"] for line in scene.lines if line["event"] == "step_failed"} == {StepName.ROUTES}


def test_a_switch_that_refuses_ends_degraded_and_the_command_once_more_sets_it() -> None:
    async def story() -> tuple[StepName, ...]:
        scene = Scene()
        await scene.admit()
        scene.switch.open_gate(is_open=False)
        command = scene.order()
        hand = scene.by_hand(command)
        await hand.prove()
        async with hand.acting(command):
            control = await scene.until_over()
        assert control.transition is not None
        scene.switch.open_gate(is_open=True)
        again = scene.by_hand(scene.order())
        async with again.acting(None):
            await again.in_line.wait()
        await scene.check()
        return control.transition.degraded

    assert virtual_time.run(story()) == (StepName.SWITCH,)


def test_a_ledger_that_loses_every_third_call_is_asked_again() -> None:
    class Lossy(MemoryLedger):
        calls = 0

        @override
        async def set_control(self, after: Control, *, before: Control | None) -> None:
            self.calls += 1
            if self.calls % 3 == 1:
                raise Unavailable("lost")
            await super().set_control(after, before=before)
            if self.calls % 3 == 2:
                raise Unavailable("the answer was lost")

    async def story() -> None:
        scene = Scene(ledger=Lossy(Control(INITIAL_EPOCH, EAST)))
        await scene.admit()
        command = scene.order()
        hand = scene.by_hand(command)
        await hand.prove()
        async with hand.acting(command):
            await scene.until_over()
        await scene.check()

    virtual_time.run(story())
