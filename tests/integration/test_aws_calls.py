"""The formula of a batch's AWS calls holds: each call is counted while the real services work on the emulator."""

import asyncio
from collections import Counter

import pytest

from aws_calls import (
    CANARY_CALLS,
    CANARY_SWEEP_CALLS,
    IDLE_SWEEP_CALLS,
    Counted,
    count_canary,
    count_idle_sweep,
    count_one,
    expected_calls,
    services_at,
)
from baton_proof.sales import financial, sales_file


@pytest.mark.parametrize(("records", "bad"), [(10, 0), (100, 10), (1_000, 0)])
def test_a_batch_makes_the_calls_that_the_documentation_says(
    ministack: str, environment: str, monkeypatch: pytest.MonkeyPatch, records: int, bad: int
) -> None:
    monkeypatch.setenv("BATON_SPLITTER_CHUNK_BYTES", "2000")
    sample = sales_file(records=records, bad=bad)

    async def story() -> Counted:
        async with services_at(ministack, environment) as world:
            await financial(world.aws.reference(), sample)
            await count_one(world, sample, name="warms-every-process-up")
            return await count_one(world, sample, name="counted")

    counted = asyncio.run(story())

    assert counted.calls == expected_calls(counted.shape), counted.shape


def test_a_canary_and_an_idle_sweep_make_the_calls_that_are_charged(ministack: str, environment: str) -> None:
    async def story() -> tuple[Counter[str], Counter[str]]:
        async with services_at(ministack, environment) as world:
            await count_canary(world)  # asks for the queues' URLs
            return await count_canary(world), await count_idle_sweep(world)

    canary, sweep = asyncio.run(story())

    assert canary == CANARY_CALLS
    assert sweep == IDLE_SWEEP_CALLS + CANARY_SWEEP_CALLS
