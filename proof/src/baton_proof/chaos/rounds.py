"""Runs chaos rounds on the composed world: `python -m baton_proof.chaos.rounds --rounds N --seed S`.

A steady stream of small batches flows while the drawn faults hit one Region or both; then all faults end, and batches
are counted: lost, doubled, other bytes than undisturbed, and whether the controllers' record matches what was done.
The world must be up (`make chaos` starts it) and stays up. The report goes to `build/chaos/`.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self, cast

from baton.model.batch import Batch
from baton.model.journal import Decision, DecisionKind
from baton_cli.reach import connect
from baton_cli.reach.connection import Connection
from baton_local.in_containers import layout
from baton_local.pace import COMPOSE_TIME_SCALE
from baton_local.sales import sample
from baton_proof.chaos import inflict, report, verdicts
from baton_proof.chaos.draws import Draw, Fault, Load, drawn
from baton_proof.chaos.report import Round, Run
from baton_proof.chaos.settling import make_active, until_followed, until_well
from baton_proof.chaos.stream import Loads, Stream
from baton_proof.composed import ROOT, Composed, reason_not_to_swallow
from baton_proof.handovers import (
    Uploads,
    acknowledge,
    decisions_since,
    message_ids,
    result,
    rows,
    times_of,
    until,
    until_completed,
)

_FILES: Final = 6
_RECORDS: Final = 200
_MANY_RECORDS: Final = 300_000
"""21 MB."""
_ROWS_OF_A_SHEET: Final = 1_048_575
"""Of a sheet of Excel that was emptied, below its header."""
_BLANK_BYTES: Final = 12 * 1024**2
_FLOWING_BATCHES: Final = 3
"""Admitted before the first fault begins."""
_SECONDS_MAX: Final = 300
"""For what must come true after the faults: a sweeper's wait, an unhealthy Region's canaries."""
_FOLDER: Final = ROOT / "build" / "chaos"


@dataclass(frozen=True, slots=True)
class Files:
    """What is sent."""

    small: Sequence[Path]
    loads: Loads
    reference: Path

    @classmethod
    def written(cls, folder: Path, seed: int) -> Self:
        """Write them. The same seed and number of keys: one reference file for all; no two results are alike."""
        reference = folder / "financial.csv"
        small = [folder / f"{number}.csv" for number in range(_FILES)]
        large, rows, blank = (folder / f"{name}.csv" for name in ("large", "rows", "blank"))
        for file, records in [
            *((file, _RECORDS + number) for number, file in enumerate(small)),
            (large, _MANY_RECORDS),
        ]:
            sample.write_sales(file, reference, records=records, seed=seed, bad_percent=1, keys=_RECORDS)
        rows.write_bytes(b"a,b,c,d,e,f,g,h\n" + b",,,,,,,\n" * _ROWS_OF_A_SHEET)
        blank.write_bytes(b"\n" * _BLANK_BYTES + b"a\n1\n")
        loads = {
            Load.LARGE: (large, "sales"),
            Load.EMPTY_ROWS: (rows, "passthrough"),
            Load.BLANK_LINES: (blank, "passthrough"),
        }
        return cls(small, loads, reference)


class Chaos:
    """One run."""

    def __init__(self, composed: Composed, connection: Connection, files: Files) -> None:
        self._composed = composed
        self._connection = connection
        self._files = files.small
        self._loads = files.loads
        self._reference = files.reference
        self._tag = f"chaos-{time.time_ns() // 1_000_000}"
        self._wanted: Mapping[Path, bytes] = {}
        self._streams: list[tuple[Round, Stream]] = []

    async def peace(self) -> None:
        """Process every file while nothing happens: these bytes must come out."""
        connection = self._connection
        await self._composed.baton("reference", "load", "financial", str(self._reference), "--key", "uuid")
        await until_well(connection)
        active = (await connection.ledger.control()).active_region
        began = connection.clock.now()
        stream = Stream(connection.uploader, self._files, f"{self._tag}-peace", loads=self._loads)
        for load in Load:
            await stream.pour(load)
        await stream.rest()
        sent = stream.sent
        batches = await until_completed(connection, sent, seconds=_SECONDS_MAX)
        self._wanted = {sent.files[each.batch_id]: await result(connection, each, active) for each in batches}
        suspected = [each for each in await decisions_since(connection, began) if each.kind is DecisionKind.SUSPECTED]
        _say(f"{self._tag}: {len(batches)} files undisturbed, every load among them; suspected {len(suspected)} times")

    async def round(self, draw: Draw) -> Round:
        """Play a round and count. Never raises for what the world did; it is whole afterwards."""
        played = Round(draw, verdicts.expected(draw))
        _say(f"\nround {draw.number} of seed {draw.seed}: {'; '.join(map(str, draw.troubles))}")
        try:
            await self._play(played)
        except Exception as error:  # noqa: BLE001 - after any error the next round and the report must follow
            played.broke = "; ".join(_causes(error))
        finally:
            await self._composed.heal_everything()
        played.load = os.getloadavg()[1]
        text = f"round {draw.number}: {played.outcome} (must follow: {played.expected}); {played.reasons}"
        _say("\n".join([*played.timeline, text]))
        return played

    async def _play(self, played: Round) -> None:
        connection, draw = self._connection, played.draw
        played.planned_switches = await make_active(connection, draw.active)
        await acknowledge(connection, f"{self._tag}-ack-{draw.number}")
        began = connection.clock.now()
        stream = Stream(connection.uploader, self._files, f"{self._tag}-{draw.number}", loads=self._loads)
        events: list[tuple[datetime, str]] = []
        scene = inflict.Scene(
            self._composed,
            connection,
            stream,
            self._reference,
            lambda text: events.append((connection.clock.now(), text)),
        )
        try:
            await self._break(played, scene)
            batches = await self._all(played, stream.sent)
            scene.say("all through")
            await self._until_well(scene)
            await self._compare(played, stream.sent, batches)
        finally:
            if events:
                decisions = await decisions_since(connection, began)
                self._record(played, events, decisions, await rows(connection, stream.sent))
        await self.count_mails(played, stream.sent)

    async def _break(self, played: Round, scene: inflict.Scene) -> None:
        """Do what was drawn while batches flow."""
        stream, draw = scene.stream, played.draw
        self._streams.append((played, stream))
        async with stream.flowing():
            await until(lambda: self._flows(stream), "batches flow", seconds=_SECONDS_MAX)
            played.in_flight = sum(not each.is_final for each in await rows(scene.connection, stream.sent))
            async with asyncio.TaskGroup() as faults:
                for trouble in draw.troubles:
                    faults.create_task(inflict.endure(scene, draw.region(trouble), trouble))
            played.healed_at = scene.connection.clock.now()
        played.unanswered = stream.unanswered
        played.lost += stream.never_taken

    async def _until_well(self, scene: inflict.Scene) -> None:
        await until_followed(self._connection)
        scene.say("both Regions follow")
        # A Region that was unhealthy recovers after 10 good canaries in a row: two minutes, or more if the machine
        # is busy. A controller that has just started needs three of its own.
        before = {beat.instance for beat in (await self._connection.journal.heartbeats()).values()}
        await self._composed.restart("controller")
        await until_well(self._connection, without=before)
        scene.say("both Regions are healthy")

    async def _flows(self, stream: Stream) -> bool:
        return len(await rows(self._connection, stream.sent)) >= _FLOWING_BATCHES

    async def _all(self, played: Round, sent: Uploads) -> list[Batch]:
        """Return every batch; note those that never end."""
        played.batches = len(sent.files)
        try:
            return await until_completed(self._connection, sent, seconds=_SECONDS_MAX)
        except AssertionError as error:
            found = [each for each in await rows(self._connection, sent) if each.is_final]
            missing = sorted(set(sent.files) - {each.batch_id for each in found})
            played.lost += missing or [str(error)]
            played.timeline.append(f"LOST: {error}")
            return found

    def _record(
        self,
        played: Round,
        events: Sequence[tuple[datetime, str]],
        decisions: Sequence[Decision],
        batches: Sequence[Batch],
    ) -> None:
        """Put what was done and what was decided into one order, in seconds since the first fault."""
        zero = events[0][0]
        lines = [*events]
        lines += [(each.at, f"  {each.region} {each.kind}: {each.summary}") for each in decisions]
        played.timeline += [f"{(at - zero).total_seconds():+7.1f} s  {text}" for at, text in sorted(lines)]
        moves = verdicts.committed(decisions)
        played.failovers = len(moves)
        played.through = max((_ended_at(each) - zero).total_seconds() for each in batches) if batches else None
        if moves:
            played.reasons = moves[0].summary
            played.named = sorted(verdicts.named(moves[0]))
            times = times_of(batches, decisions, moves[0].region)
            played.decided = (times.decided - zero).total_seconds()
            played.owned = (times.owned - zero).total_seconds() if times.owned else None
        played.disagreements += verdicts.disagreements(played.draw, decisions, played.healed_at or zero)

    async def _compare(self, played: Round, sent: Uploads, batches: Sequence[Batch]) -> None:
        connection = self._connection
        region = (await connection.ledger.control()).active_region
        objects = connection.by_region[region].objects

        async def replicated() -> bool:
            keys = [batch.published.result_key for batch in batches if batch.published]
            return all([await objects.head(key) is not None for key in keys])

        await until(replicated, f"every result in {region}", seconds=_SECONDS_MAX)
        for batch in batches:
            if await result(connection, batch, region) != self._wanted[sent.files[batch.batch_id]]:
                played.differing.append(batch.batch_id)

    async def count_mails(self, played: Round, sent: Uploads) -> None:
        """Count the mails of a round's batches: one Message-ID each, and each links to the one published result."""
        mails = await self._composed.admin.inbox()
        batches = {batch.batch_id: batch for batch in await rows(self._connection, sent)}
        for batch_id in sent.files:
            ids = message_ids(mails, batch_id)
            published = batches[batch_id].published if batch_id in batches else None
            about = [mail["text"] for mail in mails if batch_id in mail["text"]]
            right = published is not None and all(published.result_key in text for text in about)
            _note(played.lost, batch_id, is_true=not ids or not right)
            _note(played.doubled, batch_id, is_true=len(set(ids)) > 1)
            _note(played.copies, batch_id, is_true=len(ids) > len(set(ids)))

    async def count_all_mails(self) -> None:
        """Count once more after the last round: nothing may come late either."""
        for played, stream in self._streams:
            await self.count_mails(played, stream.sent)


