"""The switch in Route 53 ARC: two routing controls behind five endpoints, of which at least three always answer.

Only the data plane is used; names come from the settings, since the control plane, which could list them, is in one
Region. States are absolute: after a lost answer the same states are sent again, and two endpoints read them back.
"""

import asyncio
import itertools
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from botocore.exceptions import ClientError

from baton.aws.sdk.failures import code_of, translated
from baton.aws.sdk.parallel import Backoff, in_parallel
from baton.aws.switch.hedged import TIMES, Answers, Times, first_answers, named, shuffled
from baton.errors import BatonError, SwitchRefused, Unavailable
from baton.model.control import SwitchBackend
from baton.ports.switch import Endpoints
from baton.requests import routing_controls

_CONFIRMING: Final = 2
"""Endpoints that must have read a state: ARC does not promise that the next one reads what the last one wrote."""
_CONFLICT: Final = "ConflictException"
_BY_A_RULE: Final = ("rule", "wait period", "gating")
"""ARC answers with the same exception to a refusal and to "try again", and documents the wording of neither. One that
is not recognised here is tried again for a while, and then told as the refusal that it is."""


@dataclass(frozen=True, slots=True)
class ArcEndpoint:
    """One endpoint of the cluster."""

    region: str
    client: Callable[[], Awaitable[Any]]
    """Its client of `route53-recovery-cluster`, with short time-outs and no retries of its own."""


@dataclass(frozen=True, slots=True)
class _Seen:
    endpoint: ArcEndpoint
    states: Mapping[str, bool]


@dataclass(slots=True)
class _Change:
    """What is to be set, and the last word on it for the error if time runs out."""

    states: Mapping[str, bool]
    accepted: bool = False
    conflicts: int = 0
    conflict: ClientError | None = None
    silence: str = "no endpoint answered in time"
    errors: list[BatonError] = field(default_factory=list[BatonError])
    """Of the present round: one for each endpoint that did not take the states."""

    def refused(self, endpoints: int) -> BatonError | None:
        """Return the error if every endpoint refuses, for which no rule is the reason: to ask again is no use."""
        error = Answers((), self.errors).error("no endpoint takes the states")
        return None if len(self.errors) < endpoints or isinstance(error, Unavailable) else error

    def error(self) -> SwitchRefused | Unavailable:
        if self.accepted:
            return Unavailable(f"the states were set, but two endpoints did not read them back: {self.silence}")
        if self.conflict is not None:
            return SwitchRefused(str(self.conflict))
        return Unavailable(f"the states were not set: {self.silence}")


class _Conflicted(Exception):
    """ARC says `ConflictException`: a rule refuses the change, or another change is under way."""

    def __init__(self, answer: ClientError) -> None:
        super().__init__(str(answer))
        self.answer = answer


