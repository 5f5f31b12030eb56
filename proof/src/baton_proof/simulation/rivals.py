"""Compares Baton and the rival under the same seeds: `python -m baton_proof.simulation.rivals 1:100`.

It prints the results of each for users. The rival's runbook is started at the moments at which Baton's own controllers
moved the epoch under the same seed, so that mechanics are compared, not who noticed first.
"""

import argparse
import itertools
import multiprocessing
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from baton.model.states import BatchState
from baton.testing import virtual_time
from baton.topology import REGIONS_DEFAULT
from baton_proof.simulation import rival, simulate
from baton_proof.simulation.rival import AllAtHome, RivalWorld, Status
from baton_proof.simulation.schedule import Schedule, drawn
from baton_proof.simulation.world import World


@dataclass(frozen=True, slots=True)
class Fate:
    """The result of one file for its sender, when nothing has happened for two hours."""

    name: str
    is_gone: bool = False
    """Its bytes went down with a Region that is lost permanently, and are nowhere else."""
    is_admitted: bool = False
    results: int = 0
    """How often one was published."""
    is_there: bool = False
    """Whether a living Region has a result of it."""
    told_at: tuple[float, ...] = ()
    is_marked: bool = False
    """Whether the ledger says that its mail was sent."""


@dataclass(frozen=True, slots=True)
class RivalOutcome:
    """The result of a schedule."""

    fates: tuple[Fate, ...]
    untaken: int
    """Files that no Region took."""
    switches: int
    first_seconds: float | None = None
    """From the death of a Region to the first mail of a file that was not through by then. None: no such file."""
    last_seconds: float | None = None

    def count(self) -> Counter[str]:
        """Return the number of files in each row of the table."""
        found = Counter({"files sent": len(self.fates) + self.untaken, UNTAKEN: self.untaken, SWITCHES: self.switches})
        for fate in self.fates:
            if fate.is_gone:
                found[GONE] += 1  # its result too, mailed or not
                continue
            found[NO_RESULT] += bool(fate.told_at) and not fate.is_there
            found[LOST] += not fate.is_admitted and not fate.is_there
            found[STUCK] += fate.is_admitted and not fate.is_there
            found[TWICE] += fate.results > 1
            found[MAILS] += len(fate.told_at) > 1
            found[UNTOLD] += fate.is_marked and not fate.told_at
        return found


SWITCHES = "switches"
UNTAKEN = "no Region took them: their senders gave up"
GONE = "went down with their Region, not yet replicated"
LOST = "taken, and lost without a trace"
STUCK = "admitted, and never finished"
TWICE = "finished twice, with two results"
MAILS = "mailed more than once"
NO_RESULT = "mailed, but there is no result"
UNTOLD = "marked as mailed, and never mailed"
ROWS = (UNTAKEN, GONE, LOST, STUCK, TWICE, MAILS, NO_RESULT, UNTOLD)


def compare(
    schedule: Schedule,
    make: Callable[[Schedule], World] = World,
    make_rival: Callable[[Schedule], RivalWorld] = RivalWorld,
) -> tuple[simulate.Report, RivalOutcome, RivalOutcome]:
    """Run a schedule with both; return Baton's report, and both outcomes."""
    worlds: list[World] = []

    def made(given: Schedule) -> World:
        worlds.append(make(given))
        return worlds[-1]

    report = simulate.run_schedule(schedule, made)
    return report, ours(worlds[0]), rivals(schedule, moves(worlds[0]), make_rival)


def moves(world: World) -> list[tuple[float, str]]:
    """Return when the epoch moved, in seconds since the start, and to which Region."""
    start = world.watch.controls[0][0]
    return [
        ((at - start).total_seconds(), control.active_region)
        for (_, before), (at, control) in itertools.pairwise(world.watch.controls)
        if control.epoch != before.epoch
    ]


def ours(world: World) -> RivalOutcome:
    """Return what became of every file that was sent to Baton."""
    rows, watch = world.watch.rows(), world.watch
    start = watch.controls[0][0]
    told = {message.split(".")[1]: (at - start).total_seconds() for message, at in watch.mailed_at.items()}
    fates: list[Fate] = []
    for sent in world.sent:
        row = rows.get(sent.batch_id)
        key = row.published.result_key if row and row.published else None
        fates.append(
            Fate(
                sent.key,
                is_gone=not simulate.survived(world, sent.key),
                is_admitted=row is not None,
                results=watch.merges[sent.batch_id] - watch.remakes[sent.batch_id],
                is_there=key is not None and simulate.survived(world, key),
                told_at=(told.get(sent.batch_id, 0.0),) * watch.sends[sent.batch_id],
                is_marked=row is not None and row.state is BatchState.COMPLETED,
            )
        )
    return _timed(world.schedule, fates, len(moves(world)))


