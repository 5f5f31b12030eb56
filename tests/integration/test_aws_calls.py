"""The formula of a batch's AWS calls holds: each call is counted while the real services work on the emulator."""

import asyncio

import pytest

from aws_calls import Counted, count_one, expected_calls, services_at
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
