"""What every reject index does."""

import pytest

from baton.ports import StoredReject
from worlds import Ports, in_world


def reject(number: int, value: str = "minus one") -> StoredReject:
    return StoredReject(
        record_number=number, byte_offset=number * 80, column="quantity", rule="ge", value=value, line="1,2,ü\n"
    )


@in_world
async def test_rejects_come_back_whole_by_record_number(ports: Ports) -> None:
    await ports.rejects.put("b1", "plan", [reject(number) for number in (100, 9, 1_000_000, 10)])
    await ports.rejects.put("b2", "plan", [reject(1)])

    listed = await ports.rejects.list("b1", "plan", limit=10)

    assert list(listed) == [reject(number) for number in (9, 10, 100, 1_000_000)]


@in_world
async def test_a_list_ends_at_its_limit(ports: Ports) -> None:
    await ports.rejects.put("b1", "plan", [reject(number) for number in range(1, 61)])

    listed = await ports.rejects.list("b1", "plan", limit=30)

    assert [each.record_number for each in listed] == list(range(1, 31))


@in_world
async def test_a_reject_stored_again_replaces_itself(ports: Ports) -> None:
    await ports.rejects.put("b1", "plan", [reject(1, "old"), reject(1, "newer")])
    await ports.rejects.put("b1", "plan", [reject(1, "newest"), reject(2)])

    listed = await ports.rejects.list("b1", "plan", limit=10)

    assert list(listed) == [reject(1, "newest"), reject(2)]


@in_world
async def test_a_batch_without_rejects_has_none(ports: Ports) -> None:
    await ports.rejects.put("b1", "plan", [])

    assert list(await ports.rejects.list("b1", "plan", limit=10)) == []


@in_world
async def test_a_reject_that_no_item_holds_is_our_bug(ports: Ports) -> None:
    large, too_large = reject(1, "ü" * 149_900), reject(2, "ü" * 150_001)

    await ports.rejects.put("b1", "plan", [large])
    with pytest.raises(ValueError, match="reject 2"):
        await ports.rejects.put("b1", "plan", [reject(3), too_large])

    assert list(await ports.rejects.list("b1", "plan", limit=10)) == [large]


@in_world
async def test_a_list_of_rejects_may_lag(ports: Ports) -> None:
    first, second = (StoredReject(number, 0, "sku", "missing", "", "") for number in (1, 2))
    await ports.rejects.put("b1", "plan", [first])
    await ports.hold_lists()
    await ports.rejects.put("b1", "plan", [second])

    assert list(await ports.rejects.list("b1", "plan", limit=10)) == [first]
