"""What every Region's notes of arrivals do."""

from dataclasses import replace
from datetime import datetime, timedelta

from baton.ports import ObjectInfo
from worlds import Ports, in_world


async def _noted(ports: Ports, since: datetime) -> list[ObjectInfo]:
    return [info async for page in ports.arrivals.noted(since=since) for info in page]


@in_world
async def test_nothing_is_told_of_before_anything_was_noted(ports: Ports) -> None:
    assert await _noted(ports, ports.clock.now() - timedelta(days=1)) == []


@in_world
async def test_what_was_noted_is_told_from_a_moment_on_the_oldest_first(ports: Ports) -> None:
    now = ports.clock.now()
    infos = [
        ObjectInfo(f"input/passthrough/{number} é+.csv", f"v{number}", number * 2**33, now - timedelta(microseconds=1))
        for number in range(4)
    ]
    infos[2] = replace(infos[2], origin_version_id="first")
    for number in (2, 0, 3, 1):
        await ports.arrivals.note(infos[number], at=now + timedelta(microseconds=number))

    assert await _noted(ports, now) == infos
    assert await _noted(ports, now + timedelta(microseconds=2)) == infos[2:]
    assert await _noted(ports, now + timedelta(seconds=1)) == []


@in_world
async def test_notes_of_one_moment_and_of_one_key_are_told_apart(ports: Ports) -> None:
    now = ports.clock.now()
    one, other = (ObjectInfo("input/passthrough/a.csv", version, 1, now) for version in ("v1", "v2"))
    for info in (one, other, one):
        await ports.arrivals.note(info, at=now)

    assert {info.version_id for info in await _noted(ports, now)} == {"v1", "v2"}


@in_world
async def test_what_a_head_says_besides_is_not_kept(ports: Ports) -> None:
    now = ports.clock.now()
    told = ObjectInfo("input/passthrough/a.csv", "v1", 1, now, etag="e", metadata={"a": "b"})

    await ports.arrivals.note(told, at=now)

    assert await _noted(ports, now) == [replace(told, etag="", metadata={})]
