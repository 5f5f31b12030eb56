"""Reads by key in memory take as many calls as at AWS, of which each may be refused, and come in no order."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from aio import run
from batches_made import admitted
from baton.errors import Unavailable
from baton.memory import MemoryLedger, MemoryReferenceData, Refusal, Refusals
from baton.memory.clock import START
from baton.ports import ReferenceVersion

KEYS = [f"k{number:03}" for number in range(250)]

type Reads = tuple[Refusals, Callable[[list[str]], Awaitable[Mapping[str, Any]]]]


async def _ledger() -> Reads:
    ledger = MemoryLedger()
    for key in KEYS:
        await ledger.admit(admitted(key, START))
    return ledger.refusals, ledger.get_many


async def _reference() -> Reads:
    reference = MemoryReferenceData()
    version = ReferenceVersion("products", "v1", rows=len(KEYS), columns=("sku",))
    await reference.publish(version, {key: {"sku": key} for key in KEYS})
    return reference.refusals, lambda keys: reference.get_many(version, keys)


@pytest.mark.parametrize("of", [_ledger, _reference])
@pytest.mark.parametrize("rule", [{"after": 2}, {"key": KEYS[230]}], ids=["the third call", "one key that stays"])
def test_keys_that_stay_unprocessed_fail_the_whole_read(
    of: Callable[[], Awaitable[Reads]], rule: dict[str, Any]
) -> None:
    async def story() -> int:
        refusals, get_many = await of()
        assert {*await get_many(KEYS[:200])} == {*KEYS[:200]}
        refusals.refuse("get_many", by=Refusal.THROTTLED, **rule)
        asked = refusals.asked["get_many"]
        with pytest.raises(Unavailable):
            await get_many(KEYS)
        asked = refusals.asked["get_many"] - asked
        refusals.allow()
        found = await get_many(KEYS)
        assert {*found} == {*KEYS}
        assert [*found] != KEYS, "code that relies on the order of what was asked for is wrong at AWS"
        return asked

    assert run(story()) == 3
