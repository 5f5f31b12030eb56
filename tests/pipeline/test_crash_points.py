"""Kill the process at every effect of a batch, before and after it: the same bytes come out, and one mail claim."""

import asyncio
from dataclasses import dataclass
from functools import cache

import pytest

from baton.catalog import load_jobs
from baton.model.states import BatchState
from baton.testing.faults import CrashPlan, When
from baton_proof.pipeline import Pipeline
from baton_proof.sales import financial, sales_file

KEY = "input/sales/july 2026.csv"
SEED = 7


@dataclass(frozen=True, slots=True)
class Run:
    """What a batch came to."""

    state: BatchState
    result: bytes
    rejects: bytes
    mails: tuple[str, ...]
    effects: tuple[str, ...]
    crashes: tuple[str, ...]
    indexed: int


async def _run(plan: CrashPlan, *, duplicate: bool = False, seed: int | None = None, announce: bool = True) -> Run:
    sample = sales_file(records=24, bad=3, seed=SEED)
    pipeline = Pipeline(load_jobs("baton_jobs"), crash=plan, duplicate=duplicate, seed=seed)
    await financial(pipeline.region.reference, sample)
    batch_id = await pipeline.upload(KEY, sample.body, announce=announce)
    await pipeline.drive()
    batch = await pipeline.batch(batch_id)
    return Run(
        state=batch.state,
        result=await pipeline.result(batch_id),
        rejects=await pipeline.rejects(batch_id),
        mails=tuple(mail.message_id for mail in pipeline.region.mailer.outbox),
        effects=tuple(plan.log),
        crashes=tuple(pipeline.crashes),
        indexed=len(await pipeline.region.rejects.list(batch_id, batch.plan_id or "", limit=100)),
    )


@cache
def _without_faults() -> Run:
    return asyncio.run(_run(CrashPlan(at=None)))


def test_a_batch_without_faults_takes_every_record_to_one_mail() -> None:
    run = _without_faults()

    assert run.state is BatchState.COMPLETED
    assert run.result.count(b"\n") == 1 + 21
    assert run.rejects.count(b"\n") == 1 + 3
    assert run.indexed == 3
    assert len(run.mails) == 1


def _points() -> list[tuple[int, When]]:
    return [(at, when) for at in range(len(_without_faults().effects)) for when in When]


@pytest.mark.parametrize(("at", "when"), _points())
def test_a_crash_at_any_effect_changes_nothing(at: int, when: When) -> None:
    expected = _without_faults()

    run = asyncio.run(_run(CrashPlan(at=at, when=when)))

    assert run.crashes, f"effect {at} was never reached"
    assert (run.state, run.result, run.rejects) == (expected.state, expected.result, expected.rejects), run.crashes
    assert set(run.mails) == set(expected.mails), run.crashes
    assert len(run.mails) == (2 if _in_declared_window(expected.effects, at, when) else 1), run.crashes


def _in_declared_window(effects: tuple[str, ...], at: int, when: When) -> bool:
    """Return whether the crash falls between the mail service's answer and our mark of it: a second send is allowed."""
    sent = effects.index("mailer.send")
    return (at, when) in {(sent, When.AFTER), (sent + 1, When.BEFORE)}


@pytest.mark.parametrize("seed", range(10))
def test_every_message_twice_and_in_any_order_changes_nothing(seed: int) -> None:
    expected = _without_faults()

    run = asyncio.run(_run(CrashPlan(at=None), duplicate=True, seed=seed))

    assert (run.state, run.result, run.rejects) == (expected.state, expected.result, expected.rejects)
    assert run.mails == expected.mails


def test_a_lost_event_is_found_by_the_sweeper() -> None:
    expected = _without_faults()

    run = asyncio.run(_run(CrashPlan(at=None), announce=False))

    assert (run.state, run.result, run.mails) == (expected.state, expected.result, expected.mails)
