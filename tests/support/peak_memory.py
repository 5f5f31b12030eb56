"""Measures the peak memory of a step, in a process that has done other things before, or in one of its own."""

import contextlib
import ctypes
import multiprocessing
import os
import resource
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

from baton.settings import WORKER_ENVIRONMENT

_RESET: Final = "5"
_M_OPTIONS: Final = {"MALLOC_ARENA_MAX": -8, "MALLOC_MMAP_THRESHOLD_": -3}
"""Of each variable the option of `mallopt`. From glibc's `malloc.h`."""
_PRELOADED: Final = ("baton_proof.region", "splitter.main", "merger.main", "notifier.main")
"""Most of what a process imports, once for all. Not polars, nor what imports it: it starts threads."""


def apart[**P, T](work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do it in a process that has done nothing before. `work` is a function of a module, its answer can be pickled.

    The process has the environment that a worker's has: of several threads each would keep memory of its own.
    """
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(list(_PRELOADED))
    with ProcessPoolExecutor(1, mp_context=processes, initializer=_as_a_worker) as pool:
        return pool.submit(work, *args, **kwargs).result()


def _as_a_worker() -> None:
    os.environ.update(WORKER_ENVIRONMENT)  # noqa: TID251 - written, for polars, which reads it at its first use
    with contextlib.suppress(AttributeError):  # a C library that is not glibc
        # This process was forked from another, whose start is past: then these have to be said by calls.
        for name, option in _M_OPTIONS.items():
            ctypes.CDLL(None).mallopt(option, int(WORKER_ENVIRONMENT[name]))


class Peak:
    """From its making to the question: by how much the process grew in between, at most."""

    def __init__(self) -> None:
        # Where there is no /proc, a peak stays: then a step counts only where it goes beyond those before it.
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text(_RESET)
        self._before = _peak_bytes()

    def grown_bytes(self) -> int:
        """Return how many bytes more than at the beginning were in use at a time."""
        return _peak_bytes() - self._before


def _peak_bytes() -> int:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    (kib,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(kib) * 1024
