"""The sweep of inputs beside very many open batches."""

import asyncio

from baton.catalog import load_jobs
from baton_proof.logs import silent_log
from baton_proof.pipeline import Pipeline
from loop_steps import LOOP_SECONDS_MAX, steps_of
from splitter.input_sweep import InputSweep
from splitter.settings import SplitterSettings


async def _sweep_that_remembers() -> InputSweep:
    """Return a sweep that remembers an input which failed and stays."""
    pipeline = Pipeline(load_jobs("baton_jobs"))
    region = pipeline.region
    inputs = InputSweep(
        region=region.region,
        ledger=region.ledger,
        objects=region.objects,
        admitter=pipeline.process.admitter,
        open_batches=pipeline.process.sweeper.open_batches,
        clock=region.clock,
        settings=SplitterSettings(),
        log=silent_log(),
    )
    await pipeline.upload("input/unknown/x.csv", b"1")
    await pipeline.drive()
    pipeline.advance(100)
    await inputs.sweep(set(), just_activated=False)
    return inputs


def test_a_hundred_thousand_open_batches_never_hold_the_event_loop() -> None:
    inputs = asyncio.run(_sweep_that_remembers())
    running = {f"{number:032x}" for number in range(100_000)}

    async def story() -> None:
        for _ in range(2):
            await inputs.sweep(running.copy(), just_activated=False)

    _, seconds = steps_of(story())

    assert max(seconds) < LOOP_SECONDS_MAX
