"""Computes chunks in one thread for each lane, and ends the process if a computation hangs.

A rule of a job may loop endlessly, and a thread cannot be ended from outside. So the process ends: it logs why, hands
back its other messages, and exits with status 1; the scheduler starts another. A rule may also hold the interpreter's
lock, as a regular expression with exponential backtracking does, so that nothing else in this process runs, canaries
included: then a watchdog outside of the interpreter ends the process much sooner, with the stack on stderr.

A retry is computed in a process of its own (`ProcessApart`): if that one hangs or is killed, for example for lack of
memory, this process is left to report it. So are all chunks of the lane apart, by one process that is kept.
"""

import asyncio
import faulthandler
import multiprocessing
import pickle
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, Final, cast

from polars.exceptions import PanicException

from baton.errors import BatchFailed, BatonError, Retry, said

__all__ = ["ComputationDiedError", "ComputationHungError", "Compute", "ProcessApart", "Watchdog"]

_RENEWALS: Final = 6
"""How many times, within its limit, the watchdog's timer is set anew."""
_LAST_RESORT_FACTOR: Final = 1.2
"""Of the limit, for a process apart: it then ends itself, if its parent is gone and cannot end it."""
_APART_FACTOR: Final = 0.9
"""Of the limit, for a process apart: it is to be ended before its parent is."""
_LAST_WORD_SECONDS: Final = 1.0
"""For a process apart to end alone, so that its status says why."""
_OUT_OF_MEMORY: Final = (signal.SIGKILL, signal.SIGABRT)
"""How a process ends that lacks memory: by the kernel, or by a library whose allocation fails."""


class ComputationHungError(BatonError):
    """A computation passed its limit. The text is for the file's sender."""


class ComputationDiedError(BatonError):
    """The process that computed was killed, or ended itself. The text is for the file's sender."""


class Watchdog:
    """Ends the process if its event loop does not run for `seconds_max` while something is computed.

    A process has one timer, outside of the interpreter. Each computation sets it anew again and again, and the end of
    the last one cancels it. If one hangs, the timer stays set: the process has that long to stop gracefully.
    """

    def __init__(self, seconds_max: float) -> None:
        self.seconds_max = seconds_max
        self._computing: set[object] = set()
        self._lock = threading.Lock()

    def watch(self, computation: Future[Any]) -> None:
        """Watch it from now on, until it ends."""
        with self._lock:
            self._computing.add(computation)
        computation.add_done_callback(self.let_go)

    def renew(self) -> None:
        """Say that the event loop runs."""
        with self._lock:
            if self._computing:
                faulthandler.dump_traceback_later(self.seconds_max, exit=True)

    def let_go(self, computation: Future[Any]) -> None:
        """Watch it no more."""
        with self._lock:
            self._computing.discard(computation)
            if not self._computing:
                faulthandler.cancel_dump_traceback_later()


