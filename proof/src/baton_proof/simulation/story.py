"""Prints the faults, orders, decisions and switches of a seed: `python -m baton_proof.simulation.story SEED`."""

import argparse
import sys
from collections.abc import Iterator
from datetime import datetime

from baton_proof.simulation import simulate
from baton_proof.simulation.schedule import Schedule, drawn
from baton_proof.simulation.simulate import Report
from baton_proof.simulation.world import World


def told(schedule: Schedule) -> Iterator[str]:
    """Run a schedule and yield its story, a line for each event in the order of time, then what it violated."""
    worlds: list[World] = []

    def made(given: Schedule) -> World:
        worlds.append(World(given))
        return worlds[-1]

    report = simulate.run_schedule(schedule, made)
    yield from _settings(schedule)
    for at, what in sorted([*_planned(schedule), *_happened(worlds[0])], key=lambda event: event[0]):
        yield f"{at:8.1f}  {what}"
    yield from _end(report, worlds[0])


def _settings(schedule: Schedule) -> Iterator[str]:
    settings = schedule.settings
    yield f"seed {schedule.seed}: mode {settings.mode}, failback {settings.failback}, lag {schedule.lag_seconds} s"
    yield f"          {schedule.background}"
    if schedule.dry_region:
        yield f"          the controller of {schedule.dry_region} is on a dry run"
    for region, seconds in schedule.skews.items():
        yield f"          the clock of the controller of {region} is {seconds:+.0f} s off"
    if schedule.real_canary:
        yield "          canaries are real batches"


def _planned(schedule: Schedule) -> Iterator[tuple[float, str]]:
    for trouble in schedule.troubles:
        where = f"{trouble.region}, {trouble.amount:.2f}"
        yield trouble.at, f"FAULT  {trouble.fault} ({where}) begins"
        yield trouble.at + trouble.seconds, f"FAULT  {trouble.fault} ({where}) ends"
    for order in schedule.by_hand:
        yield order.at, f"BY HAND {order.kind} {order.target}{' --force' if order.force else ''}"
    for order in schedule.orders:
        yield order.at, f"ORDER  {order.kind} {order.target}{' --force' if order.force else ''}"
    if schedule.dies:
        yield schedule.dies_at, f"FAULT  {schedule.dies} is lost permanently"


def _happened(world: World) -> Iterator[tuple[float, str]]:
    watch = world.watch
    start = watch.controls[0][0]

    def seconds(at: datetime) -> float:
        return (at - start).total_seconds()

    for sent in world.sent:
        row = watch.rows().get(sent.batch_id)
        yield world.schedule.files_at[sent.number], f"FILE   {sent.key} is {sent.batch_id}, to {sent.region}"
        if row:
            yield seconds(watch.written_at[row.batch_id]), f"ROW    {row.batch_id} is admitted; in the end {row.state}"
    for message_id, at in watch.mailed_at.items():
        yield seconds(at), f"MAIL   {message_id}, the last of {watch.sends[message_id.split('.')[1]]}"
    for at, control in watch.controls:
        yield seconds(at), f"ROW    control: {control.phase}, epoch {control.epoch}, active {control.active_region}"
    for decision in watch.decisions:
        # By the clock of the controller that took it, which may be wrong.
        at = seconds(decision.at) - world.schedule.skews.get(decision.region, 0.0)
        yield at, f"DECIDE {decision.region} {decision.kind} under epoch {decision.epoch}: {decision.summary}"


def _end(report: Report, world: World) -> Iterator[str]:
    for beat in world.journal._heartbeats.values():  # pyright: ignore[reportPrivateUsage] - without a loop
        yield f"last beat of {beat.region}: {beat.assessment.standing}: {beat.assessment.conclusion}"
    yield f"{len(report.violations)} violations"
    yield from report.violations


def main() -> int:
    """Print the story of one seed."""
    parser = argparse.ArgumentParser(description="Tell what happened under a seed.")
    parser.add_argument("seed", type=int)
    for line in told(drawn(parser.parse_args().seed)):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
