"""Measures one Region: its queues by SQS, everything else by CloudWatch."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from baton.aws.queues import QueueUrls
from baton.aws.sdk.clients import SQS
from baton.aws.sdk.failures import translated
from baton.aws.sdk.parallel import in_parallel
from baton.errors import BatonError
from baton.messages import KINDS, OF_USERS, Kind, Lane
from baton.model.paths import REPLICATED_IN_TIME
from baton.ports.clock import Clock
from baton.ports.vitals import CallStats, QueueVitals, ReplicationVitals
from baton.topology import Topology, other_region

type CloudWatch = Callable[[], Awaitable[Any]]
"""Any: its stubs are none of our development dependencies."""

_CALLS_AT_ONCE: Final = 4
_PERIOD_SECONDS: Final = 60
_LATEST: Final = timedelta(minutes=5)
"""Metrics come minutes late; what is older than this says nothing about now."""
AGES_SECONDS_MAX: Final = 2.0
"""For the ages of messages: a CloudWatch that hangs must not hold back what SQS said. Below any caller's patience."""
_WAITING: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
_FIRES: Final[Mapping[str, bool]] = {"ALARM": True, "OK": False}
"""INSUFFICIENT_DATA is neither."""


@dataclass(frozen=True, slots=True)
class _Metric:
    namespace: str
    name: str
    dimensions: Mapping[str, str]


class ReusedAnswers[T]:
    """Keeps answers for some seconds, by what was asked, and gives them again. An error is not kept."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._answers: dict[str, tuple[float, T]] = {}

    async def get(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Return the answer that is kept, or a new one. Raises what `ask` raises."""
        now = asyncio.get_running_loop().time()
        known = self._answers.get(what)
        if known is not None and now - known[0] < self._seconds:
            return known[1]
        answer = await ask()
        self._answers[what] = now, answer
        return answer


