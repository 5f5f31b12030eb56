"""Counts the SDK calls of this process and their failures: every attempt of every client within the last minute."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from baton.aws.sdk.failures import is_down
from baton.ports.vitals import CallStats

WINDOW_SECONDS: Final = 60


@dataclass(slots=True)
class _Second:
    started: int
    calls: int = 0
    errors: int = 0


class CallLog:
    """Attempts by Region and service, in buckets of a second: a busy process keeps 60 of them, not its calls.

    Counted when the attempt ends. An attempt whose caller gives up on it (a cancelled call) never ends and counts as
    nothing; neither does a body that breaks while it is streamed, which is after the answer.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seconds: dict[tuple[str, str], deque[_Second]] = {}

    def watch(self, client: Any, *, region: str, service: str) -> None:
        """Count every attempt of this client from now on."""

        # The SDK asks its retry rules after each attempt, with its outcome: an answer, or an error in its place.
        def ended(*, response: Any, caught_exception: Exception | None, **_: Any) -> None:
            self.add(region, service, failed=caught_exception is not None or _refused(response))

        # First, so that no rule of the SDK comes between an attempt and its count.
        client.meta.events.register_first("needs-retry", ended)

    def add(self, region: str, service: str, *, failed: bool) -> None:
        """Count one attempt that has just ended."""
        seconds = self._seconds.setdefault((region, service), deque())
        now = int(self._monotonic())
        if not seconds or seconds[-1].started != now:
            seconds.append(_Second(now))
            self._forget(seconds, now)
        seconds[-1].calls += 1
        seconds[-1].errors += failed

    def stats(self, region: str) -> Mapping[str, CallStats]:
        """Return the last minute of each service of a Region. One that was not called within it is not in it."""
        now = int(self._monotonic())
        stats: dict[str, CallStats] = {}
        for (where, service), seconds in self._seconds.items():
            self._forget(seconds, now)
            if where == region and seconds:
                calls, errors = sum(each.calls for each in seconds), sum(each.errors for each in seconds)
                stats[service] = CallStats(calls, errors)
        return stats

    @staticmethod
    def _forget(seconds: deque[_Second], now: int) -> None:
        while seconds and seconds[0].started <= now - WINDOW_SECONDS:
            seconds.popleft()


def _refused(response: tuple[Any, Mapping[str, Any]]) -> bool:
    http, parsed = response
    return is_down(code=parsed.get("Error", {}).get("Code", ""), status=http.status_code)
