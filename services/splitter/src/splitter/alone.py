"""Isolates errors: one object or batch that fails does not stop the sweep over the others."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from baton.errors import Fenced, Unavailable
from baton.telemetry import Log

_SILENT_MAX: Final = 10
"""Objects or batches in a row, for which something did not answer, that are an outage: the sweep ends, the next one
begins anew. Fewer are faults of these few alone, such as a throttled row."""


class Alone:
    """Guards the work on one thing after the other. An outage is everybody's, and is raised."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._silent = 0

    @contextmanager
    def __call__(self, what: str) -> Generator[None]:
        """Log what goes wrong with `what`, and continue. Raises `Unavailable` after several in a row."""
        try:
            yield
        except Unavailable as error:
            self._silent += 1
            if self._silent >= _SILENT_MAX:
                self._silent = 0
                raise
            self._log.warning("not_swept", what=what, error=str(error))
        except Fenced:
            self._silent = 0  # it moved while we looked at it: alive
        except Exception as error:  # noqa: BLE001 - the next one is not affected
            self._silent = 0
            self._log.error("not_swept", what=what, exc_info=error)
        else:
            self._silent = 0
