"""Loggers for tests."""

from collections.abc import Iterable, Mapping, MutableMapping
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


type Measured = dict[tuple[str, frozenset[tuple[str, str]]], list[float]]
"""Values by the metric's name and its dimensions."""


def measured(lines: Iterable[Mapping[str, Any]]) -> Measured:
    """Return what CloudWatch would read from lines: its embedded metric format."""
    found: Measured = {}
    for line in lines:
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", ()):
            (names,) = directive["Dimensions"]
            dimensions = frozenset((name, str(line[name])) for name in names)
            for metric in directive["Metrics"]:
                value = line[metric["Name"]]
                assert isinstance(value, int | float)
                assert not isinstance(value, bool), f"{metric['Name']}: JSON's true is no number"
                found.setdefault((metric["Name"], dimensions), []).append(value)
    return found
