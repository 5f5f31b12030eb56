"""By how much other work on this machine slows processes down, for promises in seconds on a busy one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_NANOSECONDS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Slowed:
    """What processes computed in some time, and how long they waited for a processor meanwhile, in seconds."""

    cpu_seconds: float
    waited_seconds: float

    @property
    def factor(self) -> float:
        """How many times longer their work took than on a machine of their own; 1 where the kernel counts no waits."""
        return 1 + self.waited_seconds / self.cpu_seconds if self.cpu_seconds else 1.0


class Since:
    """Counts from now on, for these processes and their children."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = tuple(pids)
        self._before = _scheduled(self._pids)

    def now(self) -> Slowed:
        after = _scheduled(self._pids)
        started = {at: self._before.get(at, (0, 0)) for at in after}
        cpu = sum(after[at][0] - started[at][0] for at in after)
        waited = sum(after[at][1] - started[at][1] for at in after)
        return Slowed(cpu / _NANOSECONDS, waited / _NANOSECONDS)


def _scheduled(pids: Iterable[int]) -> Mapping[str, tuple[int, int]]:
    """Return the nanoseconds that each thread has computed, and has waited to."""
    found: dict[str, tuple[int, int]] = {}
    waiting = list(pids)
    while waiting:
        for task in Path(f"/proc/{waiting.pop()}/task").glob("*"):
            try:
                cpu, waited, _ = (task / "schedstat").read_text().split()
                waiting += map(int, (task / "children").read_text().split())
            except OSError:  # it ended, or this kernel does not tell
                continue
            found[str(task)] = int(cpu), int(waited)
    return found
