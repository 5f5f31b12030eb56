"""Measures the peak memory of a step, in a process that has done other things before, or in one of its own."""

import contextlib
import multiprocessing
import resource
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

_RESET: Final = "5"
_PRELOADED: Final = ("baton_proof.region", "splitter.main", "merger.main", "notifier.main")
"""Most of what a process imports, once for all. Not polars, nor what imports it: it starts threads."""


def apart[**P, T](work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do it in a process that has done nothing before. `work` is a function of a module, its answer can be pickled."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(list(_PRELOADED))
    with ProcessPoolExecutor(1, mp_context=processes) as pool:
        return pool.submit(work, *args, **kwargs).result()


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
