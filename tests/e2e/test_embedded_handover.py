"""The active Region changes in the embedded world: real processes, real cuts, and the command that a user has."""

import asyncio
import json
import os
import random
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from baton.model.batch import Batch
from baton.model.control import Phase
from baton.model.journal import DecisionKind
from baton.topology import CONTROLLER
from baton_cli.reach import connect
from baton_cli.reach.connection import Connection
from baton_local.sales import expected, sample
from baton_local.switches.admin import Admin
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
    until_ready,
    until_replicated,
)
from embedded import Embedded
from local_worlds import do, status

pytestmark = [pytest.mark.xdist_group("world"), pytest.mark.timeout(600)]

FILES, RECORDS = 5, 12_000


@dataclass(frozen=True, slots=True)
class Scene:
    """A world in which both Regions are ready, files to send, and their undisturbed results."""

    embedded: Embedded
    active: str
    standby: str
    files: Sequence[Path]
    wanted: Mapping[Path, bytes]

    @asynccontextmanager
    async def cut_off(self) -> AsyncGenerator[float]:
        """Cut the active Region off; heal it in the end. Yields when."""
        admin = Admin(self.embedded.world.admin_endpoint)
        await admin.cut(self.active)
        try:
            yield time.time()
        finally:
            await admin.heal(self.active)

    def run[T](self, play: Callable[[Connection], Coroutine[Any, Any, T]]) -> T:
        """Run it with a connection."""

        async def connected() -> T:
            async with connect.embedded(self.embedded.world) as connection:
                return await play(connection)

        return asyncio.run(connected())

    async def check(self, connection: Connection, sent: Uploads, batches: Sequence[Batch], region: str) -> None:
        """Hold every result against the undisturbed one, and count the mails."""
        mails = await Admin(self.embedded.world.admin_endpoint).inbox()
        for batch in batches:
            assert await result(connection, batch, region) == self.wanted[sent.files[batch.batch_id]]
            ids = message_ids(mails, batch.batch_id)
            assert len(set(ids)) == 1, (batch.batch_id, ids)
            assert len(ids) <= 2, "one, or a second one from the declared window"


@pytest.fixture(scope="module")
def peace(embedded: Embedded, tmp_path_factory: pytest.TempPathFactory) -> dict[Path, bytes]:
    """Return files with the bytes of their results without faults, checked record by record."""
    folder = tmp_path_factory.mktemp("handover")
    reference = folder / "financial.csv"
    files = [folder / f"{number}.csv" for number in range(FILES)]
    for number, file in enumerate(files):
        # The same seed and number of keys: one reference file for all.
        sample.write_sales(file, reference, records=RECORDS + 500 * number, seed=21, bad_percent=1, keys=3_000)
    assert embedded.baton("reference", "load", "financial", str(reference), "--key", "uuid").returncode == 0

    async def play(connection: Connection) -> dict[Path, bytes]:
        active = (await connection.ledger.control()).active_region
        sent = await send(connection, files, "peace")
        batches = await until_completed(connection, sent, seconds=240)
        return {sent.files[batch.batch_id]: await result(connection, batch, active) for batch in batches}

    found = Scene(embedded, "", "", files, {}).run(play)
    for file in files[:1]:
        outcome = embedded.submit(file, name="checked.csv")
        embedded.fetch(outcome["batch_id"], folder / "rejects.csv", "--rejects")
        (folder / "result.csv").write_bytes(found[file])
        expected.check(file, reference, folder / "result.csv", folder / "rejects.csv")
    return found


@pytest.fixture
def scene(embedded: Embedded, peace: dict[Path, bytes]) -> Iterator[Scene]:
    """Yield both Regions ready, and no failover that counts; the world is healed afterwards, also if the test fails."""

    async def prepare(connection: Connection) -> str:
        await until_ready(connection)
        await acknowledge(connection, f"ack-{time.time_ns()}")
        return (await connection.ledger.control()).active_region

    active = Scene(embedded, "", "", [], {}).run(prepare)
    standby = next(region for region in embedded.world.regions if region != active)
    yield Scene(embedded, active, standby, list(peace), peace)
    for region in embedded.world.regions:
        do(Admin(embedded.world.admin_endpoint).heal(region))


@pytest.fixture
def unfrozen(embedded: Embedded) -> Iterator[None]:
    """Let the controllers act automatically, as they do where no other test disturbs the world."""
    for freeze in embedded.json("status")["freezes"]:  # that of the world, and those of tests before
        assert embedded.baton("unfreeze", freeze["id"]).returncode == 0
    yield
    assert embedded.baton("freeze", "--for", "1h", "--reason", "other tests").returncode == 0