def rivals(
    schedule: Schedule, runbooks: list[tuple[float, str]], make: Callable[[Schedule], RivalWorld] = RivalWorld
) -> RivalOutcome:
    """Run the schedule with the rival; return what became of every file."""
    world = make(schedule)
    virtual_time.run(rival.story(world, runbooks))
    fates: list[Fate] = []
    for sent in world.sent:
        name = sent.key
        alive = [region for region in REGIONS_DEFAULT if region != schedule.dies]
        statuses = {world.tables[region].rows[name].status for region in alive if name in world.tables[region].rows}
        results = world.results[name]
        is_there = any(simulate.survived(world, key) for key in results)
        kept = any(simulate.survived(world, key) for key in (name, name.replace("input/", "archive/", 1)))
        fates.append(
            Fate(
                name,
                is_gone=not kept and not is_there,
                is_admitted=bool(statuses),
                results=len(results),
                is_there=is_there,
                told_at=tuple(world.mailbox.told[name]),
                is_marked=Status.COMPLETED in statuses,
            )
        )
    return _timed(schedule, fates, len(runbooks))


def _timed(schedule: Schedule, fates: Sequence[Fate], switches: int) -> RivalOutcome:
    outcome = RivalOutcome(tuple(fates), len(schedule.files_at) - len(fates), switches)
    if schedule.dies is None:
        return outcome
    sent_at = {f"input/sales/file {number}.csv": at for number, at in enumerate(schedule.files_at)}
    backlog = [fate for fate in fates if sent_at[fate.name] <= schedule.dies_at and not fate.is_gone]
    left = [min(fate.told_at, default=float("inf")) - schedule.dies_at for fate in backlog]
    left = [seconds for seconds in left if seconds > 0]
    return replace(outcome, first_seconds=min(left), last_seconds=max(left)) if left else outcome


def table(pairs: Iterable[tuple[RivalOutcome, RivalOutcome]]) -> str:
    """Return the table of both, in Markdown."""
    both = list(zip(*pairs, strict=True))
    counts = [sum((outcome.count() for outcome in side), Counter[str]()) for side in both]
    lines = ["| of the files sent | Baton | the sample |", "|---|---:|---:|"]
    lines += [f"| {row} | {' | '.join(f'{count[row]:,}' for count in counts)} |" for row in ROWS]
    for name, what in (("first_seconds", "first"), ("last_seconds", "last")):
        cells = [_median([getattr(outcome, name) for outcome in side]) for side in both]
        lines.append(f"| a Region dies: its {what} open file is done after (median) | {' | '.join(cells)} |")
    sent = counts[0]["files sent"]
    return "\n".join([f"{len(both[0])} schedules, {sent} files, {counts[0][SWITCHES]} switches", "", *lines])


def _median(found: Sequence[float | None]) -> str:
    times = [each for each in found if each is not None]
    if not times:
        return "none was open"
    middle = statistics.median_high(times)
    never = sum(each == float("inf") for each in times)
    shown = "never" if middle == float("inf") else f"{middle:.0f} s"
    return f"{shown} (of {len(times)} never: {never})"


def one(seed: int, *, make_rival: Callable[[Schedule], RivalWorld] = RivalWorld) -> tuple[RivalOutcome, RivalOutcome]:
    """Run the schedule of a seed with both."""
    _, mine, theirs = compare(drawn(seed), make_rival=make_rival)
    return mine, theirs


def main() -> int:
    """Run the seeds FIRST:LAST with both and print the table."""
    parser = argparse.ArgumentParser(description="Compare Baton and the sample that it replaces.")
    parser.add_argument("seeds", help="FIRST:LAST, both included, or one seed")
    parser.add_argument("--all-at-home", action="store_true", help="let no sender sit near the rival's standby")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    options = parser.parse_args()
    first, _, last = options.seeds.partition(":")
    seeds, started = range(int(first), int(last or first) + 1), time.monotonic()
    with multiprocessing.Pool(options.processes) as pool:
        work = partial(one, make_rival=AllAtHome if options.all_at_home else RivalWorld)
        print(table(pool.imap(work, seeds, chunksize=4)))
    print(f"\n{time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
