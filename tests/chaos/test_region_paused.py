"""A Region freezes with batches in flight; the other one finishes them automatically. Runs in every CI run."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import pytest

from baton.model.batch import Batch
from baton.model.journal import Decision, DecisionKind
from baton.model.states import BatchState
from baton_cli.reach import connect
from baton_cli.reach.connection import Connection
from baton_local.in_containers import layout
from baton_local.in_containers.admin import ComposeAdmin
from baton_local.sales import sample
from baton_proof.chaos.settling import make_active, until_well
from baton_proof.composed import SERVICES, Composed
from baton_proof.handovers import (
    Uploads,
    acknowledge,
    decisions_since,
    first,
    message_ids,
    result,
    rows,
    send,
    until,
    until_completed,
    until_replicated,
)

pytestmark = [pytest.mark.docker, pytest.mark.chaos, pytest.mark.timeout(900)]

HOME, AWAY = layout.WORLD.regions
_FILES: Final = 3
_RECORDS: Final = 300
_COMPLETED_SECONDS: Final = 180
"""LocalStack on two cores. A failover takes at most 60 s in this world."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Path]:
    """Give small files; the last one of the folder is their reference data."""
    folder = tmp_path_factory.mktemp("paused")
    found = [folder / f"{number}.csv" for number in range(_FILES)]
    for number, file in enumerate(found):
        # The same seed and number of keys: one reference file for all.
        sample.write_sales(
            file, folder / "financial.csv", records=_RECORDS + number, seed=7, bad_percent=1, keys=_RECORDS
        )
    return [*found, folder / "financial.csv"]


def test_a_region_that_freezes_with_batches_in_flight_is_taken_over_and_comes_home(
    composed: Composed, files: Sequence[Path]
) -> None:
    async def play() -> None:
        async with connect.embedded(layout.WORLD) as connection:
            await _Story(composed, connection, files[:-1], files[-1]).play()

    asyncio.run(play())


class _Story:
    def __init__(self, composed: Composed, connection: Connection, files: Sequence[Path], reference: Path) -> None:
        self._composed = composed
        self._connection = connection
        self._files = files
        self._reference = reference
        self._tag = f"paused-{time.time_ns() // 1_000_000}"
        self._wanted: Mapping[Path, bytes] = {}

    async def play(self) -> None:
        connection, composed = self._connection, self._composed
        await composed.baton("reference", "load", "financial", str(self._reference), "--key", "uuid")
        await make_active(connection, HOME)
        await acknowledge(connection, f"ack-{self._tag}")
        peace = await send(connection, self._files, f"{self._tag}-peace")
        batches = await until_completed(connection, peace, seconds=_COMPLETED_SECONDS)
        self._wanted = {peace.files[each.batch_id]: await result(connection, each, HOME) for each in batches}

        sent, began = await self._in_flight()
        await composed.pause(HOME, *(each for each in SERVICES if each != "worker"))
        frozen_at = time.monotonic()
        batches = await until_completed(connection, sent, seconds=_COMPLETED_SECONDS)
        self._say(f"all through {time.monotonic() - frozen_at:.1f} s after the Region froze")

        assert {connection.owner(batch) for batch in batches} == {AWAY}
        await self._check(sent, batches)
        await self._explained(began)
        await composed.unpause(HOME)
        await until_well(connection)
        assert (await connection.ledger.control()).active_region == AWAY
        await self._check(sent, await rows(connection, sent))
        await self._home_again()

    async def _in_flight(self) -> tuple[Uploads, datetime]:
        """Send files; return when each is in the middle of its work in Region A, with a copy of its file in B."""
        connection, began = self._connection, self._connection.clock.now()
        await self._composed.pause(HOME, "worker")
        sent = await send(connection, self._files, self._tag)

        async def split() -> bool:
            found = await rows(connection, sent)
            return len(found) == len(sent.files) and all(each.state is BatchState.SPLIT for each in found)

        await until(split, "every file is split", seconds=60)
        await until_replicated(connection, sent, AWAY, seconds=60)
        assert {connection.owner(batch) for batch in await rows(connection, sent)} == {HOME}
        self._say(f"in flight: {', '.join(sent.files)}")
        return sent, began

    async def _check(self, sent: Uploads, batches: Sequence[Batch]) -> None:
        """Hold every result against the undisturbed one, and count the mails: one, or two copies of one."""
        connection, mails = self._connection, await ComposeAdmin().inbox()
        for batch in batches:
            assert batch.state is BatchState.COMPLETED
            assert await result(connection, batch, AWAY) == self._wanted[sent.files[batch.batch_id]]
            ids = message_ids(mails, batch.batch_id)
            assert len(set(ids)) == 1, (batch.batch_id, ids)
            assert len(ids) <= 2, "one, or a second one from the declared window"

    async def _explained(self, since: datetime) -> None:
        async def ended() -> Sequence[Decision]:
            made = await decisions_since(self._connection, since)
            return made if any(each.kind is DecisionKind.COMPLETED for each in made) else []

        made = await until(ended, "the failover is over", seconds=120)
        order = [DecisionKind.SUSPECTED, DecisionKind.COMMITTED, DecisionKind.COMPLETED]
        assert [kind for kind in dict.fromkeys(each.kind for each in made) if kind in order] == order
        decision = first(made, DecisionKind.COMMITTED)
        assert decision.region == AWAY
        assert decision.transition_id
        explained = await self._composed.baton("explain", decision.transition_id)
        assert "outside canary" in explained
        assert "silence" in explained or "own calls" in explained
        history = json.loads(await self._composed.baton("history", "-n", "50", "--json"))
        assert "committed" in [each["kind"] for each in history]
        self._say(f"{decision.transition_id}: {decision.summary}")

    async def _home_again(self) -> None:
        connection = self._connection
        told = json.loads(
            await self._composed.baton(
                "failback", "--reason", "it is healthy again", "--yes", "--json", "--timeout", "300"
            )
        )
        assert told["outcome"] in {"completed", "degraded"}, told
        assert (await connection.ledger.control()).active_region == HOME
        sent = await send(connection, self._files, f"{self._tag}-home")
        batches = await until_completed(connection, sent, seconds=_COMPLETED_SECONDS)
        assert {connection.owner(batch) for batch in batches} == {HOME}
        for batch in batches:
            assert await result(connection, batch, HOME) == self._wanted[sent.files[batch.batch_id]]

    def _say(self, text: str) -> None:
        print(f"{self._tag}: {text}")  # noqa: T201 - shown when the test fails