@pytest.mark.usefixtures("unfrozen")
def test_a_region_that_is_cut_off_is_taken_over_by_the_other_one(scene: Scene) -> None:
    seed = int(os.environ.get("BATON_TEST_SEED", time.time_ns() % 10_000))  # noqa: TID251 - printed and repeatable
    print(f"seed {seed}: BATON_TEST_SEED={seed} repeats it")  # noqa: T201 - shown when the test fails
    moment = random.Random(seed).uniform(0, 1)

    transition = scene.run(lambda connection: _taken_over(scene, connection, moment))

    explained = scene.embedded.baton("explain", transition)
    assert explained.returncode == 0, explained.stderr
    assert "silence" in explained.stdout
    assert "canary" in explained.stdout
    seen = status(scene.embedded.world)
    assert {region: each.dial for region, each in seen.regions.items()} == {scene.active: 0, scene.standby: 100}
    assert seen.arc.states == {scene.active: False, scene.standby: True}


async def _taken_over(scene: Scene, connection: Connection, moment: float) -> str:
    began = connection.clock.now()
    sent = await send(connection, scene.files, f"cut-{began:%H%M%S}")
    await until_replicated(connection, sent, scene.standby)
    await asyncio.sleep(moment)  # the moment that was drawn, not a wait for something
    async with scene.cut_off():
        through = {batch.batch_id for batch in await rows(connection, sent) if batch.is_final}
        batches = await until_completed(connection, sent, seconds=240)
        theirs = [batch for batch in batches if connection.owner(batch) == scene.standby]
        assert {batch.batch_id for batch in theirs} == set(sent.files) - through
        await scene.check(connection, sent, theirs, scene.standby)
        made = await until(lambda: _ended(connection, began), "the switch is over", seconds=120)
    kinds = [each.kind for each in made]
    order = [DecisionKind.SUSPECTED, DecisionKind.COMMITTED, DecisionKind.STEP, DecisionKind.COMPLETED]
    assert [kind for kind in dict.fromkeys(kinds) if kind in order] == order
    # The old Region comes back as one that follows: its services move nothing, and nobody has a second mail.
    await until_ready(connection)
    assert (await connection.ledger.control()).active_region == scene.standby
    await scene.check(connection, sent, await rows(connection, sent), scene.standby)
    committed = first(made, DecisionKind.COMMITTED)
    assert committed.region == scene.standby
    assert committed.transition_id
    return committed.transition_id


async def _ended(connection: Connection, since: Any) -> list[Any]:
    made = await decisions_since(connection, since)
    return made if any(each.kind is DecisionKind.COMPLETED for each in made) else []


def test_a_planned_switchover_under_load_pauses_briefly_and_doubles_nothing(scene: Scene) -> None:
    pause = scene.run(lambda connection: _switched_over(scene, connection))

    print(f"paused for {pause.total_seconds():.1f} s")  # noqa: T201 - shown when the test fails
    assert pause < timedelta(seconds=30)


async def _switched_over(scene: Scene, connection: Connection) -> timedelta:
    began = connection.clock.now()
    half = len(scene.files) // 2
    early = await send(connection, scene.files[:half], f"early-{began:%H%M%S}")
    order = asyncio.create_task(
        asyncio.to_thread(
            scene.embedded.baton, "switchover", "--to", scene.standby, "--reason", "a test", "--yes", "--json"
        )
    )

    async def begun() -> bool:
        return any(each.kind is DecisionKind.STARTED for each in await decisions_since(connection, began))

    await until(begun, "the switchover began", seconds=120)
    late = await send(connection, scene.files[half:], f"late-{began:%H%M%S}")  # into the pause, or just after it
    done = await order
    told = json.loads(done.stdout)
    assert told["outcome"] in {"completed", "degraded"}, (done.stdout, done.stderr)
    for sent in (early, late):
        batches = await until_completed(connection, sent, seconds=240)
        assert {batch.state for batch in batches} == {batches[0].state}
        await until_whole(scene, connection, sent, batches)
    made = await decisions_since(connection, began)
    return first(made, DecisionKind.COMMITTED).at - first(made, DecisionKind.STARTED).at


async def until_whole(scene: Scene, connection: Connection, sent: Uploads, batches: Sequence[Batch]) -> None:
    """Check every result in the new Region, once replication has brought what the old one had published."""

    async def look() -> bool:
        objects = connection.by_region[scene.standby].objects
        keys = [batch.published.result_key for batch in batches if batch.published]
        return all([await objects.head(key) is not None for key in keys])

    await until(look, "every result in the new Region", seconds=30)
    await scene.check(connection, sent, batches, scene.standby)


