"""What a chunk needs beyond its share is there once in a process."""

import asyncio

import pytest

from worker.room import Room, Share

SHARE = Share(chunk_bytes=10, rows_bytes=20, output_bytes=30)


@pytest.mark.parametrize("beyond", [{"chunk_bytes": 11}, {"rows_bytes": 21}, {"output_bytes": 31}], ids=str)
def test_beyond_its_share_a_chunk_waits_for_the_one_that_has_the_rest(beyond: dict[str, int]) -> None:
    async def story() -> None:
        room = Room()
        async with room.place(SHARE) as other:
            async with room.place(SHARE) as first:
                await first.hold(**beyond)
                await other.hold(chunk_bytes=10, rows_bytes=20, output_bytes=30)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0):
                        await other.hold(**beyond)
            await other.hold(**beyond)

    asyncio.run(story())
