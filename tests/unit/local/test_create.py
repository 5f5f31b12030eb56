"""What makes the composed world has patience with emulators that say too early that they are there."""

import asyncio

import pytest

from baton.errors import Unavailable
from baton.testing import virtual_time
from baton_local.in_containers.create import until_done


class _Work:
    """Fails so many times."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.failures = failures
        self.error = error
        self.tries = 0

    async def __call__(self) -> None:
        self.tries += 1
        await asyncio.sleep(10)
        if self.tries <= self.failures:
            raise self.error


def test_it_tries_again_until_everything_is_made() -> None:
    work = _Work(3, Unavailable("loading"))

    virtual_time.run(until_done(work, seconds_max=60))

    assert work.tries == 4


def test_it_ends_with_the_last_error_when_the_time_is_over() -> None:
    work = _Work(1_000, Unavailable("gone"))

    with pytest.raises(Unavailable, match="gone"):
        virtual_time.run(until_done(work, seconds_max=60))

    assert work.tries == 6


def test_a_bug_of_ours_is_not_tried_again() -> None:
    work = _Work(1, TypeError("ours"))

    with pytest.raises(TypeError):
        virtual_time.run(until_done(work, seconds_max=60))

    assert work.tries == 1