class AwsVitals:
    """One Region as its own services tell.

    `calls` gives this process's statistics of its calls to the Region, `ages_seconds_max` is how long CloudWatch may
    take where SQS has the rest of the answer, `kept_seconds` for how long an answer of CloudWatch, and a number of
    dead letters, is used again.
    """

    def __init__(
        self,
        sqs: SQS,
        cloudwatch: CloudWatch,
        *,
        region: str,
        topology: Topology,
        clock: Clock,
        calls: Callable[[], Mapping[str, CallStats]],
        ages_seconds_max: float = AGES_SECONDS_MAX,
        kept_seconds: float = 0,
    ) -> None:
        self._sqs = sqs
        self._cloudwatch = cloudwatch
        self._region = region
        self._topology = topology
        self._clock = clock
        self._calls = calls
        self._ages_seconds_max = ages_seconds_max
        self._metrics = ReusedAnswers[list[float | None]](kept_seconds)
        self._dead = ReusedAnswers[int](kept_seconds)
        self._alarms = ReusedAnswers[Mapping[str, bool | None]](kept_seconds)
        queues = [queue for queue in topology.queues if queue.lane in OF_USERS]
        self._queues: list[tuple[Kind, Lane]] = [(queue.kind, queue.lane) for queue in queues]
        self._work_urls = QueueUrls(sqs, names={(each.kind, each.lane): each.name for each in queues})
        self._dead_urls = QueueUrls(sqs, names={(each.kind, each.lane): each.dead_letter_name for each in queues})

    @translated()
    async def queues(self) -> Mapping[Kind, QueueVitals]:
        counts, ages = await asyncio.gather(in_parallel(_CALLS_AT_ONCE, self._queues, self._counts), self._ages())
        waiting, dead_letters = Counter[Kind](), Counter[Kind]()
        for (kind, _), (in_queue, dead) in zip(self._queues, counts, strict=True):
            waiting[kind] += in_queue
            dead_letters[kind] += dead
        return {kind: QueueVitals(waiting[kind], dead_letters[kind], ages[kind]) for kind in KINDS}

    @translated()
    async def replication(self) -> ReplicationVitals:
        # Published in the Region of the destination, so that it can be read while the source is away.
        source = other_region(self._region, self._topology.regions)
        buckets = {
            "SourceBucket": self._topology.data_bucket(source),
            "DestinationBucket": self._topology.data_bucket(self._region),
        }
        rules = [{**buckets, "RuleId": self._topology.replication_rule(prefix)} for prefix in REPLICATED_IN_TIME]
        found = await self._newest(
            "replication",
            [_Metric("AWS/S3", "ReplicationLatency", rule) for rule in rules]
            + [_Metric("AWS/S3", "OperationsPendingReplication", rule) for rule in rules],
        )
        lags, pending = (
            [value for value in half if value is not None] for half in (found[: len(rules)], found[len(rules) :])
        )
        return ReplicationVitals(max(lags, default=None), int(sum(pending)) if pending else None)

    @translated()
    async def alarms(self) -> Mapping[str, bool | None]:
        return await self._alarms.get("", self._states)

    async def _states(self) -> Mapping[str, bool | None]:
        client = await self._cloudwatch()
        pages = client.get_paginator("describe_alarms").paginate(
            AlarmNamePrefix=self._topology.alarm_prefix,
            AlarmTypes=["MetricAlarm", "CompositeAlarm"],  # without it, those of one metric only
        )
        return {
            alarm["AlarmName"]: _FIRES.get(alarm["StateValue"])
            async for page in pages
            for alarm in (*page.get("MetricAlarms", ()), *page.get("CompositeAlarms", ()))
        }

    def calls(self) -> Mapping[str, CallStats]:
        return self._calls()

    async def _counts(self, queue: tuple[Kind, Lane]) -> tuple[int, int]:
        waiting = await self._count(await self._work_urls.url(queue))
        return waiting, await self._dead.get("/".join(queue), partial(self._dead_letters, queue))

    async def _dead_letters(self, queue: tuple[Kind, Lane]) -> int:
        return await self._count(await self._dead_urls.url(queue))

    async def _count(self, url: str) -> int:
        """Return how many messages a queue holds, in sight or not."""
        client = await self._sqs()
        answer = await client.get_queue_attributes(QueueUrl=url, AttributeNames=list(_WAITING))
        attributes: Mapping[str, str] = {**answer.get("Attributes", {})}
        return sum(int(attributes[name]) for name in _WAITING)

    async def _ages(self) -> Mapping[Kind, float | None]:
        metrics = [
            _Metric("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": self._topology.queue(kind).name})
            for kind in KINDS
        ]
        try:
            async with asyncio.timeout(self._ages_seconds_max), translated():
                return dict(zip(KINDS, await self._newest("ages", metrics), strict=True))
        except (BatonError, TimeoutError):
            return dict.fromkeys(KINDS)

    async def _newest(self, what: str, metrics: Sequence[_Metric]) -> list[float | None]:
        return await self._metrics.get(what, partial(self._latest, metrics))

    async def _latest(self, metrics: Sequence[_Metric]) -> list[float | None]:
        """Return the newest value of each metric, or None where the last minutes have none."""
        client, now = await self._cloudwatch(), self._clock.now()
        pages = client.get_paginator("get_metric_data").paginate(
            MetricDataQueries=[_query(f"m{index}", metric) for index, metric in enumerate(metrics)],
            StartTime=now - _LATEST,
            EndTime=now,
        )
        points: dict[str, list[tuple[datetime, float]]] = {}
        async for page in pages:
            for result in page["MetricDataResults"]:
                found = zip(result.get("Timestamps", ()), result.get("Values", ()), strict=True)
                points.setdefault(result["Id"], []).extend(found)
        known = [points.get(f"m{index}") for index in range(len(metrics))]
        return [max(found)[1] if found else None for found in known]


def _query(name: str, metric: _Metric) -> Mapping[str, Any]:
    dimensions = [{"Name": each, "Value": value} for each, value in metric.dimensions.items()]
    what = {"Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": dimensions}
    return {"Id": name, "MetricStat": {"Metric": what, "Period": _PERIOD_SECONDS, "Stat": "Maximum"}}
