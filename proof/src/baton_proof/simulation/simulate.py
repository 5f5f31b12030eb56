"""Runs schedules: `python -m baton_proof.simulation.simulate 1:200` prints each violation and then their number."""

import argparse
import asyncio
import contextlib
import gc
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from baton.batches import Batches
from baton.errors import BatonError, Refused
from baton.model.batch import Batch
from baton.model.control import Phase
from baton.model.identity import owner_of
from baton.model.journal import CommandKind
from baton.model.states import BatchState
from baton.testing import virtual_time
from baton.testing.faults import Crash
from baton.topology import REGIONS_DEFAULT
from baton_proof.sales import financial
from baton_proof.simulation import schedule as schedules
from baton_proof.simulation import without_controllers
from baton_proof.simulation.network import Odds
from baton_proof.simulation.schedule import FAULTS_SECONDS, HOME, WARM_SECONDS, Fault, Schedule
from baton_proof.simulation.world import BUGS, SAMPLE, World, expected_result
from handover.settings import Mode

HEALED_AT = WARM_SECONDS + FAULTS_SECONDS
REST_SECONDS_MAX = 2 * 3_600
"""After the last fault. Mail leases, the sweeper's doubling waits and a cooldown fit in it."""
_YEAR_SECONDS = 365 * 24 * 3_600
SWITCH_SECONDS_MAX = 90
"""From the death of the active Region to the move of the epoch, with every wait at its default."""


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one schedule."""

    seed: int
    violations: tuple[str, ...]
    events: int
    failovers: int
    batches: int
    mails: int
    second_mails: int
    seconds: float
    """Of simulated time."""
    switch_seconds: float | None = None
    """From the death of the active Region to the commit; to the first batch taken over is `takeover_seconds`."""
    takeover_seconds: float | None = None
    automatic: int = 0
    """Automatic failovers, and those of them that left a Region which served its users."""
    false_failovers: int = 0


def run(seed: int, make: Callable[[Schedule], World] = World) -> Report:
    """Run the schedule of a seed."""
    expected_result()
    return virtual_time.run(_story(make(schedules.drawn(seed))))


def run_schedule(schedule: Schedule, make: Callable[[Schedule], World] = World) -> Report:
    """Run a schedule that was written by hand."""
    expected_result()
    return virtual_time.run(_story(make(schedule)))


async def _story(world: World) -> Report:
    schedule, stop = world.schedule, asyncio.Event()
    await _load_reference(world)
    world.network.odds = schedule.background
    lives = [asyncio.create_task(world.replication.run(stop)), asyncio.create_task(world.judge.watch())]
    for region in REGIONS_DEFAULT:
        lives.append(asyncio.create_task(world.live_services(region, stop)))
        lives.append(asyncio.create_task(world.live_controller(region, stop)))
    stories: list[Awaitable[None]] = [world.send(number, at) for number, at in enumerate(schedule.files_at)]
    stories += [world.trouble(trouble) for trouble in schedule.troubles]
    stories += [world.order(order) for order in schedule.orders]
    stories += [without_controllers.fail_over(world, order) for order in schedule.by_hand]
    if schedule.poison_at is not None:
        stories.append(world.send_poison(schedule.poison_at))
    if schedule.dies:
        stories.append(_death(world, schedule.dies))
    try:
        async with asyncio.timeout(HEALED_AT + 600):
            await asyncio.gather(*stories)
        await _rest(world)
    except TimeoutError:
        world.watch.broke("L2", "a sender finds no Region that takes the file")
    finally:
        stop.set()
        for life in world.lives:
            life.killed.set()
        for task in (*lives, *world.background, *world.network.late):
            task.cancel()
        await asyncio.gather(*lives, *world.background, *world.network.late, return_exceptions=True)
    return _report(world)


async def _load_reference(world: World) -> None:
    for side in world.sides.values():
        await financial(side.reference, SAMPLE)


async def _death(world: World, region: str) -> None:
    await asyncio.sleep(world.schedule.dies_at)
    world.lose_for_good(region)


async def _rest(world: World) -> None:
    """Let the faults stop, then wait until everything that must come true is true."""
    loop = asyncio.get_running_loop()
    if not world.schedule.dies:
        await asyncio.sleep(max(0.0, HEALED_AT - loop.time()))
        await _heal(world)
    deadline = loop.time() + REST_SECONDS_MAX
    pending = await _pending(world)
    while pending and loop.time() < deadline:
        await asyncio.sleep(10)
        await _retry_all(world)
        pending = await _pending(world)
    for each in pending:
        world.watch.broke(*each)


async def _retry_all(world: World) -> None:
    """Be an operator who decides about what was set aside."""
    for sent in world.sent:
        batch = await world.ledger.get(sent.batch_id)
        if batch is not None and batch.state is BatchState.QUARANTINED:
            await _retry(world, batch)


async def _retry(world: World, batch: Batch) -> None:
    now = world.clock.now()
    state = BatchState.MERGED if batch.published else BatchState.ADMITTED
    again = batch.moved(state, at=now, by="operator", run=batch.run + 1, retried_at=now, failure=None)
    outbox = world.sides[owner_of(batch.owner_epoch, REGIONS_DEFAULT)].queues.outbox()
    with contextlib.suppress(BatonError):
        written = await world.ledger.update(batch, again)
        await Batches(region="operator", ledger=world.ledger, outbox=outbox, clock=world.clock).nudge(written)


async def _heal(world: World) -> None:
    assert not world.network.rules, "every fault repairs itself"
    _judge_poison(world)
    world.healed = True
    world.network.poison = None
    world.network.odds = Odds()
    world.replication.set(lag_seconds=1, cut=False, failing=0.0)
    world.replication.replicate_failed()
    for life in world.lives:
        life.paused_until = 0.0
    if (await world.ledger.control()).frozen(world.clock.now()):
        await world.command(CommandKind.UNFREEZE, "")


def _judge_poison(world: World) -> None:
    """S16: a poison costs one Region, and one process of the other; everything else continues.

    The services of a Region are one process here, which takes longer to start again than a controller waits. So that
    one process may cost the other Region too, if the first one is ready again and an operator has cleared the budget.
    """
    bites, poison = Counter(world.network.bites), world.network.poison
    if poison is None:
        return
    others = {region: times for region, times in bites.items() if region != HOME}
    if len({control.epoch for _, control in world.watch.controls}) > 2 + sum(others.values()):
        world.watch.broke("S16", f"the poison cost both Regions: {dict(bites)}")
    if sum(others.values()) > 1:
        world.watch.broke("S16", f"the poison killed more than one process of the other Region: {dict(bites)}")


async def _pending(world: World) -> list[tuple[str, str]]:
    """Return each invariant that does not hold yet, and what is not true."""
    found = [("L1", text) async for text in _unfinished_files(world)]
    control = await world.ledger.control()
    dead = world.schedule.dies
    if control.phase not in {Phase.STEADY, Phase.COOLDOWN} or control.in_transition:
        found.append(("L3", f"the switch stands in {control.phase}: {control.transition}"))
    if control.drill is not None and not dead:
        found.append(("L5", f"a drill never ends: {control.drill}"))
    acting = [region for region in REGIONS_DEFAULT if region not in (world.schedule.dry_region, dead)]
    if acting and await world.journal.pending():
        found.append(("L5", "a command is never answered"))
    if dead and control.active_region == dead and world.schedule.settings.mode is Mode.AUTOMATIC:
        found.append(("L2", f"{dead} is dead and active"))
    if acting and world.switch.truth != control.switch_states(REGIONS_DEFAULT):
        found.append(("L4", f"the switch says {world.switch.truth}, the ledger {control.active_region}"))
    if acting and world.routes.routing != control.dials(REGIONS_DEFAULT):
        found.append(("L4", f"the dials say {world.routes.routing}, the ledger {control.active_region}"))
    beats = await world.journal.heartbeats()
    following = {region for region, beat in beats.items() if beat.epoch_seen == control.epoch}
    missing = [region for region in REGIONS_DEFAULT if region != dead and region not in following]
    return [*found, *(("L4", f"{region} does not follow epoch {control.epoch}") for region in missing)]


async def _unfinished_files(world: World) -> AsyncIterator[str]:
    """Yield what L1 still waits for."""
    for sent in world.sent:
        batch = await world.ledger.get(sent.batch_id)
        gone = world.schedule.dies == sent.region and not survived(world, sent.key)
        if gone and (batch is None or batch.state is BatchState.WAITING_INPUT):
            continue  # its bytes never left the lost Region: it is named, an alarm fires, and it waits for the Region
        if batch is None:
            yield f"{sent.key} was uploaded in {sent.region} and never admitted"
        elif _is_refused(world, batch):
            continue  # refused for so long, a file is taken for one that nobody here may read: its sender is told so
        elif batch.state is not BatchState.COMPLETED:
            yield f"{sent.key} is {batch.state} under epoch {batch.owner_epoch}: {batch.failure}"
        elif not world.watch.sends[sent.batch_id]:
            yield f"{sent.key} is COMPLETED and nobody was told"


def _is_refused(world: World, batch: Batch) -> bool:
    refused = any(trouble.fault is Fault.REFUSED for trouble in world.schedule.troubles)
    return refused and batch.failure is not None and batch.failure.code == "unreadable"


def survived(world: World, key: str) -> bool:
    """Return whether a Region that is left ever had the object."""
    alive = [side.objects for region, side in world.sides.items() if region != world.schedule.dies]
    return any(version.body is not None for store in alive for version in store.history().get(key, ()))


def _report(world: World) -> Report:
    watch = world.watch
    bugs = [
        f"bug: {line['event']}: {line.get('exc_info')!r}"
        for line in world.lines
        if line["event"] in BUGS and line["level"] == "error" and not isinstance(line.get("exc_info"), Crash | Refused)
    ]
    epochs = [control.epoch for _, control in watch.controls]
    died_at = world.clock._start.timestamp() + world.schedule.dies_at  # pyright: ignore[reportPrivateUsage] - deaths are drawn in seconds since then
    moved = next((at for at, control in watch.controls if control.epoch != epochs[0]), None)
    switch_seconds = moved.timestamp() - died_at if world.schedule.dies and moved else None
    first = watch.taken_over_at[0].timestamp() - died_at if world.schedule.dies and watch.taken_over_at else None
    if switch_seconds is not None and switch_seconds > SWITCH_SECONDS_MAX:
        watch.broke("L2", f"the epoch moved only {switch_seconds:.1f} s after the Region died")
    return Report(
        seed=world.schedule.seed,
        violations=tuple(dict.fromkeys([*watch.violations, *bugs])),
        events=watch.events + world.network.calls,
        failovers=len(set(epochs)) - 1,
        batches=len(world.sent),
        mails=sum(watch.sends.values()),
        second_mails=sum(count - 1 for count in watch.sends.values()),
        seconds=asyncio.get_running_loop().time(),
        switch_seconds=switch_seconds,
        takeover_seconds=first,
        automatic=world.judge.failovers,
        false_failovers=world.judge.false_failovers,
    )


def _told_of_switches(totals: Counter[str], waits: list[float]) -> str:
    years = totals["simulated_seconds"] / _YEAR_SECONDS
    false = totals["false_failovers"]
    text = (
        f"{totals['automatic']:,} automatic failovers, {false} of them from a Region that served its users: "
        f"{false / years:.2f} a year, as of {365 * years:.1f} simulated days"
    )
    if not waits:
        return text
    waits.sort()
    p50, p90, longest = waits[len(waits) // 2], waits[len(waits) * 9 // 10], waits[-1]
    figures = f"p50 {p50:.1f}, p90 {p90:.1f}, max {longest:.1f} s"
    return f"{text}\nfrom a Region's death to the commit, {len(waits)} deaths: {figures}"


def _collect_rarely() -> None:
    """Spend a tenth less: a story makes millions of small objects, hardly any of them in a cycle."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def main() -> int:
    """Run the seeds FIRST:LAST on all cores; return 1 if any violated anything."""
    parser = argparse.ArgumentParser(description="Run simulated schedules.")
    parser.add_argument("seeds", help="FIRST:LAST, both included, or one seed")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    options = parser.parse_args()
    first, _, last = options.seeds.partition(":")
    seeds = range(int(first), int(last or first) + 1)
    totals: Counter[str] = Counter()
    failed: list[int] = []
    waits: list[float] = []
    started = time.monotonic()
    with multiprocessing.Pool(options.processes, _collect_rarely) as pool:
        for report in pool.imap_unordered(run, seeds, chunksize=4):
            totals.update(schedules=1, events=report.events, switches=report.failovers, batches=report.batches)
            totals.update(mails=report.mails, second_mails=report.second_mails, violations=len(report.violations))
            totals.update(simulated_seconds=int(report.seconds), automatic=report.automatic)
            totals.update(false_failovers=report.false_failovers)
            if report.violations:
                failed.append(report.seed)
            for violation in report.violations:
                print(f"seed {report.seed}: {violation}", flush=True)
            waits += [report.switch_seconds] if report.switch_seconds is not None else []
    seconds = time.monotonic() - started
    print(_told_of_switches(totals, waits))
    print(f"seeds that failed: {sorted(failed) or 'none'}")
    print(
        f"{totals['schedules']:,} schedules, {totals['events']:,} events, {totals['switches']:,} switches, "
        f"{totals['batches']:,} batches, {totals['mails']:,} mails ({totals['second_mails']} of them a second one), "
        f"{seconds:.0f} s: {totals['violations']} violations"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
