"""An event loop whose clock jumps to the next timer: a simulated hour takes a millisecond.

Only for code without real I/O or threads: the selector never waits. When nothing is ready and no timer is left, the
program would hang; the loop raises `DeadlockError` instead.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, override


class DeadlockError(RuntimeError):
    """Every task waits for something that nobody will do."""


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout == 0:
            return []  # there is work to do: no need to ask the system each time
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise DeadlockError("no timer is set and no task can run")
        # One microsecond more than asked: rounding must not leave a timer due "just not yet" in every round.
        self.seconds += timeout + 1e-6
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop on virtual time."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    @override
    def time(self) -> float:
        return self._jumping.seconds


def run[T](main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a fresh virtual loop, as `asyncio.run` does on a real one."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
