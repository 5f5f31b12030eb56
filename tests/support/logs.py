"""Loggers for tests."""

from collections.abc import MutableMapping
from typing import Any

import structlog

from baton.telemetry import Log


def silent_log() -> Log:
    """Return a logger that drops everything."""
    return recording_log([])


def recording_log(lines: list[dict[str, Any]]) -> Log:
    """Return a logger that appends each line's fields to `lines`."""

    def keep(_: object, level: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        lines.append({"level": level, **fields})
        raise structlog.DropEvent

    log: Log = structlog.wrap_logger(None, processors=[keep], wrapper_class=structlog.make_filtering_bound_logger(0))
    return log