class ArcSwitch:
    """Sets the routing controls of both Regions in one transaction. Obeys the safety rules, never overrides one."""

    backend: SwitchBackend = SwitchBackend.ARC

    def __init__(
        self,
        endpoints: Sequence[ArcEndpoint],
        controls: Mapping[str, str],
        *,
        dice: random.Random,
        times: Times = TIMES,
    ) -> None:
        """Take the cluster's endpoints, and the ARN of each Region's routing control."""
        self._endpoints = tuple(endpoints)
        self._controls = dict(controls)
        self._dice = dice
        self._times = times
        self._pause = Backoff(dice, first_seconds=0.1, most_seconds=1)

    @translated()
    async def states(self) -> Mapping[str, bool]:
        try:
            async with asyncio.timeout(self._times.operation_seconds):
                answers = await self._read(1)
        except TimeoutError as error:
            raise Unavailable("no endpoint of the switch returns its states in time") from error
        if not answers.found:
            raise answers.error("no endpoint of the switch returns its states")
        return answers.found[0].states

    @translated()
    async def set_states(self, states: Mapping[str, bool], *, planned: bool = False) -> None:  # noqa: ARG002 - a plan's execution has a mode, a routing control has none
        if unknown := states.keys() - self._controls.keys():
            raise KeyError(f"no routing control for {', '.join(sorted(unknown))}")
        change = _Change(states)
        try:
            async with asyncio.timeout(self._times.operation_seconds):
                answers = await self._read(_CONFIRMING)
                if not answers.found:
                    raise answers.error("no endpoint of the switch answers")
                if not _confirm(answers, states):
                    await self._make(change, [seen.endpoint for seen in answers.found])
        except TimeoutError as error:
            raise change.error() from error

    async def endpoints(self) -> Endpoints:
        answering = await asyncio.gather(*(self._answers(endpoint) for endpoint in self._endpoints))
        return Endpoints(sum(answering), len(self._endpoints))

    async def _make(self, change: _Change, lively: Sequence[ArcEndpoint]) -> None:
        """Send the states until one endpoint takes them, those first that have just answered; have them read back.

        Time bounds it: at least one endpoint reads, so a second round is for throttling, conflicts and bad luck.

        An endpoint that fell silent may have set them: to send the same again does no harm, and no read could tell
        whether its request is still on the way.
        """
        order = [*lively, *(each for each in shuffled(self._endpoints, self._dice) if each not in lively)]
        for attempt in itertools.count():
            change.errors.clear()
            for endpoint in order:
                if await self._taken(endpoint, change):
                    change.accepted = True
                    return await self._read_back(change)
            if await self._is_so(change):
                break
            if refused := change.refused(len(self._endpoints)):
                raise refused
            await self._pause.wait(attempt)
        return None

    async def _taken(self, endpoint: ArcEndpoint, change: _Change) -> bool:
        """Send the states to one endpoint; say whether they are set, as far as it knows."""
        try:
            await self._update(endpoint, change.states)
        except BatonError as error:
            change.silence = str(error)
            change.errors.append(error)
            return False
        except _Conflicted as error:
            # A rule's wait also refuses the second of two equal requests, and the first one's answer may be lost.
            if await self._is_so(change):
                return True
            change.conflict = error.answer
            if _refuses(error.answer):
                raise change.error() from error
            await self._pause.wait(change.conflicts)
            change.conflicts += 1
            return False
        return True

    async def _read_back(self, change: _Change) -> None:
        """Wait until two endpoints read these states; time bounds it."""
        attempt = 0
        while not await self._is_so(change):
            await self._pause.wait(attempt)
            attempt += 1

    async def _is_so(self, change: _Change) -> bool:
        answers = await self._read(_CONFIRMING)
        change.silence = answers.why_not if answers.errors else "they read other states"
        return _confirm(answers, change.states)

    async def _read(self, wanted: int) -> Answers[_Seen]:
        order = shuffled(self._endpoints, self._dice)
        asks = [partial(self._seen_by, endpoint) for endpoint in order]
        return await first_answers(asks, wanted=wanted, hedge_seconds=self._times.hedge_seconds)

    async def _seen_by(self, endpoint: ArcEndpoint) -> _Seen:
        async with self._call(endpoint) as client:
            states = await in_parallel(len(self._controls), self._controls.values(), partial(_state, client))
        return _Seen(endpoint, dict(zip(self._controls, states, strict=True)))

    async def _update(self, endpoint: ArcEndpoint, states: Mapping[str, bool]) -> None:
        async with self._call(endpoint) as client:
            try:
                await client.update_routing_control_states(**routing_controls(self._controls, states))
            except ClientError as error:
                if code_of(error) != _CONFLICT:
                    raise
                raise _Conflicted(error) from error

    async def _answers(self, endpoint: ArcEndpoint) -> bool:
        try:
            async with asyncio.timeout(self._times.operation_seconds), self._call(endpoint) as client:
                await _state(client, next(iter(self._controls.values())))
        except (BatonError, TimeoutError):
            return False
        return True

    @asynccontextmanager
    async def _call(self, endpoint: ArcEndpoint) -> AsyncGenerator[Any]:
        """Bound a call by the client. Raises errors of ours only: whatever it is, another endpoint may do better."""
        async with named(endpoint.region):
            # To make it the first time takes this process a moment: no reason to call the endpoint silent.
            client = await endpoint.client()
            async with asyncio.timeout(self._times.call_seconds):
                yield client


async def _state(client: Any, arn: str) -> bool:
    answer = await client.get_routing_control_state(RoutingControlArn=arn)
    return answer["RoutingControlState"] == "On"


def _confirm(answers: Answers[_Seen], states: Mapping[str, bool]) -> bool:
    """Return whether two endpoints read exactly these states."""
    as_wanted = [seen for seen in answers.found if {**seen.states, **states} == seen.states]
    return len(as_wanted) >= _CONFIRMING


def _refuses(error: ClientError) -> bool:
    told = f"{error} {error.response.get('resourceType', '')}".lower()
    return any(word in told for word in _BY_A_RULE)
