"""What every object store does."""

from dataclasses import replace

import pytest

from baton.aws.sdk.parallel import in_parallel
from baton.checksums import crc64nvme
from baton.errors import NotFound, Unavailable
from baton.model.identity import ORIGIN_VERSION_METADATA
from baton.ports import BytesPiece, CopyPiece, JoinedPiece, ObjectStore, Stretch
from odd_keys import odd_keys
from worlds import Ports, in_world

MIB = 1024 * 1024
KEY = "input/sales/März & co + 100%.csv"
"""What a sender may well call a file."""


def pattern(size_bytes: int) -> bytes:
    """Return bytes in which every place within a few MiB differs from every other."""
    return b"".join(number.to_bytes(4, "big") for number in range(-(-size_bytes // 4)))[:size_bytes]


async def read_all(objects: ObjectStore, key: str, *, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([piece async for piece in objects.read(key, start=start, end=end)])


@in_world
async def test_what_was_put_is_found_as_it_was_put(ports: Ports) -> None:
    written = await ports.objects.put(KEY, b"a,b\n1,2\n", metadata={"Sender": "x"})

    head = await ports.objects.head(KEY)

    assert head is not None
    assert (head.key, head.version_id, head.size_bytes, head.etag) == (KEY, written.version_id, 8, written.etag)
    assert head.metadata == written.metadata == {"sender": "x"}
    assert abs((head.last_modified - ports.clock.now()).total_seconds()) < 60
    assert await ports.objects.get(KEY) == b"a,b\n1,2\n"


@in_world
async def test_every_write_is_a_version_of_its_own(ports: Ports) -> None:
    first = await ports.objects.put(KEY, b"first")
    second = await ports.objects.put(KEY, b"second!")

    old = await ports.objects.head(KEY, version_id=first.version_id)

    assert first.version_id != second.version_id
    assert old is not None
    assert old.size_bytes == 5
    assert await ports.objects.get(KEY, version_id=first.version_id) == b"first"
    assert await ports.objects.get(KEY) == b"second!"


@in_world
async def test_what_is_not_there_is_none_to_head_and_an_error_to_read(ports: Ports) -> None:
    await ports.objects.put(KEY, b"x")

    for key, version_id in (("input/none", None), (KEY, "no-such-version"), ("input/none", "no-such-version")):
        assert await ports.objects.head(key, version_id=version_id) is None
        with pytest.raises(NotFound):
            await ports.objects.get(key, version_id=version_id)
        with pytest.raises(NotFound):
            await ports.objects.get(key, version_id=version_id, start=3, end=3)


@in_world
async def test_a_range_is_half_open_and_ends_with_the_object(ports: Ports) -> None:
    await ports.objects.put(KEY, b"0123456789")
    await ports.objects.put("input/empty", b"")

    assert await ports.objects.get(KEY, start=2, end=5) == b"234"
    assert await ports.objects.get(KEY, start=7) == b"789"
    assert await ports.objects.get(KEY, start=7, end=99) == b"789"
    assert await ports.objects.get(KEY, start=3, end=3) == b""
    assert await ports.objects.get(KEY, start=10) == b""
    assert await ports.objects.get("input/empty") == b""


@in_world
async def test_a_stream_brings_every_byte_once_and_in_order(ports: Ports) -> None:
    body = pattern(20 * MIB + 7)
    await ports.objects.put(KEY, body)

    whole = await read_all(ports.objects, KEY)
    middle = await read_all(ports.objects, KEY, start=5 * MIB + 1, end=17 * MIB + 3)

    assert whole == body
    assert middle == body[5 * MIB + 1 : 17 * MIB + 3]


@in_world
async def test_a_stream_stays_with_the_version_that_it_began(ports: Ports) -> None:
    body = pattern(17 * MIB)
    await ports.objects.put(KEY, body)
    stream = aiter(ports.objects.read(KEY))
    pieces = [await anext(stream)]

    await ports.objects.put(KEY, b"something else")
    pieces += [piece async for piece in stream]

    assert b"".join(pieces) == body


@in_world
async def test_a_replica_is_found_under_the_version_first_written(ports: Ports) -> None:
    original = await ports.objects.put(KEY, b"original")
    replica = await ports.objects.put(KEY, b"replica", metadata={ORIGIN_VERSION_METADATA: "from-west"})
    await ports.objects.put(KEY, b"newer")
    await ports.objects.put(KEY + ".bak", b"other", metadata={ORIGIN_VERSION_METADATA: "of-another-key"})

    found = [
        await ports.objects.find_version(KEY, origin)
        for origin in (original.version_id, "from-west", replica.version_id, "of-another-key", "nowhere")
    ]

    assert [info and info.version_id for info in found] == [original.version_id, replica.version_id, None, None, None]


@in_world
async def test_pieces_become_one_object_in_their_order(ports: Ports) -> None:
    one, two = pattern(5 * MIB), pattern(6 * MIB)[::-1]
    await ports.objects.put("work/1", one)
    await ports.objects.put("work/2", two)

    written = await ports.objects.compose(
        "output/r", [CopyPiece("work/2", len(two)), BytesPiece(one), CopyPiece("work/1", len(one)), BytesPiece(b"end")]
    )

    assert written.size_bytes == len(one) * 2 + len(two) + 3
    assert await ports.objects.get("output/r", version_id=written.version_id) == two + one + one + b"end"


@in_world
async def test_small_objects_are_joined_and_the_rest_of_a_large_one_is_copied(ports: Ports) -> None:
    small, large = pattern(3 * MIB), pattern(11 * MIB)[::-1]
    await ports.objects.put("work/small", small)
    await ports.objects.put("work/large", large)
    filled = JoinedPiece(
        (BytesPiece(b"header\n"), Stretch("work/small", 0, 3 * MIB), Stretch("work/large", 0, 2 * MIB))
    )

    written = await ports.objects.compose("output/r", [filled, CopyPiece("work/large", 9 * MIB, start=2 * MIB)])
    alone = await ports.objects.compose("output/alone", [JoinedPiece((Stretch("work/small", 1, 4), BytesPiece(b"!")))])

    assert written.size_bytes == 7 + 14 * MIB
    assert await ports.objects.get("output/r") == b"header\n" + small + large
    assert alone.size_bytes == 4
    assert await ports.objects.get("output/alone") == small[1:4] + b"!"


@in_world
async def test_other_bytes_than_were_recorded_leave_no_object(ports: Ports) -> None:
    await ports.objects.put("work/1", b"1,first\n")
    recorded = crc64nvme(b"1,first\n")
    await ports.objects.compose("output/r", [JoinedPiece((Stretch("work/1", 0, 8, recorded),))])
    await ports.objects.put("work/1", b"1,other\n")

    with pytest.raises(NotFound, match="work/1"):
        await ports.objects.compose("output/other", [JoinedPiece((Stretch("work/1", 0, 8, recorded),))])

    assert await ports.objects.get("output/r") == b"1,first\n"
    assert await ports.objects.head("output/other") is None


@in_world
async def test_an_object_that_ends_too_early_leaves_no_object(ports: Ports) -> None:
    await ports.objects.put("work/1", pattern(6 * MIB))
    first = CopyPiece("work/1", 6 * MIB)

    for short in (
        JoinedPiece((Stretch("work/1", 5 * MIB, 6 * MIB + 1),)),
        JoinedPiece((Stretch("work/1", 7 * MIB, 8 * MIB),)),
        CopyPiece("work/1", 6 * MIB, start=1),
    ):
        for pieces in ([short], [first, short]):
            with pytest.raises(NotFound, match="work/1"):
                await ports.objects.compose("output/r", pieces)

    assert await ports.objects.head("output/r") is None


@in_world
async def test_one_piece_or_an_empty_one_makes_an_object(ports: Ports) -> None:
    await ports.objects.put("work/small", b"small")
    await ports.objects.put("work/none", b"")

    from_bytes = await ports.objects.compose("output/bytes", [BytesPiece(b"header\n")])
    from_copy = await ports.objects.compose("output/copy", [CopyPiece("work/small", 5)])
    from_none = await ports.objects.compose("output/none", [CopyPiece("work/none", 0)])

    assert (from_bytes.size_bytes, from_copy.size_bytes, from_none.size_bytes) == (7, 5, 0)
    assert await ports.objects.get("output/copy") == b"small"


@in_world
async def test_pieces_below_the_floor_are_our_bug(ports: Ports) -> None:
    small, large = BytesPiece(b"x" * (5 * MIB - 1)), CopyPiece("work/1", 5 * MIB)

    fat = JoinedPiece((Stretch("work/1", 0, 5 * MIB), BytesPiece(b"x" * (5 * MIB + 1))))

    for pieces in ([], [small, large], [large, small, large], [large] * 10_001, [fat]):
        with pytest.raises(ValueError, match="output/r"):
            await ports.objects.compose("output/r", pieces)

    assert await ports.objects.head("output/r") is None


@in_world
async def test_a_missing_piece_leaves_no_object(ports: Ports) -> None:
    await ports.objects.put("work/1", pattern(5 * MIB))

    with pytest.raises(NotFound):
        await ports.objects.compose("output/r", [CopyPiece("work/1", 5 * MIB), CopyPiece("work/none", 5 * MIB)])

    assert await ports.objects.head("output/r") is None


@in_world
async def test_a_copy_of_a_replica_is_an_original(ports: Ports) -> None:
    replica = await ports.objects.put("input/a", b"1", metadata={ORIGIN_VERSION_METADATA: "elsewhere", "note": "x"})

    await ports.objects.copy(replica, "archive/a")

    copy = await ports.objects.head("archive/a")
    assert copy is not None
    assert copy.metadata == {"note": "x"}
    assert await ports.objects.find_version("archive/a", "elsewhere") is None


@in_world
async def test_a_copy_is_of_the_version_asked_with_its_metadata(ports: Ports) -> None:
    first = await ports.objects.put(KEY, b"first", metadata={"note": "x"})
    second = await ports.objects.put(KEY, b"second!")

    await ports.objects.copy(first, "archive/1")
    await ports.objects.copy(second, "archive/2")

    old, new = await ports.objects.head("archive/1"), await ports.objects.head("archive/2")
    assert old is not None
    assert new is not None
    assert (old.size_bytes, old.metadata) == (5, {"note": "x"})
    assert (new.size_bytes, new.metadata) == (7, {})
    assert await ports.objects.get("archive/1") == b"first"


@in_world
async def test_what_is_not_there_cannot_be_copied(ports: Ports) -> None:
    there = await ports.objects.put(KEY, b"x")

    for gone in (replace(there, key="input/none"), replace(there, version_id="no-such-version")):
        with pytest.raises(NotFound):
            await ports.objects.copy(gone, "archive/1")


@in_world
async def test_a_delete_hides_the_version_that_it_names_and_no_newer_one(ports: Ports) -> None:
    first = await ports.objects.put(KEY, b"first")
    second = await ports.objects.put(KEY, b"second")

    stale = await ports.objects.delete(KEY, if_version_is=first.version_id)
    done = await ports.objects.delete(KEY, if_version_is=second.version_id)
    again = await ports.objects.delete(KEY, if_version_is=second.version_id)

    assert (stale, done, again) == (False, True, False)
    assert await ports.objects.head(KEY) is None
    assert [info.key async for info in ports.objects.list("input/")] == []
    assert await ports.objects.get(KEY, version_id=second.version_id) == b"second"
    assert await ports.objects.find_version(KEY, first.version_id) is not None


@in_world
async def test_what_is_hidden_is_gone_whatever_its_version_was(ports: Ports) -> None:
    first = await ports.objects.put(KEY, b"first")

    await ports.objects.hide(KEY)
    await ports.objects.hide(KEY)
    await ports.objects.hide("input/none")

    assert await ports.objects.head(KEY) is None
    assert [info.key async for info in ports.objects.list("input/")] == []
    assert await ports.objects.find_version(KEY, first.version_id) is not None


@pytest.mark.differs(
    localstack="LocalStack pages by percent-encoded keys: ä, then %C3%A4, counts as before the second page and is lost"
)
@in_world
async def test_a_list_has_every_page_in_the_order_of_bytes(ports: Ports) -> None:
    names = [f"work/{number:04d}" for number in range(1_003)] + ["work/z", "work/Z", "work/ä", "work/a b+c"]
    await in_parallel(16, [*names, "worker", "input/x"], lambda name: ports.objects.put(name, b"12"))

    listed = [info async for info in ports.objects.list("work/")]

    assert [info.key for info in listed] == sorted(names, key=str.encode)
    assert {(info.size_bytes, info.version_id) for info in listed} == {(2, "")}


@in_world
async def test_a_key_or_metadata_that_s3_would_refuse_is_our_bug(ports: Ports) -> None:
    longest = "work/" + "ü" * 509 + "x"
    assert len(longest.encode()) == 1_024
    written = await ports.objects.put(longest, b"1", metadata={"a": "x" * 2_047})

    for wrong in (
        ports.objects.put(longest + "y", b""),
        ports.objects.put("", b""),
        ports.objects.put("work/x", b"", metadata={"a": "x" * 2_048}),
        ports.objects.put("work/x", b"", metadata={"a": "ü"}),
        ports.objects.compose(longest + "y", [BytesPiece(b"")]),
        ports.objects.copy(written, longest + "y"),
    ):
        with pytest.raises(ValueError, match=r"[0-9]"):
            await wrong

    assert [info.key async for info in ports.objects.list("work/")] == [longest]


@in_world
async def test_every_version_of_every_key_is_listed_the_newest_of_each_first(ports: Ports) -> None:
    first = await ports.objects.put("input/a", b"1")
    second = await ports.objects.put("input/a", b"22")
    hidden = await ports.objects.put("input/b", b"333")
    await ports.objects.delete("input/b", if_version_is=hidden.version_id)
    odd = await ports.objects.put(KEY, b"4444")
    replica = await ports.objects.put("input/c", b"5", metadata={ORIGIN_VERSION_METADATA: "from-west"})
    await ports.objects.put("work/a", b"x")

    page = await ports.objects.list_versions("input/")

    listed = [(each.info.key, each.info.version_id, each.info.size_bytes, each.is_current) for each in page.versions]
    assert listed == [
        ("input/a", second.version_id, 2, True),
        ("input/a", first.version_id, 1, False),
        ("input/b", hidden.version_id, 3, False),
        ("input/c", replica.version_id, 1, True),
        (KEY, odd.version_id, 4, True),
    ]
    assert page.end is None
    origins = [each.info.origin for each in page.versions]
    assert origins == [second.version_id, first.version_id, hidden.version_id, "from-west", odd.version_id]
    assert abs((page.versions[0].info.last_modified - ports.clock.now()).total_seconds()) < 60


@pytest.mark.differs(
    ministack_image="MiniStack lists versions in plain text, which XML cannot always hold", raises=Unavailable
)
@in_world
async def test_lists_name_every_key_that_there_can_be(ports: Ports) -> None:
    keys = sorted([*odd_keys("sales"), "input/zz/after.csv"], key=str.encode)
    written = await in_parallel(16, keys, lambda key: ports.objects.put(key, b"1"))

    page = await ports.objects.list_versions("input/")

    assert [(each.info.key, each.info.version_id) for each in page.versions] == [
        (info.key, info.version_id) for info in written
    ]
    assert [info.key async for info in ports.objects.list("input/")] == keys


@pytest.mark.differs(localstack="LocalStack pages by percent-encoded keys, as in its list of objects")
@in_world
async def test_a_list_of_versions_continues_where_a_page_ended(ports: Ports) -> None:
    names = sorted([f"input/{number:04d}" for number in range(503)] + ["input/ä b+c"], key=str.encode)
    await in_parallel(16, names, lambda name: ports.objects.put(name, b"1"))
    await ports.objects.put(names[499], b"22")

    first = await ports.objects.list_versions("input/")
    assert first.end is not None
    later = await ports.objects.put(names[0], b"written before the end of the page")
    second = await ports.objects.list_versions("input/", after=first.end)

    listed = [each.info.key for page in (first, second) for each in page.versions]
    assert listed == sorted([*names, names[499]], key=str.encode)
    assert second.end is None
    assert later.version_id not in {each.info.version_id for each in second.versions}
