"""The switch as an ARC Region switch plan: activating a Region makes its health check healthy, the other's unhealthy.

Only the data plane is used, which each of the two Regions has: a plan is executed in the Region to be activated.
An execution takes time, and only one can run. The present state is read from the health checks themselves.
"""

import asyncio
import itertools
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from botocore.exceptions import ClientError

from baton.aws.sdk.failures import code_of, translated
from baton.aws.sdk.parallel import Backoff
from baton.aws.switch.hedged import TIMES, Answers, Times, first_answers, named, shuffled
from baton.errors import BatonError, SwitchRefused, Unavailable
from baton.model.control import SwitchBackend
from baton.ports.switch import Endpoints
from baton.requests import plan_execution

_UNDER_WAY: Final = frozenset({"ConflictException", "IllegalStateException"})
"""Another execution has not ended: ours, whose answer was lost, or the one before it."""
_HEALTHY: Final = "healthy"
_ENDED: Final = frozenset(
    {
        "canceled",
        "completed",
        "completedMonitoringApplicationHealth",
        "completedWithExceptions",
        "failed",
        "planExecutionTimedOut",
    }
)
"""States of an execution that lets another one start."""


class _UnderWay(Exception):
    """Another execution of the plan has not ended. The text names it."""


class RegionSwitch:
    """Activates a Region by executing the plan. It knows no Off for both: a Region is left by activating the other."""

    backend: SwitchBackend = SwitchBackend.REGION_SWITCH

    def __init__(
        self,
        clients: Mapping[str, Callable[[], Awaitable[Any]]],
        plan_arn: str,
        *,
        dice: random.Random,
        times: Times = TIMES,
    ) -> None:
        """Take each Region's client of `arc-region-switch`, with short time-outs and no retries of its own."""
        self._clients = dict(clients)
        self._plan_arn = plan_arn
        self._dice = dice
        self._times = times
        self._pause = Backoff(dice, first_seconds=0.1, most_seconds=1)

    @translated()
    async def states(self) -> Mapping[str, bool]:
        try:
            async with asyncio.timeout(self._times.operation_seconds):
                return await self._read()
        except TimeoutError as error:
            raise Unavailable("neither Region returns the plan's health checks in time") from error

    @translated()
    async def set_states(self, states: Mapping[str, bool], *, planned: bool = False) -> None:
        if unknown := states.keys() - self._clients.keys():
            raise KeyError(f"not in the plan: {', '.join(sorted(unknown))}")
        active = [region for region, is_on in states.items() if is_on]
        if len(active) > 1:
            raise SwitchRefused("a plan activates one Region, never both")
        why_not = ""
        refused: dict[str, BatonError] = {}
        try:
            async with asyncio.timeout(self._times.operation_seconds):
                for attempt in itertools.count():
                    # It does not matter who started it: after a lost answer it was this call.
                    if await self._is_so(states):
                        return
                    if not active:
                        raise SwitchRefused("a plan activates a Region: it cannot leave both Off")
                    if attempt == 0 or why_not:
                        why_not = await self._start(
                            plan_execution(self._plan_arn, active[0], planned=planned), attempt, refused
                        )
                    await self._pause.wait(attempt)
        except TimeoutError as error:
            told = why_not or "the plan was executed, and its health checks did not turn in time"
            raise Unavailable(told) from error

    async def endpoints(self) -> Endpoints:
        answering = await asyncio.gather(*(self._answers(region) for region in self._clients))
        return Endpoints(sum(answering), len(self._clients))

    async def _is_so(self, states: Mapping[str, bool]) -> bool:
        seen = await self._read()
        return {**seen, **states} == seen

    async def _read(self) -> Mapping[str, bool]:
        asks = [partial(self._seen_by, region) for region in shuffled(self._clients, self._dice)]
        answers = await first_answers(asks, wanted=1, hedge_seconds=self._times.hedge_seconds)
        if not answers.found:
            raise answers.error("neither Region returns the plan's health checks")
        return answers.found[0]

    async def _seen_by(self, region: str) -> Mapping[str, bool]:
        """Return what one Region's data plane says. A check that no execution has turned yet is Off."""
        async with self._call(region) as client:
            pages = client.get_paginator("list_route53_health_checks_in_region").paginate(arn=self._plan_arn)
            found = {each["region"]: each.get("status") async for page in pages for each in page["healthChecks"]}
        return {each: found.get(each) == _HEALTHY for each in self._clients}

    async def _start(self, execution: Mapping[str, Any], attempt: int, refused: dict[str, BatonError]) -> str:
        """Execute the plan, first in the target Region, then in each in turn; return why not, or nothing.

        A Region that fell silent may have started it: then the next one says that one is under way. `refused` collects
        what each Region refused; once all of them have, that is raised.
        """
        target = execution["targetRegion"]
        regions = (target, *(each for each in self._clients if each != target))
        region = regions[attempt % len(regions)]
        try:
            await self._execute(region, execution)
        except Unavailable as error:
            refused.pop(region, None)
            return str(error)
        except BatonError as error:
            refused[region] = error
            if refused.keys() == self._clients.keys():
                raise Answers((), list(refused.values())).error("no Region executes the plan") from error
            return str(error)
        except _UnderWay as under_way:
            return str(under_way)
        return ""

    async def _execute(self, region: str, execution: Mapping[str, Any]) -> None:
        async with self._call(region) as client:
            try:
                await client.start_plan_execution(**execution)
            except ClientError as error:
                if code_of(error) not in _UNDER_WAY:
                    raise
            else:
                return
        raise _UnderWay(await self._under_way(region))

    async def _under_way(self, region: str) -> str:
        """Say which execution is in the way: one that waits for an approval, or for a person, never ends alone."""
        try:
            async with self._call(region) as client:
                pages = client.get_paginator("list_plan_executions").paginate(planArn=self._plan_arn)
                open_ones = [
                    f"{each['executionId']} ({each['executionAction']} {each['executionRegion']}) is "
                    f"{each['executionState']} since {each['startTime']:%Y-%m-%d %H:%M} UTC"
                    async for page in pages
                    for each in page["items"]
                    if each["executionState"] not in _ENDED
                ]
        except (BatonError, TimeoutError):
            open_ones = []
        if not open_ones:
            return "another execution of the plan is under way"
        return f"the plan's execution {open_ones[0]}: while it is under way no other starts"

    async def _answers(self, region: str) -> bool:
        try:
            async with asyncio.timeout(self._times.operation_seconds):
                await self._seen_by(region)
        except (BatonError, TimeoutError):
            return False
        return True

    @asynccontextmanager
    async def _call(self, region: str) -> AsyncGenerator[Any]:
        async with named(region):
            # To make it the first time takes this process a moment: no reason to call the Region silent.
            client = await self._clients[region]()
            async with asyncio.timeout(self._times.call_seconds):
                yield client
