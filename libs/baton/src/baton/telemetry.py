"""Logs and metrics: one JSON line per unit of work, which is also its CloudWatch metric (embedded metric format).

Source of the format: CloudWatch Embedded Metric Format specification, version 0. Locally the same lines go to a file.
"""

import logging
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

import structlog

NAMESPACE: Final = "Baton"

type Unit = Literal["Count", "Seconds", "Bytes"]
type Log = structlog.typing.FilteringBoundLogger


def configure(*, log_format: str, service: str, region: str) -> Log:
    """Set up structlog for this process and return its logger, bound to service and Region."""
    renderer = structlog.processors.JSONRenderer() if log_format == "json" else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=True,
    )
    log: Log = structlog.get_logger()
    return log.bind(service=service, region=region)


def emf(metrics: Mapping[str, tuple[float, Unit]], *, dimensions: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """Return the fields that turn a log line into CloudWatch metrics with one set of dimensions."""
    return {
        "_aws": {
            "Timestamp": int(now.timestamp() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": NAMESPACE,
                    "Dimensions": [list(dimensions)],
                    "Metrics": [{"Name": name, "Unit": unit} for name, (_, unit) in metrics.items()],
                }
            ],
        },
        **dimensions,
        **{name: value for name, (value, _) in metrics.items()},
    }