def _say(text: str) -> None:
    print(text, flush=True)


def _causes(error: BaseException) -> list[str]:
    """Return what happened, out of the groups that tasks put it into."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return [cause for each in group.exceptions for cause in _causes(each)]
    return [f"{type(error).__name__}: {error}"]


def _note(noted: list[str], batch_id: str, *, is_true: bool) -> None:
    if is_true and batch_id not in noted:
        noted.append(batch_id)


def _ended_at(batch: Batch) -> datetime:
    return batch.history[-1].at if batch.history else batch.updated_at


async def _run(options: Any, files: Files) -> Run:
    composed = Composed()
    await composed.up()
    refusal = await reason_not_to_swallow()
    left_out = [f"{Fault.PACKETS}: {refusal}"] if refusal else []
    without = frozenset({Fault.PACKETS}) if refusal else frozenset[Fault]()
    numbers = options.only or range(1, options.rounds + 1)
    rounds: list[Round] = []
    machine = f"{os.cpu_count()} cores, {datetime.fromtimestamp(time.time(), UTC):%Y-%m-%d}"

    def run() -> Run:
        return Run(options.seed, rounds, left_out, COMPOSE_TIME_SCALE, machine)

    async with connect.embedded(layout.WORLD) as connection:
        chaos = Chaos(composed, connection, files)
        await chaos.peace()
        for number in numbers:
            rounds.append(await chaos.round(drawn(options.seed, number, without=without)))
            _write(run())  # also if the next round fails
        await chaos.count_all_mails()
    return run()


def _write(run: Run) -> None:
    _FOLDER.mkdir(parents=True, exist_ok=True)
    (_FOLDER / f"seed-{run.seed}.md").write_text(report.markdown(run))
    (_FOLDER / f"seed-{run.seed}.json").write_text(json.dumps(report.document(run), indent=2, default=str) + "\n")


def main() -> None:
    """Play the rounds; end with 1 if anything was lost, doubled, different or unexplained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, action="append", help="play only this round of the seed; may be repeated")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = asyncio.run(_run(options, Files.written(Path(folder), options.seed)))
    _write(run)
    _say(f"\n{report.markdown(run).partition('## Round by round')[0]}")
    _say(f"the whole report: {_FOLDER / f'seed-{run.seed}.md'}")
    sys.exit(0 if run.is_good else 1)


if __name__ == "__main__":
    main()
