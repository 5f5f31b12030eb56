"""What a sweep costs does not grow with what there is: only passes over inputs get longer, and a list is a list."""

import asyncio
from collections import Counter

import pytest

from baton.aws.dynamodb.batch_item import SHARDS
from sweep import World, listed, sweep, sweeper_of, usd


async def _sweeps(world: World, count: int, *, pages_max: int = 4) -> list[Counter[str]]:
    sweeper = sweeper_of(world, pages_max=pages_max)
    return [await sweep(world, sweeper) for _ in range(count)]


@pytest.mark.parametrize("inputs", [4_000, 8_000, 16_000])
def test_a_sweep_costs_the_same_whatever_number_of_inputs_stay(inputs: int) -> None:
    passes = inputs // 2_000

    found = asyncio.run(_sweeps(World(inputs=inputs), 2 * passes))

    assert [calls["s3.ListObjectVersions"] for calls in found] == [4] * len(found)
    assert [calls["dynamodb.BatchGetItem"] for calls in found] == [20] * passes + [0] * passes
    assert max(map(usd, found[passes + 1 :])) < 0.00003


def test_what_a_pass_over_very_many_inputs_saw_is_remembered_by_the_next_one() -> None:
    inputs = 120_000

    first, later = asyncio.run(_sweeps(World(inputs=inputs), 2, pages_max=inputs // 500))

    assert (first["dynamodb.BatchGetItem (rows)"], later["dynamodb.BatchGetItem (rows)"]) == (inputs, 0)


def test_open_batches_in_hand_cost_one_read_each_and_those_that_wait_their_turn_none() -> None:
    waiting, *_, in_hand = asyncio.run(_sweeps(World(open_batches=1_000), 7))
    half = asyncio.run(_sweeps(World(open_batches=500), 7))[-1]

    assert waiting["dynamodb.GetItem"] <= 2
    assert in_hand["dynamodb.GetItem"] - half["dynamodb.GetItem"] == 500


def test_batches_that_settled_are_forgotten_once_an_hour() -> None:
    found = asyncio.run(_sweeps(World(settled=1_000), 3))

    assert [calls["dynamodb.DeleteItem"] for calls in found] == [1_000, 0, 0]


def test_100_000_open_batches_are_listed_in_pages_of_each_shard_some_of_it_twice() -> None:
    """The figures of docs/performance.md, "A sweep". If all shards were equally full, 1,000 queries would do."""
    pages = asyncio.run(listed(World().batch("", settled=False), 100_000))

    assert len({batch_id for page in pages for batch_id in page.batch_ids}) == 100_000
    assert sum(page.queries for page in pages) == pytest.approx(1_180, rel=0.02)
    assert sum(page.rows for page in pages) == pytest.approx(118_000, rel=0.02)


def test_without_an_open_batch_each_shard_is_asked_once() -> None:
    pages = asyncio.run(listed(World().batch("", settled=False), 0))

    assert [page.queries for page in pages] == [SHARDS]


def test_a_sweep_asks_for_each_page_of_the_list_once() -> None:
    nothing, little = World(), World(open_batches=1_000)
    pages, none = (asyncio.run(world.listed(settled=False)) for world in (little, nothing))

    found, without = (asyncio.run(_sweeps(world, 2))[-1]["dynamodb.Query"] for world in (little, nothing))

    assert found - without == sum(page.queries for page in pages) - sum(page.queries for page in none)
