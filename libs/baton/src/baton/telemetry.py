"""Logs and metrics: one JSON line per unit of work, which is also its CloudWatch metric (embedded metric format).

Source of the format: CloudWatch Embedded Metric Format specification, version 0. Locally the same lines go to a file.
"""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from datetime import datetime
from typing import Any, Literal

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


def emf(metrics: Metrics, *, dimensions: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """Return the fields that turn a log line into CloudWatch metrics with one set of dimensions.

    The namespace is the process's own affair: see `configure`.
    """
    return {
        "_aws": {
            "Timestamp": int(now.timestamp() * 1000),
            "CloudWatchMetrics": [
                {
                    "Dimensions": [list(dimensions)],
                    "Metrics": [{"Name": name, "Unit": unit} for name, (_, unit) in metrics.items()],
                }
            ],
        },
        **dimensions,
        **{name: value for name, (value, _) in metrics.items()},
    }
