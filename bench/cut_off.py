"""Measures handovers of a world under load: `make bench NAME=cut_off ARGS="--rounds N --batches N --seed N"`.

Each round sends the same files, cuts the active Region off at a moment that the seed draws from the first quarter of
the work, and touches nothing until every batch is through that can be; then it heals, waits until the old Region
follows, and counts. The next round cuts the other Region. In two of three rounds the cut waits until the other Region
has copies of all files; in the others, what it has not got waits for the heal, and its times are not counted.

Between two rounds a human acknowledges (`baton ack`), and the cooldown is 1 s: by default there is one automatic
failover in six hours. Nothing else differs from the world of `baton up` but the size of chunks, and two waits that are
shortened like all others.
"""

import argparse
import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from baton.model.batch import Batch
from baton.model.journal import Decision, DecisionKind
from baton.model.states import BatchState
from baton_cli.reach import connect
from baton_cli.reach.connection import Connection
from baton_local.on_processes import lifecycle
from baton_local.pace import TIME_SCALE
from baton_local.sales import sample
from baton_local.state import World
from baton_local.switches.admin import Admin
from baton_proof.handovers import (
    Uploads,
    acknowledge,
    decisions_since,
    message_ids,
    result,
    rows,
    send,
    times_of,
    until,
    until_completed,
    until_ready,
    until_replicated,
)
from embedded import Embedded

_CHUNK_BYTES: Final = 65_536
_COPIED_SHARE: Final = 2 / 3
"""Of the rounds: the cut comes when both Regions have every file."""
_SECONDS_MAX: Final = 240
_SCALED: Final = {
    # 120 s and 300 s, divided by the same factor as all waits of this world.
    "BATON_NOTIFIER_CLAIM_LEASE_SECONDS": f"{120 / TIME_SCALE:g}",
    "BATON_SPLITTER_STALLED_SECONDS": f"{300 / TIME_SCALE:g}",
}
_SETTINGS: Final = _SCALED | {
    "BATON_SPLITTER_CHUNK_BYTES": str(_CHUNK_BYTES),
    "BATON_CONTROLLER_COOLDOWN_SECONDS": f"{TIME_SCALE:g}",
}
_ADVANCES: Final = ("decided", "last batch owned", "first batch continues", "last batch completed")


@dataclass(slots=True)
class Tally:
    """What all rounds came to."""

    seconds: list[dict[str, float]] = field(default_factory=list[dict[str, float]])
    """By round: how long after the cut each of `_ADVANCES` was reached, as far as it was."""
    in_flight: list[int] = field(default_factory=list[int])
    lost: int = 0
    doubled: int = 0
    """Batches with two different mails."""
    copies: int = 0
    """Second mails under the same Message-ID, from the declared window between a send and its mark."""
    differing: int = 0
    uncalled: int = 0
    """Failovers that no cut had caused."""
    helped: int = 0
    """Batches whose file only the old Region had: through after the heal."""
    sent: list[Uploads] = field(default_factory=list[Uploads])


