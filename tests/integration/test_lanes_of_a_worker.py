"""In one worker process a canary's chunk is done while a rule of a user keeps its lane busy, however it does so."""

import asyncio
import threading
from collections.abc import Callable
from typing import Annotated

import pytest
from pydantic import AfterValidator

from baton.canary import INPUT, canary_key
from baton.catalog import LoadedJob, load_jobs
from baton.job import Job, Record
from baton.memory import LoopClock
from baton.messages import Lane
from baton.model.states import BatchState
from baton.settings import RunnerSettings
from baton.topology import REGIONS_DEFAULT
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region
from worker.compute import Compute, Watchdog

SECONDS_MAX = 60.0


class _Hindrance:
    """A rule that does not end before it is told to."""

    def __init__(self, wait: Callable[[threading.Event], object]) -> None:
        self.released, self.begun = threading.Event(), threading.Event()
        self._wait = wait

    def __call__(self, value: str) -> str:
        self.begun.set()
        self._wait(self.released)
        return value


def _hangs(released: threading.Event) -> None:
    released.wait()


def _computes(released: threading.Event) -> None:
    """Be pure Python that never pauses: nothing but the interpreter's own switch of threads lets another one run."""
    while not released.is_set():
        sum(range(1_000))


async def _through_beside(rule: _Hindrance, lane: Callable[[Lane], Compute]) -> BatchState:
    class Busy(Record):
        a: Annotated[str, AfterValidator(rule)]

    jobs = {
        **load_jobs("baton_jobs"),
        "busy": LoadedJob(Job(name="busy", record=Busy, recipients=("a@example.com",)), "1"),
    }
    pipeline = Pipeline(
        jobs,
        region=Region(clock=LoopClock()),
        offload=asyncio.to_thread,
        compute_of=lane,
        runner_settings=RunnerSettings(wait_seconds=1),
    )
    await pipeline.upload("input/busy/f.csv", b"a\n1\n")

    async with asyncio.timeout(SECONDS_MAX), asyncio.TaskGroup() as group:
        stop = asyncio.Event()
        for runner in pipeline.process.lanes.values():
            group.create_task(runner.run(stop))
        try:
            await asyncio.to_thread(rule.begun.wait)
            canary = await pipeline.upload(canary_key(REGIONS_DEFAULT[0], "x"), INPUT)
            while (state := (await pipeline.batch(canary)).state) is not BatchState.COMPLETED:  # noqa: ASYNC110 - a poll with a deadline
                await asyncio.sleep(0.01)
            assert not rule.released.is_set()
        finally:
            rule.released.set()
            stop.set()
    return state


@pytest.mark.parametrize("wait", [_hangs, _computes])
def test_a_rule_that_does_not_end_delays_no_canary(wait: Callable[[threading.Event], object]) -> None:
    watchdog = Watchdog(600)
    through = _through_beside(_Hindrance(wait), lambda _: Compute(seconds_max=600, watchdog=watchdog))

    assert asyncio.run(through) is BatchState.COMPLETED


def test_one_computation_that_ends_leaves_the_end_of_another_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    due: list[float] = []

    def later(seconds: float, **_: bool) -> None:
        due.append(seconds)
        if len(due) > 1:
            both.set()

    monkeypatch.setattr("faulthandler.dump_traceback_later", later)
    monkeypatch.setattr("faulthandler.cancel_dump_traceback_later", due.clear)
    released, both = threading.Event(), threading.Event()

    async def story() -> list[float]:
        watchdog = Watchdog(100)
        users, canaries = (Compute(seconds_max=600, watchdog=watchdog) for _ in range(2))
        hanging = asyncio.create_task(users(released.wait))
        await canaries(both.wait)
        left = list(due)
        released.set()
        await hanging
        return left

    left = asyncio.run(story())

    assert left, "nothing would end the process"
    assert left[-1] == 100
    assert not due
