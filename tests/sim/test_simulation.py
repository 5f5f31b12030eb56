"""Schedules of everything that can go wrong: no invariant breaks; and with a bug planted, one does."""
# A planted bug replaces what nobody else may touch:
# pyright: reportPrivateUsage=false

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any, override

import pytest

import notifier.main
from baton.errors import BatonError
from baton.memory import MemoryLedger
from baton.model import takeover
from baton.model.batch import Batch, MailClaim
from baton.model.control import Control, Freeze, StepName
from baton.model.journal import Rule, Verdict
from baton.model.states import BatchState
from baton.model.takeover import Turn
from baton.ports import Ledger
from baton_proof.simulation import simulate
from baton_proof.simulation.schedule import AWAY, HOME, Fault, Schedule, Trouble, drawn
from baton_proof.simulation.simulate import Report
from baton_proof.simulation.watch import WatchedLedger
from baton_proof.simulation.world import World
from failover_controller import controller
from handover import brakes, switching, witnesses
from handover import decide as decisions
from handover.decide import decide
from handover.facts import CANARIES, Memory, Seen, StepResult
from handover.intents import Intent, Write
from handover.look import Look
from handover.settings import ControllerSettings
from handover_shell import acts
from handover_shell.acts import Actor
from handover_shell.performing import Performer
from notifier.handler import Notifier
from splitter.input_sweep import InputSweep

SEEDS = range(1, 21)
FOUND: tuple[int, ...] = (491, 1131, 1154, 9713, 50206, 50406, 51941, 52681, 54620, 55572, 55610)
"""Seeds that once failed. They stay here."""
HUNT = range(1, 160)
PLAGUE = next(seed for seed in HUNT if drawn(seed).poison_at is not None)
"""A story of a file that kills what touches it."""


@cache
def _in_peace(seed: int) -> Report:
    """Return the outcome of a schedule without any bug: run once, however many planted bugs are compared with it."""
    return simulate.run(seed)


@pytest.mark.parametrize("seed", [*SEEDS, *FOUND])
def test_no_schedule_breaks_an_invariant(seed: int) -> None:
    report = _in_peace(seed)

    assert report.violations == (), f"make sim SEEDS={seed}"


def test_a_seed_tells_one_story() -> None:
    assert simulate.run(7) == _in_peace(7)


def test_a_region_that_dies_is_left_within_the_bound() -> None:
    seed = next(seed for seed in range(1, 1_000) if drawn(seed).dies)
    report = simulate.run(seed)

    assert report.switch_seconds is not None
    assert 0 < report.switch_seconds <= simulate.SWITCH_SECONDS_MAX


def test_a_poison_costs_one_region_and_one_process_of_the_other() -> None:
    worlds: list[World] = []

    def made(schedule: Schedule) -> World:
        worlds.append(World(schedule))
        return worlds[0]

    report = simulate.run(PLAGUE, made)
    bites = Counter(worlds[0].network.bites)

    assert (report.violations, report.automatic, report.false_failovers) == ((), 1, 0)
    assert (bites[HOME] > 0, bites[AWAY]) == (True, 1)


def test_what_is_throttled_is_refused_and_breaks_nothing() -> None:
    trouble = Trouble(Fault.THROTTLED, at=10, seconds=200, amount=0.05)  # all who get an object, as workers do a plan
    worlds: list[World] = []

    def made(schedule: Schedule) -> World:
        worlds.append(World(schedule))
        return worlds[0]

    report = simulate.run_schedule(Schedule(1, (trouble,), (20,), (), ControllerSettings()), made)

    assert (report.violations, worlds[0].sides[HOME].objects.refusals.refused["get"] > 0) == ((), True)


# --- the simulator sees what it is there to see ----------------------------------------------------------------------


def _no_condition(self: MemoryLedger, before: Batch) -> None:
    del self, before


async def _no_compare(self: WatchedLedger, after: Control, *, before: Control | None) -> None:
    del before
    there = self._store.control
    self._store.control = after
    self.watch.control_written(there, after)


_real_set_control = WatchedLedger.set_control


async def _drops_what_it_does_not_know(self: WatchedLedger, after: Control, *, before: Control | None) -> None:
    known = after if self.watch.is_newer else replace(after, more={})
    await _real_set_control(self, known, before=before)


async def _toggles(self: Actor, control: Control) -> StepResult:
    found = await self._switch.states()
    await self._switch.set_states({region: not on for region, on in found.items()})
    return StepResult(StepName.SWITCH, control.epoch, done=True, note="toggled")


async def _first_page(ledger: Ledger) -> list[Batch]:
    return list((await anext(aiter(ledger.list_open()))).batches)


class SendsBeforeItClaims(Notifier):
    @override
    async def _tell(self, batch: Batch, *, attempt: int) -> Batch:
        del attempt
        self._check_free(batch)
        await self._mailer.send(await self._write(batch, here=True))
        return await self._mark(await self._claim(batch))


async def _claims_always(self: WatchedLedger, before: Batch, claim: MailClaim) -> Batch:
    there = self._store.batches[before.batch_id]
    claimed = replace(there, mail_claim=claim, owner_epoch=before.owner_epoch)
    self._store.batches[before.batch_id] = claimed
    self.watch.batch_written(there, claimed)
    return claimed


_real_perform = Performer.perform


