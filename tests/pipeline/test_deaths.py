"""A batch at which every process dies ends FAILED in minutes; one at which some died by chance does not."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import override

import pytest

from baton.catalog import load_jobs
from baton.errors import Unavailable
from baton.memory import MemoryClock, MemoryHeartbeats, MemoryObjectStore
from baton.model.batch import Batch
from baton.model.states import BatchState
from baton.ports import ObjectInfo, Piece
from baton.testing.faults import Crash
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region

KEY = "input/passthrough/f.csv"
BODY = b"a\n1\n2\n"


@dataclass(slots=True)
class _Turns:
    """What happens to each attempt at one step, in turn; those that are not named succeed."""

    step: str
    ends: list[type[BaseException] | None]
    taken: int = 0

    def take(self, step: str) -> None:
        if step != self.step:
            return
        self.taken += 1
        end = self.ends.pop(0) if self.ends else None
        if end is not None:
            raise end(f"at {step}")


class _Deadly(MemoryObjectStore):
    """A bucket at whose bytes processes die."""

    def __init__(self, clock: MemoryClock, turns: _Turns) -> None:
        super().__init__(clock)
        self._turns = turns

    @override
    async def read(
        self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes]:
        self._turns.take("split")
        async for block in super().read(key, version_id=version_id, start=start, end=end):
            yield block

    @override
    async def get(self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None) -> bytes:
        if key == KEY:
            self._turns.take("chunk")
        return await super().get(key, version_id=version_id, start=start, end=end)

    @override
    async def compose(
        self, key: str, pieces: Sequence[Piece], *, content_type: str = "text/csv; charset=utf-8"
    ) -> ObjectInfo:
        self._turns.take("merge")
        return await super().compose(key, pieces, content_type=content_type)


@dataclass(slots=True)
class _Story:
    """One batch, and another one beside it that nobody dies of."""

    turns: _Turns
    region: Region = field(default_factory=Region)

    def run(self, *, wants_retry: bool = False) -> tuple[Batch, timedelta]:
        """Return the batch as it ended, and how long it took."""
        clock = self.region.clock
        assert isinstance(clock, MemoryClock)
        self.region.objects = _Deadly(clock, self.turns)

        async def story() -> tuple[Batch, timedelta]:
            pipeline = Pipeline(load_jobs("baton_jobs"), region=self.region)
            batch_id = await pipeline.upload(KEY, BODY)
            await pipeline.drive()
            batch = await pipeline.batch(batch_id)
            if wants_retry:
                again = batch.moved(BatchState.ADMITTED, at=clock.now(), by="", run=2, retried_at=clock.now())
                await pipeline.region.ledger.update(batch, again)
                await pipeline.drive()
                batch = await pipeline.batch(batch_id)
            return batch, batch.entered_at - batch.began_at

        return asyncio.run(story())


@pytest.mark.parametrize(
    ("step", "code", "said"),
    [
        ("split", "split_failed", "the file could not be split, job 'passthrough': "),
        ("chunk", "chunk_failed", "chunk 1 of 1, job 'passthrough': "),
        ("merge", "merge_failed", "the result could not be written, job 'passthrough': "),
    ],
)
def test_a_step_at_which_every_process_dies_ends_the_batch_in_minutes_and_words(
    step: str, code: str, said: str
) -> None:
    turns = _Turns(step, [Crash] * 100)

    batch, took = _Story(turns).run()

    assert batch.failure
    assert (batch.state, batch.failure.code) == (BatchState.FAILED, code)
    assert batch.failure.reason == f"{said}its process died 3 times at it: perhaps it needs more memory than there is"
    assert turns.taken == 4
    assert took < timedelta(minutes=10)


@pytest.mark.parametrize("step", ["split", "chunk", "merge"])
def test_processes_that_die_by_chance_fail_no_batch(step: str) -> None:
    batch, _ = _Story(_Turns(step, [Crash, Crash, Crash])).run()

    assert batch.state is BatchState.COMPLETED, batch.failure


@pytest.mark.parametrize("step", ["split", "chunk", "merge"])
def test_what_ends_with_an_error_has_not_died(step: str) -> None:
    """An outage uses up a message's deliveries, again and again, and is no death."""
    batch, _ = _Story(_Turns(step, [Unavailable] * 30)).run()

    assert batch.state is BatchState.COMPLETED, batch.failure


def test_a_retry_begins_to_count_anew() -> None:
    batch, _ = _Story(_Turns("merge", [*[Crash] * 4, Unavailable, Crash, Crash])).run(wants_retry=True)

    assert batch.state is BatchState.COMPLETED, batch.failure


class _Forgetful(MemoryHeartbeats):
    """A table that takes beginnings and, for a while, no ends."""

    refused = 0

    @override
    async def attempt_ended(self, *args: object, **named: object) -> None:
        self.refused += 1
        if self.refused <= 8:
            raise Unavailable("dynamodb: timed out")
        await super().attempt_ended(*args, **named)  # pyright: ignore[reportArgumentType] - passed on as they came


def test_ends_that_could_not_be_noted_are_no_deaths_of_a_process_that_lives() -> None:
    region = Region(heartbeats=_Forgetful())

    batch, _ = _Story(_Turns("chunk", [Unavailable] * 12), region).run()

    assert batch.state is BatchState.COMPLETED, batch.failure
