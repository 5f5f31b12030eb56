"""Measures how long work holds the event loop at a time."""

import asyncio
import gc
import time
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, Final

LOOP_SECONDS_MAX: Final = 0.05


def longest_step(measured: Callable[[], float]) -> float:
    """Return the longest step of one of three tries: another process may halve a core's speed for a moment."""
    longest = measured()
    for _ in range(2):
        if longest >= LOOP_SECONDS_MAX:
            longest = min(longest, measured())
    return longest


def steps_of[T](main: Coroutine[Any, Any, T]) -> tuple[T, list[float]]:
    """Run `main` on a loop of its own; return its result, and the CPU seconds of each step of each of its tasks.

    A step goes from one suspension to the next. Other processes' load does not count, as it would by the clock on the
    wall, nor do other threads.
    """
    with asyncio.Runner() as runner:
        return runner.run(steps_within(main))


async def steps_within[T](work: Coroutine[Any, Any, T]) -> tuple[T, list[float]]:
    """Return what `steps_of` does, for a part of what the running loop does."""
    seconds, loop = list[float](), asyncio.get_running_loop()

    async def stepped(work: Coroutine[Any, Any, Any]) -> Any:
        return await _Stepped(work, seconds)

    def task(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        return asyncio.Task(stepped(work), loop=loop, name=options.get("name"), context=options.get("context"))

    gc.disable()  # else it may fall into a step, and take as long as other tests left objects
    loop.set_task_factory(task)
    try:
        return await loop.create_task(work), seconds
    finally:
        loop.set_task_factory(None)
        gc.enable()


class _Stepped:
    def __init__(self, work: Coroutine[Any, Any, Any], seconds: list[float]) -> None:
        self._work = work
        self._seconds = seconds

    def __await__(self) -> Generator[Any, Any, Any]:
        step = partial(self._work.send, None)
        while True:
            started = time.thread_time()
            try:
                waits_for = step()
            except StopIteration as end:
                return end.value
            finally:
                self._seconds.append(time.thread_time() - started)
            try:
                yield waits_for
            except BaseException as error:  # noqa: BLE001 - what it waited for failed, or it is cancelled: it is told
                step = partial(self._work.throw, error)
            else:
                step = partial(self._work.send, None)