async def _acts_first(self: Performer, memory: Memory, intents: tuple[Intent, ...]) -> Memory:
    for intent in intents:
        if isinstance(intent, Write) and intent.after.epoch != intent.before.epoch:
            await self._actor._switch.set_states(intent.after.switch_states(memory.regions))
    return await _real_perform(self, memory, intents)


async def _acts_on_memory(self: Actor, step: StepName, epoch: int) -> StepResult:
    try:
        control: Control = self.__dict__.get("row") or await self._ledger.control()
        self.__dict__["row"] = control
        match step:
            case StepName.SWITCH:
                return await self._set_switch(control)
            case StepName.ROUTES:
                return await self._set_routes(control)
            case _:
                return await self._take_over(control)
    except BatonError as error:
        return StepResult(step, epoch, done=False, note=str(error))


def _never_frozen(self: Control, now: datetime) -> tuple[Freeze, ...]:
    del self, now
    return ()


def _healthy(rules: object) -> Any:
    del rules
    return Verdict.HEALTHY


def _no_brakes(memory: Memory, control: Control, now: datetime) -> tuple[Rule, ...]:
    del memory, control, now
    return ()


def _starts_anew(state: BatchState) -> BatchState:
    return state if state in {BatchState.PAUSED, BatchState.QUARANTINED, BatchState.FAILED} else BatchState.ADMITTED


async def _sweeps_no_inputs(self: InputSweep, *args: object, **kwargs: object) -> None:
    del self, args, kwargs


def _repairs_nothing(*args: Any) -> tuple[Memory, tuple[Intent, ...]]:
    return args[0], ()


async def _takes_nothing(self: Actor, control: Control) -> StepResult:
    del self
    return StepResult(StepName.TAKEOVER, control.epoch, done=True, note="nothing")


async def _mails_at_once(self: Notifier, batch: Batch) -> bool:
    del self, batch
    return True


def _acts_in_dry_run(memory: Memory, seen: Seen, now: datetime) -> tuple[Memory, tuple[Intent, ...]]:
    settings = memory.settings.model_copy(update={"dry_run": False})
    return decide(replace(memory, settings=settings), seen, now)


def _one_canary_is_enough(rules: tuple[Rule, ...]) -> bool:
    return any(rule.verdict is Verdict.UNHEALTHY and rule.signal in CANARIES for rule in rules)


_real_reason = decisions._reason_not_to  # pyright: ignore[reportPrivateUsage] - as above


def _holds_nothing(look: Look) -> object:
    reason = _real_reason(look)
    return None if reason is not None and reason.key == "hold" else reason


def _no_cooldown(control: Control, now: datetime) -> Rule:
    del control, now
    return Rule("cooldown", Verdict.HEALTHY, "over", "over")


async def _turns_no_dials(self: Actor, control: Control) -> StepResult:
    del self
    return StepResult(StepName.ROUTES, control.epoch, done=True, note="done")


def _suspects_nobody(batch: Batch, turn: Turn) -> bool:
    del batch, turn
    return False


PLANTED: Mapping[str, tuple[object, str, object, int]] = {
    "a batch is written without its condition": (MemoryLedger, "_check_unchanged", _no_condition, 6),
    "the control row is written without its condition": (WatchedLedger, "set_control", _no_compare, 4),
    "the control row is written without what a newer version put there": (
        WatchedLedger,
        "set_control",
        _drops_what_it_does_not_know,
        54,
    ),
    "the switch is toggled, not set": (Actor, "_set_switch", _toggles, 1),
    "only the first page is read": (acts, "open_batches", _first_page, 57),
    "mail before the claim": (notifier.main, "Notifier", SendsBeforeItClaims, 1),
    "a claim that asks for nothing": (WatchedLedger, "claim_mail", _claims_always, 9),
    "the switch before the commit": (Performer, "perform", _acts_first, 1),
    "acts on what it once read": (Actor, "act", _acts_on_memory, 1),
    "a freeze that stops nothing": (Control, "freezes", _never_frozen, 51),
    "any standby is good enough": (brakes, "verdict_of", _healthy, 41),
    "no brakes": (brakes, "brakes", _no_brakes, 59),
    "a takeover starts every batch anew": (takeover, "_resumed_in", _starts_anew, 76),
    "nobody looks for unadmitted files": (InputSweep, "sweep", _sweeps_no_inputs, 23),
    "the reconciler repairs nothing": (switching, "due_acts", _repairs_nothing, 9),
    "nobody is taken over": (Actor, "_take_over", _takes_nothing, 2),
    "mails a link to what is not here": (Notifier, "_is_here", _mails_at_once, 106),
    "a dry run that acts": (controller, "decide", _acts_in_dry_run, 21),
    "one canary is enough": (witnesses, "declares_unhealthy", _one_canary_is_enough, 4),
    "nothing is held": (decisions, "_reason_not_to", _holds_nothing, 2),
    "no cooldown": (brakes, "_cooldown", _no_cooldown, 116),
    "nobody is suspected": (takeover, "was_in_hand", _suspects_nobody, PLAGUE),
    "dials that nobody turns": (Actor, "_set_routes", _turns_no_dials, 2),
}
"""Where it is planted, and the seed that noticed first; if that one no longer does, others are tried."""


@pytest.mark.parametrize("bug", PLANTED)
def test_the_simulator_catches(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, planted, first = PLANTED[bug]
    assert _in_peace(first).violations == ()
    monkeypatch.setattr(where, name, planted)

    caught = next((report for report in map(simulate.run, (first, *HUNT)) if report.violations), None)

    assert caught is not None, "no seed noticed"
