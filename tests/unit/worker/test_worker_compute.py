"""A computation that hangs ends its process; one that is retried can end only its own process."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from baton.errors import BatchFailed, Retry
from baton.job import Job
from baton.model.plan import Chunk
from half_an_answer import half_an_answer
from local_worlds import eventually
from worker.compute import ComputationDiedError, ComputationHungError, Compute, ProcessApart, Watchdog
from worker.domain import check

ANY = Job(name="any", record=None, recipients=("a@example.com",))
CHUNK = Chunk(index=0, start=0, end=2, first_record=1, records=1)


def compute_of(seconds_max: float, watchdog: Watchdog | None = None) -> Compute:
    return Compute(seconds_max=seconds_max, watchdog=watchdog or Watchdog(60))


def apart[T](work: Callable[[], T], seconds_max: float) -> T:
    """Return what work returns in a process that does nothing else."""
    process = ProcessApart(seconds_max=seconds_max)
    try:
        return process(work)
    finally:
        process.end()


def test_work_is_done_and_its_errors_are_raised() -> None:
    async def story() -> int:
        compute = compute_of(60)
        with pytest.raises(ZeroDivisionError):
            await compute(lambda: 1 // 0)
        return await compute(lambda: 6 * 7)

    assert asyncio.run(story()) == 42


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()], ids=repr)
def test_work_cannot_end_the_loop_that_waits_for_it(error: BaseException) -> None:
    def leave() -> None:
        raise error

    async def story() -> int:
        compute = compute_of(60)
        with pytest.raises(RuntimeError, match=f"a computation ended by {type(error).__name__}"):
            await compute(leave)
        return await compute(lambda: 6 * 7)

    assert asyncio.run(story()) == 42


def test_one_at_a_time() -> None:
    running: list[int] = []

    def work() -> int:
        running.append(1)
        most = len(running)
        running.pop()
        return most

    async def story() -> list[int]:
        compute = compute_of(60)
        return list(await asyncio.gather(*(compute(work) for _ in range(50))))

    assert asyncio.run(story()) == [1] * 50


def test_what_hangs_is_told_hands_back_what_waits_and_stops_the_service() -> None:
    released = threading.Event()

    async def story() -> list[object]:
        compute = compute_of(0.05)
        watch = asyncio.create_task(compute.watch(asyncio.Event()))
        try:
            both = await asyncio.gather(compute(released.wait), compute(lambda: 1), return_exceptions=True)
            later = await asyncio.gather(compute(lambda: 1), watch, return_exceptions=True)
        finally:
            released.set()
        return [*both, *later]

    hung, waiting, later, watch = asyncio.run(story())

    assert isinstance(hung, ComputationHungError)
    assert str(hung) == "a computation did not end within 0.05 s"
    assert isinstance(waiting, Retry)
    assert waiting.delay_seconds == 0
    assert isinstance(later, Retry)
    assert isinstance(watch, ComputationHungError)


def test_the_process_is_ended_only_while_its_loop_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    timers: list[float] = []
    renewed = asyncio.Event()

    def set_anew(after: float, *, exit: bool) -> None:  # noqa: A002 - as the library names it
        assert exit
        timers.append(after)
        if len(timers) > 6:
            renewed.set()

    monkeypatch.setattr("worker.compute.faulthandler.dump_traceback_later", set_anew)
    monkeypatch.setattr("worker.compute.faulthandler.cancel_dump_traceback_later", lambda: timers.append(0))
    released = threading.Event()

    async def story() -> None:
        computing = asyncio.create_task(compute_of(60, Watchdog(0.06))(released.wait))
        await renewed.wait()
        assert set(timers) == {0.06}
        computing.cancel()
        await asyncio.wait([computing])
        assert timers[-1] == 0, "nobody waits for it any more, or would set the timer anew"

    try:
        asyncio.run(story())
    finally:
        released.set()


def test_watch_ends_with_the_service() -> None:
    async def story() -> None:
        stop = asyncio.Event()
        watch = asyncio.create_task(compute_of(60).watch(stop))
        stop.set()
        await watch

    asyncio.run(story())


# --- in a process of its own ------------------------------------------------------------------------------------------


def test_work_apart_gives_the_same() -> None:
    checked = apart(partial(check, b"1\n", CHUNK, ("a",), ANY), 60)

    assert checked.frame.equals(check(b"1\n", CHUNK, ("a",), ANY).frame)


def test_failure_of_a_batch_comes_back_as_such() -> None:
    with pytest.raises(BatchFailed, match="holds 2 records where the plan counted 1") as caught:
        apart(partial(check, b"1\n2\n", CHUNK, ("a",), ANY), 60)

    assert caught.value.code == "conservation"


def test_error_comes_back_in_words() -> None:
    with pytest.raises(RuntimeError, match="in a process apart: ValueError: invalid literal"):
        apart(partial(int, "x"), 60)


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (
            partial(signal.raise_signal, signal.SIGKILL),
            r"was ended by signal 9 \(SIGKILL\): perhaps it needed more memory",
        ),
        (os.abort, r"was ended by signal 6 \(SIGABRT\): perhaps it needed more memory than there is$"),
        (partial(signal.raise_signal, signal.SIGSEGV), r"was ended by signal 11 \(SIGSEGV\)$"),
        (partial(signal.raise_signal, 40), "was ended by signal 40$"),
        (partial(os._exit, 3), "exited with status 3, and nobody killed it: a rule ended it, or what a rule calls$"),
        (partial(os._exit, 0), "exited with status 0, and nobody killed it: a rule ended it, or what a rule calls$"),
    ],
)
def test_how_a_process_ended_is_said(work: Callable[[], object], words: str) -> None:
    with pytest.raises(ComputationDiedError, match=words):
        apart(work, 60)


def test_process_that_ends_within_its_answer_is_said_to_have_ended() -> None:
    with pytest.raises(ComputationDiedError, match="exited with status 3"):
        apart(half_an_answer, 60)


def test_process_that_hangs_is_ended() -> None:
    with pytest.raises(ComputationHungError, match=r"did not end within 0\.9 s"):
        apart(signal.pause, 1)


def test_work_that_cannot_be_sent_is_done_here() -> None:
    here = os.getpid()

    assert apart(lambda: os.getpid() == here, 60)


@pytest.fixture
def kept() -> Iterator[ProcessApart]:
    process = ProcessApart(seconds_max=60)
    yield process
    process.end()


def test_a_process_that_is_kept_does_one_work_after_the_other(kept: ProcessApart) -> None:
    first = kept(os.getpid)

    with pytest.raises(RuntimeError, match="ValueError"):
        kept(partial(int, "x"))
    assert kept(os.getpid) == first != os.getpid()


@pytest.mark.parametrize("deadly", [partial(os._exit, 3), partial(signal.raise_signal, signal.SIGKILL)])
def test_after_a_work_that_ended_it_the_next_has_another_one(kept: ProcessApart, deadly: Callable[[], object]) -> None:
    first = kept(os.getpid)

    with pytest.raises(ComputationDiedError):
        kept(deadly)
    assert kept(os.getpid) not in (first, os.getpid())


def test_work_that_hangs_is_ended_with_its_process() -> None:
    process = ProcessApart(seconds_max=5)  # more than a busy machine needs to start it
    with pytest.raises(ComputationHungError):
        process(signal.pause)
    try:
        assert eventually(lambda: _answer_in_time(process), seconds=60) != os.getpid()
    finally:
        process.end()


def _answer_in_time(process: ProcessApart) -> int | None:
    """Return the id of the process apart; None: on a busy machine it started too late to answer in time."""
    with contextlib.suppress(ComputationHungError):
        return process(os.getpid)
    return None


def test_a_process_that_ended_while_it_had_nothing_to_do_is_no_fault_of_the_next_work(kept: ProcessApart) -> None:
    first = kept(os.getpid)
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)

    assert kept(os.getpid) != first


def test_a_process_apart_ends_with_the_one_that_asked_it() -> None:
    asks = "import os; from worker.compute import ProcessApart; print(ProcessApart(seconds_max=60)(os.getpid))"
    ends = "import sys; sys.stdout.flush(); os._exit(0)"  # without a word to its children

    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", f"{asks}; {ends}"], capture_output=True, check=True
    )

    eventually(lambda: not Path(f"/proc/{int(done.stdout)}").exists())
