"""A process that has the Regions in another order than the ledger does not run."""

import asyncio

import pytest

from baton.catalog import load_jobs
from baton.errors import Refused
from baton.memory import MemoryLedger
from baton.model.control import Control
from baton.region_order import refuse_another_order
from baton.testing import virtual_time
from baton.topology import INITIAL_EPOCH, REGIONS_DEFAULT
from baton_proof.pipeline import Pipeline

EAST, WEST = REGIONS_DEFAULT


async def _guarded(ledger: MemoryLedger, *, seconds: float) -> bool:
    """Return whether the process still runs after so long."""
    guard = asyncio.create_task(refuse_another_order(asyncio.Event(), ledger=ledger, regions=REGIONS_DEFAULT))
    await asyncio.wait([guard], timeout=seconds)
    if guard.done():
        guard.result()
    return guard.cancel()


async def _set_up_later(ledger: MemoryLedger) -> None:
    await asyncio.sleep(20)
    await ledger.set_control(Control(INITIAL_EPOCH, WEST), before=None)


def test_it_ends_at_its_start_and_says_what_to_correct() -> None:
    with pytest.raises(Refused, match=rf"epoch {INITIAL_EPOCH} is {WEST}'s .*BATON_REGIONS={EAST},{WEST}"):
        virtual_time.run(_guarded(MemoryLedger(Control(INITIAL_EPOCH, WEST)), seconds=1))


def test_it_runs_in_the_ledgers_order() -> None:
    assert virtual_time.run(_guarded(MemoryLedger(Control(INITIAL_EPOCH, EAST)), seconds=60))


def test_a_ledger_that_does_not_answer_yet_is_asked_again() -> None:
    ledger = MemoryLedger()  # no control row: the world is not set up

    async def story() -> None:
        await asyncio.gather(_set_up_later(ledger), _guarded(ledger, seconds=60))

    with pytest.raises(Refused):
        virtual_time.run(story())


def test_the_trigger_admits_nothing_in_another_order() -> None:
    async def story() -> None:
        pipeline = Pipeline(load_jobs("baton_jobs"))
        before = await pipeline.region.ledger.control()
        pipeline.region.ledger._store.control = Control(before.epoch + 1, before.active_region)  # pyright: ignore[reportPrivateUsage] - as another order would have left it
        info = await pipeline.region.objects.put("input/sales/a.csv", b"x")
        await pipeline.process.admitter.admit(info.key, info.version_id)

    with pytest.raises(Refused, match="BATON_REGIONS"):
        asyncio.run(story())
