"""The stream of a chaos round: a sender without an answer sends again, under another name, and no file is missed."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from baton.errors import Unavailable
from baton.model.identity import batch_id_of
from baton.testing import virtual_time
from baton_proof.chaos.draws import Load
from baton_proof.chaos.stream import Stream

_FILES = [Path("a.csv"), Path("b.csv")]
_LOADS = {Load.BLANK_LINES: (Path("blank.csv"), "passthrough")}


class _Door:
    """An access point that fails a number of times and then takes everything, after a while."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.taken: list[tuple[str, Path]] = []

    async def upload(self, path: Path, key: str, *, sent: Callable[[int], None]) -> str:
        await asyncio.sleep(0.5)
        if self._errors:
            raise self._errors.pop(0)
        sent(1)
        self.taken.append((key, path))
        return "v1"


def _flow(door: _Door, seconds: float) -> Stream:
    async def flow() -> Stream:
        stream = Stream(door, _FILES, "tag", loads=_LOADS)
        async with stream.flowing():
            await asyncio.sleep(seconds)
        return stream

    return virtual_time.run(flow())


def test_every_file_that_was_begun_is_taken_and_known_by_its_batch() -> None:
    door = _Door()

    stream = _flow(door, 10)

    assert len(door.taken) == 4
    assert [path for _, path in door.taken] == [*_FILES, *_FILES]
    assert stream.sent.files == {batch_id_of(key, "v1"): path for key, path in door.taken}
    assert (stream.unanswered, stream.never_taken) == (0, [])


@pytest.mark.parametrize(("load", "files"), [(Load.BLANK_LINES, 1), (Load.MANY, 60)])
def test_a_load_is_sent_beside_the_stream_and_known_like_any_file(load: Load, files: int) -> None:
    async def flow() -> tuple[Stream, _Door]:
        door = _Door(Unavailable("cut off"))
        stream = Stream(door, _FILES, "tag", loads=_LOADS)
        await stream.pour(load)
        assert stream.sent.files == {}  # a Region that takes nothing holds up no fault
        await stream.rest()
        return stream, door

    stream, door = virtual_time.run(flow())

    assert len(stream.sent.files) == len({key for key, _ in door.taken}) == files
    assert {key.split("/")[1] for key, _ in door.taken} == {"sales" if load is Load.MANY else "passthrough"}


def test_who_is_not_answered_sends_again_under_another_name() -> None:
    no_bucket: Any = {"Error": {"Code": "NoSuchBucket"}}
    door = _Door(Unavailable("cut off"), ClientError(no_bucket, "PutObject"))

    stream = _flow(door, 1)

    assert stream.unanswered == 2
    assert list(stream.sent.keys) == ["input/sales/tag-1-3.csv"]


def test_a_file_that_no_region_ever_takes_is_named() -> None:
    door = _Door(*(Unavailable("cut off") for _ in range(1_000)))

    stream = _flow(door, 1)

    assert len(stream.never_taken) == 1
    assert not stream.sent.files


def test_nothing_is_begun_while_it_is_held() -> None:
    async def play() -> int:
        door = _Door()
        stream = Stream(door, _FILES, "tag", loads=_LOADS)
        async with stream.flowing():
            await asyncio.sleep(1)
            with stream.held():
                await asyncio.sleep(60)
                held = len(door.taken)
        return held

    assert virtual_time.run(play()) == 1