class Compute:
    """Runs work in one thread of its own, while the next chunk is read. Use it as `Offload`.

    A task has one vCPU: two chunks at once would take as long, and twice the memory.
    """

    def __init__(self, *, seconds_max: float, watchdog: Watchdog) -> None:
        """Limit each computation to `seconds_max`. All computations of a process share one watchdog."""
        self._seconds_max = seconds_max
        self._watchdog = watchdog
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chunk")
        self._free = asyncio.Lock()
        self._hung = asyncio.Event()

    async def __call__[T](self, work: Callable[[], T], /) -> T:
        """Return what `work` returns. Raises `ComputationHungError` if that takes too long, or else what it raises."""
        async with self._free:
            if self._hung.is_set():
                raise Retry("this worker ends: a computation hangs", delay_seconds=0)
            computation = self._thread.submit(_without_exits, work)
            self._watchdog.watch(computation)
            future = asyncio.wrap_future(computation)
            try:
                done = await self._ends_in_time(future)
            except asyncio.CancelledError:
                self._watchdog.let_go(computation)  # nobody waits for it any more, or sets the timer anew
                raise
            if not done:
                self._hung.set()
                raise ComputationHungError(_hung(self._seconds_max))
            return future.result()

    async def _ends_in_time(self, future: asyncio.Future[Any]) -> bool:
        clock = asyncio.get_running_loop().time
        end = clock() + self._seconds_max
        while not future.done() and (left := end - clock()) > 0:
            self._watchdog.renew()
            await asyncio.wait([future], timeout=min(left, self._watchdog.seconds_max / _RENEWALS))
        return future.done()

    async def watch(self, stop: asyncio.Event) -> None:
        """Raise `ComputationHungError` once something hangs, so that the service stops; return when it stops anyway."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self._hung, stop)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self._hung.is_set():
            raise ComputationHungError(_hung(self._seconds_max))


def _hung(seconds: float) -> str:
    return f"a computation did not end within {seconds:g} s"


def _without_exits[T](work: Callable[[], T]) -> T:
    try:
        return work()
    except (Exception, PanicException):
        raise
    except BaseException as error:
        # Raised on the event loop, it would end the process or cancel a task. Signals never come to this thread.
        raise RuntimeError(f"a computation ended by {said(error)}") from error


class ProcessApart:
    """Does work in a process of its own, which takes a second to start and is kept. One work at a time."""

    def __init__(self, *, seconds_max: float) -> None:
        self._seconds_max = seconds_max
        self._seconds = seconds_max * _APART_FACTOR
        self._context = multiprocessing.get_context("spawn")
        self._kept: tuple[SpawnProcess, Connection] | None = None

    def __call__[T](self, work: Callable[[], T], /) -> T:
        """Return what `work` returns.

        Raises what `Compute` does, `ComputationDiedError` if the process ends, and `BatchFailed` as `work` does; any
        other error of the work as a `RuntimeError`. Work that cannot be sent to another process is done in this one.
        """
        try:
            sent = pickle.dumps(work)
        except (pickle.PicklingError, AttributeError, TypeError):  # a job whose model is made inside a function
            return work()
        link = self._link()
        try:
            link.send_bytes(sent)
            hangs = not link.poll(self._seconds)
            answer = None if hangs else link.recv()
        except (EOFError, OSError):  # it ended before its answer, or within it
            raise ComputationDiedError(_died(self.end() or 0)) from None
        if hangs:
            self.end(within_seconds=0)
            raise ComputationHungError(_hung(self._seconds))
        return cast("T", _unpacked(answer))

    def end(self, *, within_seconds: float = _LAST_WORD_SECONDS) -> int | None:
        """End the process, if there is one, and kill it if it has not ended within that time; return its status."""
        if self._kept is None:
            return None
        (process, link), self._kept = self._kept, None
        link.close()
        process.join(within_seconds)
        process.kill()
        process.join()
        return process.exitcode

    def _link(self) -> Connection:
        if self._kept and not self._kept[0].is_alive():
            self.end()  # it ended while it had nothing to do: no work is to blame
        if self._kept is None:
            here, there = self._context.Pipe()
            process = self._context.Process(target=_work_apart, args=(there, self._seconds_max), daemon=True)
            process.start()
            there.close()
            self._kept = process, here
        return self._kept[1]


def _died(status: int) -> str:
    """Say how the process that computed ended, as `multiprocessing` reports it: below 0 the signal that killed it."""
    who = "the process that computed it"
    if status >= 0:
        return f"{who} exited with status {status}, and nobody killed it: a rule ended it, or what a rule calls"
    try:
        name = f"{-status} ({signal.Signals(-status).name})"
    except ValueError:  # one of the real-time signals, of which the first and the last alone have a name
        name = f"{-status}"
    cause = ": perhaps it needed more memory than there is" if -status in _OUT_OF_MEMORY else ""
    return f"{who} was ended by signal {name}{cause}"


def _unpacked(answer: tuple[object, ...] | None) -> object:
    match answer:
        case ("done", result):
            return result
        case ("failed", str(code), str(reason)):
            raise BatchFailed(code, reason)
        case ("error", str(words)):
            raise RuntimeError(f"in a process apart: {words}")
        case _:
            raise AssertionError(f"a process apart answered {answer!r}")


def _work_apart(there: Connection, seconds: float) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal, to all its processes: the parent ends this one
    while True:
        try:
            sent = there.recv_bytes()
        except (EOFError, OSError):  # the parent has no more, or has ended
            return
        # If the parent ends meanwhile, no other process ends this one.
        faulthandler.dump_traceback_later(seconds * _LAST_RESORT_FACTOR, exit=True)
        try:
            answer: object = ("done", pickle.loads(sent)())  # noqa: S301 - from our own parent
        except BatchFailed as failed:
            answer = ("failed", failed.code, failed.reason)
        except BaseException as error:  # noqa: BLE001 - a panic of polars is no `Exception`; the parent judges it
            answer = ("error", said(error))
        there.send(answer)
        faulthandler.cancel_dump_traceback_later()
        del sent, answer  # a chunk is not kept until the next one comes
