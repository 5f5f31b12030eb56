"""Logs and metrics: one JSON line per unit of work, which is also its CloudWatch metric (embedded metric format).

Source of the format: CloudWatch Embedded Metric Format specification, version 0. Locally the same lines go to a file.
"""

import logging
import sys
from collections.abc import Collection, Mapping, MutableMapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import structlog

type Unit = Literal["Count", "Seconds", "Bytes"]
type Metrics = Mapping[str, tuple[float, Unit]]
"""Measurements by name."""
type Log = structlog.typing.FilteringBoundLogger


def configure(*, log_format: str, service: str, region: str, namespace: str) -> Log:
    """Set up structlog for this process and return its logger, bound to service and Region.

    `namespace` is that of CloudWatch for what this process measures: each environment has its own.
    """

    def in_namespace(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for directive in event.get("_aws", {}).get("CloudWatchMetrics", ()):
            directive["Namespace"] = namespace
        return event

    renderer = structlog.processors.JSONRenderer() if log_format == "json" else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            in_namespace,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=True,
    )
    log: Log = structlog.get_logger()
    return log.bind(service=service, region=region)


_ZERO_SENT: Final = timedelta(hours=1)
"""Longer than any alarm of one period looks back, so that each ends with a zero. CloudWatch charges a metric by the
hour in which it is sent."""


class Noteworthy:
    """Says which metrics to send: those that are not 0, or were not within the last hour.

    Most of what is watched is 0 for months. An alarm that asks for several minutes in a row may fire up to one minute
    earlier than with every zero sent, since the first minute of a new state holds none.
    """

    def __init__(self, *always: str) -> None:
        """Take the names of metrics whose zeros are sent as well."""
        self._always = frozenset(always)
        self._last: dict[str, datetime] = {}

    def of(self, metrics: Metrics, now: datetime) -> frozenset[str]:
        """Return the names of those to send now."""
        self._last |= {name: now for name, (value, _) in metrics.items() if value}
        return self._always | {name for name, at in self._last.items() if now - at <= _ZERO_SENT}


def emf(
    metrics: Metrics, *, dimensions: Mapping[str, str], now: datetime, sent: Collection[str] | None = None
) -> dict[str, Any]:
    """Return the fields that turn a log line into CloudWatch metrics with one set of dimensions.

    `sent`: the names of those that become metrics, while the line says all of them; None: all. The namespace is the
    process's own affair: see `configure`.
    """
    values = {**dimensions, **{name: value for name, (value, _) in metrics.items()}}
    listed = [{"Name": name, "Unit": unit} for name, (_, unit) in metrics.items() if sent is None or name in sent]
    if not listed:
        return values
    directive = {"Dimensions": [list(dimensions)], "Metrics": listed}
    return {"_aws": {"Timestamp": int(now.timestamp() * 1000), "CloudWatchMetrics": [directive]}, **values}