class Bench:
    """One world and its files."""

    def __init__(self, world: World, connection: Connection, files: Sequence[Path], dice: random.Random) -> None:
        self._admin = Admin(world.admin_endpoint)
        self._connection = connection
        self._files = files
        self._dice = dice
        self._wanted: Mapping[Path, bytes] = {}
        self._peace_seconds = 0.0
        self.tally = Tally()

    async def peace(self) -> None:
        """Process every file while nothing happens: these bytes must come out."""
        connection = self._connection
        await until_ready(connection)
        active = (await connection.ledger.control()).active_region
        sent = await send(connection, self._files, "peace")
        started = time.monotonic()
        batches = await until_completed(connection, sent, seconds=_SECONDS_MAX)
        self._wanted = {sent.files[each.batch_id]: await result(connection, each, active) for each in batches}
        self._peace_seconds = time.monotonic() - started
        print(
            f"in peace all {len(self._files)} files are through {self._peace_seconds:.1f} s after the last upload",
            flush=True,
        )

    async def round(self, number: int) -> None:
        """Cut the active Region off once, and count."""
        connection, tally = self._connection, self.tally
        await until_ready(connection, seconds=_SECONDS_MAX)
        await acknowledge(connection, f"ack-{number}")
        began = connection.clock.now()
        active = (await connection.ledger.control()).active_region
        standby = next(region for region in connection.regions if region != active)
        sent = await send(connection, self._files, f"round-{number}")
        tally.sent.append(sent)
        await self._until_drawn(sent, standby)
        tally.uncalled += _committed(await decisions_since(connection, began))
        await self._admin.cut(active)
        cut_at = datetime.fromtimestamp(time.time(), UTC)
        in_flight = len(sent.files) - sum(batch.is_final for batch in await rows(connection, sent))
        by_itself = await self._follow(sent, active, standby)
        decisions = await decisions_since(connection, cut_at)
        tally.uncalled += max(0, _committed(decisions) - 1)
        tally.in_flight.append(in_flight)
        took = self._clocked(by_itself, decisions, standby, cut_at)
        await self._admin.heal(active)
        batches = await self._all(sent)
        await until_ready(connection, seconds=_SECONDS_MAX)
        await self._compare(sent, batches, standby)
        waited = len(batches) - len(by_itself)
        tally.helped += waited
        print(
            f"round {number}: {active} cut with {in_flight} in flight: {took}; {waited} waited for the heal", flush=True
        )

    async def _until_drawn(self, sent: Uploads, standby: str) -> None:
        """Return at the moment that was drawn: early in what the files take in peace, so nearly all are in flight."""
        dice = self._dice
        moment = asyncio.get_running_loop().time() + dice.uniform(0, self._peace_seconds / 4)
        if dice.random() < _COPIED_SHARE:
            await until_replicated(self._connection, sent, standby)
        await asyncio.sleep(moment - asyncio.get_running_loop().time())

    async def _follow(self, sent: Uploads, active: str, standby: str) -> list[Batch]:
        """Wait until the other Region has done all it can; return what is through."""
        connection = self._connection
        objects = connection.by_region[standby].objects
        seen: list[Batch] = []

        async def failed_over() -> bool:
            return (await connection.ledger.control()).active_region != active

        async def look() -> bool:
            seen[:] = [batch for batch in await rows(connection, sent) if batch.state is BatchState.COMPLETED]
            through = {batch.source.key for batch in seen}
            # What is through has left `input/`: a file that is not there may have been there a moment ago.
            missing = [key for key in sent.keys if key not in through]
            return len(seen) == len(sent.keys) or not any([await objects.head(key) for key in missing])

        await until(failed_over, "a failover", seconds=_SECONDS_MAX)
        await until(look, "all that can be done", seconds=_SECONDS_MAX)
        return [batch for batch in await rows(connection, sent) if batch.state is BatchState.COMPLETED]

    async def _all(self, sent: Uploads) -> list[Batch]:
        """Return every batch; count those that never end."""
        try:
            return await until_completed(self._connection, sent, seconds=_SECONDS_MAX)
        except AssertionError as lost:
            found = [batch for batch in await rows(self._connection, sent) if batch.is_final]
            self.tally.lost += len(sent.files) - len(found)
            print(f"  LOST: {lost}")
            return found

    def _clocked(self, batches: Sequence[Batch], decisions: Sequence[Decision], standby: str, cut_at: datetime) -> str:
        times = times_of(batches, decisions, standby)
        moments = dict(zip(_ADVANCES, (times.decided, times.owned, times.going_on, times.completed), strict=True))
        took = {name: (at - cut_at).total_seconds() for name, at in moments.items() if at is not None}
        self.tally.seconds.append(took)
        return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in took.items())

    async def _compare(self, sent: Uploads, batches: Sequence[Batch], region: str) -> None:
        objects = self._connection.by_region[region].objects

        async def replicated() -> bool:
            keys = [batch.published.result_key for batch in batches if batch.published]
            return all([await objects.head(key) is not None for key in keys])

        await until(replicated, f"every result in {region}", seconds=_SECONDS_MAX)
        for batch in batches:
            if await result(self._connection, batch, region) != self._wanted[sent.files[batch.batch_id]]:
                print(f"  DIFFERS: {batch.batch_id}")
                self.tally.differing += 1

    async def count_mails(self) -> None:
        """Count every mail of every round, after the last one: nothing may come late either."""
        mails, tally = await self._admin.inbox(), self.tally
        for sent in tally.sent:
            batches = {batch.batch_id: batch for batch in await rows(self._connection, sent)}
            for batch_id in sent.files:
                ids = message_ids(mails, batch_id)
                published = batches[batch_id].published if batch_id in batches else None
                # Its one published result is what its mails link to.
                about = [mail["text"] for mail in mails if batch_id in mail["text"]]
                right = published is not None and all(published.result_key in text for text in about)
                tally.lost += not ids or not right
                tally.doubled += len(set(ids)) > 1
                tally.copies += len(ids) - len(set(ids))


def _committed(decisions: Sequence[Decision]) -> int:
    return sum(each.kind is DecisionKind.COMMITTED for each in decisions)


def _report(tally: Tally, rounds: int, batches: int) -> None:
    print(
        f"\n### {rounds} rounds of {batches} batches, {min(tally.in_flight)} to {max(tally.in_flight)} of them in "
        f"flight at the cut, {statistics.median(tally.in_flight):.0f} in the middle\n"
    )
    print("| since the cut | p50 | max |\n|---|---:|---:|")
    for name in _ADVANCES:
        figures = " | ".join(f"{each:.1f} s" for each in _of([took[name] for took in tally.seconds if name in took]))
        print(f"| {name} | {figures} |")
    print()
    print(
        f"lost {tally.lost}, doubled {tally.doubled}, other bytes {tally.differing}; second copies under the same "
        f"Message-ID {tally.copies}; failovers without a cut {tally.uncalled}; batches that waited for the heal, since "
        f"only the old Region had their file, {tally.helped}"
    )


def _of(seconds: Sequence[float]) -> tuple[float, float]:
    return (statistics.median(seconds), max(seconds)) if seconds else (float("nan"), float("nan"))


async def _rounds(world: World, files: Sequence[Path], options: Any) -> Tally:
    async with connect.embedded(world) as connection:
        bench = Bench(world, connection, files, random.Random(options.seed))  # noqa: S311 - repeatable
        await bench.peace()
        for number in range(1, options.rounds + 1):
            await bench.round(number)
        await bench.count_mails()
        return bench.tally


def main() -> None:
    """Run the rounds and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--batches", type=int, default=30)
    parser.add_argument("--records", type=int, default=8_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    os.environ.update(_SETTINGS)  # noqa: TID251 - for the world's processes, as a shell would
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "world"
        reference = Path(folder) / "financial.csv"
        files = [Path(folder) / f"{number}.csv" for number in range(options.batches)]
        for number, file in enumerate(files):
            records = options.records + 10 * number  # so that no two results are alike
            sample.write_sales(file, reference, records=records, seed=options.seed, bad_percent=1, keys=2_000)
        world = Embedded(lifecycle.up(directory, wait_seconds=90), directory)
        try:
            assert world.baton("reference", "load", "financial", str(reference), "--key", "uuid").returncode == 0
            _report(asyncio.run(_rounds(world.world, files, options)), options.rounds, options.batches)
        finally:
            lifecycle.down(directory)


if __name__ == "__main__":
    main()