def test_a_freeze_holds_a_failover_and_a_human_does_it_all_the_same(scene: Scene) -> None:
    frozen = scene.embedded.baton("freeze", "--for", "1h", "--reason", "we are looking at it", "--by", "ana")
    assert frozen.returncode == 0, frozen.stderr

    explained, ordered = scene.run(lambda connection: _held(scene, connection))

    assert "freeze: by ana until" in explained
    assert "we are looking at it" in explained
    assert ordered["outcome"] in {"completed", "degraded"}, ordered
    assert ordered["active_region"] == scene.standby
    history = scene.embedded.json("history", "-n", "50")
    assert "held" in [each["kind"] for each in history]


async def _held(scene: Scene, connection: Connection) -> tuple[str, Any]:
    began = connection.clock.now()
    async with scene.cut_off():

        async def held() -> bool:
            return any(each.kind is DecisionKind.HELD for each in await decisions_since(connection, began))

        await until(held, "the failover is held", seconds=240)
        assert (await connection.ledger.control()).active_region == scene.active
        explained = await asyncio.to_thread(scene.embedded.json, "explain")
        (conclusion,) = (
            each["assessment"]["conclusion"] for each in explained["controllers"] if each["region"] == scene.standby
        )
        order = ("failover", "--to", scene.standby, "--reason", "it is gone", "--yes")
        ordered = await asyncio.to_thread(scene.embedded.json, *order)
    await until_ready(connection)
    return conclusion, ordered


@pytest.fixture
def controllers_gone(scene: Scene) -> Iterator[Callable[[], None]]:
    """Yield what stops both controllers; in the end they continue, as they would after any outage."""
    admin = Admin(scene.embedded.world.admin_endpoint)

    def stop() -> None:
        for region in scene.embedded.world.regions:
            do(admin.pause(region, CONTROLLER))

    yield stop
    for region in scene.embedded.world.regions:
        do(admin.resume(region, CONTROLLER))
    scene.run(until_ready)


def test_without_any_controller_an_operator_fails_over_himself(
    scene: Scene, controllers_gone: Callable[[], None]
) -> None:
    controllers_gone()

    ordered = scene.run(lambda connection: _failed_over_by_hand(scene, connection))

    assert ordered["outcome"] == "completed", ordered
    assert ordered["active_region"] == scene.standby
    seen = status(scene.embedded.world)
    assert {region: each.dial for region, each in seen.regions.items()} == {scene.active: 0, scene.standby: 100}
    assert seen.arc.states == {scene.active: False, scene.standby: True}


async def _failed_over_by_hand(scene: Scene, connection: Connection) -> Any:
    began = connection.clock.now()
    sent = await send(connection, scene.files, f"hand-{began:%H%M%S}")
    await until_replicated(connection, sent, scene.standby)
    order = ("failover", "--to", scene.standby, "--without-controllers", "--reason", "both are gone", "--yes")
    async with scene.cut_off():
        through = {batch.batch_id for batch in await rows(connection, sent) if batch.is_final}
        ordered = await asyncio.to_thread(scene.embedded.json, *order)
        batches = await until_completed(connection, sent, seconds=240)
        theirs = [batch for batch in batches if connection.owner(batch) == scene.standby]
        assert {batch.batch_id for batch in theirs} == set(sent.files) - through
        await scene.check(connection, sent, theirs, scene.standby)
    made = await decisions_since(connection, began)
    assert first(made, DecisionKind.COMMITTED).operator
    assert DecisionKind.COMPLETED in {each.kind for each in made}
    return ordered


def test_a_drain_whose_controllers_are_gone_ends_at_its_deadline(
    scene: Scene, controllers_gone: Callable[[], None]
) -> None:
    scene.run(lambda connection: _drained_by_nobody(scene, connection, controllers_gone))


async def _drained_by_nobody(scene: Scene, connection: Connection, controllers_gone: Callable[[], None]) -> None:
    began = connection.clock.now()
    admin = Admin(scene.embedded.world.admin_endpoint)
    await admin.pause(scene.active, "worker")  # what is under way keeps the Region draining
    try:
        early = await send(connection, scene.files[:1], f"drain-{began:%H%M%S}")
        order = scene.embedded.start("switchover", "--to", scene.standby, "--reason", "a test", "--yes")

        async def draining() -> bool:
            return (await connection.ledger.control()).phase is Phase.DRAINING

        await until(draining, "the Region drains", seconds=120)
        await asyncio.to_thread(controllers_gone)
    finally:
        await admin.resume(scene.active, "worker")
    late = await send(connection, scene.files[1:2], f"late-{began:%H%M%S}")
    for sent in (early, late):
        batches = await until_completed(connection, sent, seconds=240)
        assert {connection.owner(batch) for batch in batches} == {scene.active}
        await scene.check(connection, sent, batches, scene.active)
    control = await connection.ledger.control()
    assert (control.phase, control.active_region) == (Phase.DRAINING, scene.active), "nobody has ended it"
    order.terminate()
    order.communicate()
