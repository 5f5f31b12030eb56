"""Sets the dials of the Multi-Region Access Point, by S3 Control in any of the five Regions that serve it."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from baton.aws.sdk.failures import code_of, translated
from baton.aws.switch.hedged import TIMES, Times, first_answers, shuffled
from baton.errors import SwitchRefused
from baton.requests import dial_updates

type S3Control = Callable[[], Awaitable[Any]]


def at_plain_host(client: S3Control, account_id: str) -> S3Control:
    """Return the same client for a host that was named by us.

    The SDK's rules put the account's number before every host, so that 127.0.0.1 would become no address at all.
    """

    def without_account(request: Any, **_: object) -> None:
        request.url = request.url.replace(f"://{account_id}.", "://", 1)

    async def made() -> Any:
        plain = await client()
        plain.meta.events.register("before-sign.s3-control", without_account, unique_id="baton-plain-host")
        return plain

    return made


class MrapRoutes:
    """Turns both dials in one call. Absolute, so whatever may have got lost is sent again to the next Region."""

    def __init__(
        self,
        clients: Sequence[S3Control],
        *,
        account_id: str,
        mrap: str,
        buckets: Mapping[str, str],
        dice: random.Random,
        times: Times = TIMES,
    ) -> None:
        """Take clients with short time-outs, the access point (its ARN on AWS), and its bucket in each Region."""
        self._clients = tuple(clients)
        self._named: dict[str, str] = {"AccountId": account_id, "Mrap": mrap}
        self._buckets = dict(buckets)
        self._dice = dice
        self._times = times

    @translated()
    async def dials(self) -> Mapping[str, int]:
        asks = [partial(self._dials, client) for client in shuffled(self._clients, self._dice)]
        async with asyncio.timeout(self._times.operation_seconds):
            answers = await first_answers(asks, wanted=1, hedge_seconds=self._times.hedge_seconds)
        if not answers.found:
            raise answers.error("S3 Control does not return the dials")
        return answers.found[0]

    @translated()
    async def set_dials(self, dials: Mapping[str, int]) -> None:
        updates = dial_updates(self._buckets, dials)
        asks = [partial(self._submit, client, updates) for client in shuffled(self._clients, self._dice)]
        async with asyncio.timeout(self._times.operation_seconds):
            answers = await first_answers(asks, wanted=1, hedge_seconds=self._times.hedge_seconds)
        if not answers.found:
            raise answers.error("S3 Control does not turn the dials")

    @translated()
    async def _dials(self, client: S3Control) -> Mapping[str, int]:
        made = await client()  # outside of the time-out: the first time it takes this process a moment
        async with asyncio.timeout(self._times.call_seconds):
            answer = await made.get_multi_region_access_point_routes(**self._named)
        return {route["Region"]: route["TrafficDialPercentage"] for route in answer["Routes"]}

    @translated()
    async def _submit(self, client: S3Control, updates: Sequence[Mapping[str, str | int]]) -> None:
        made = await client()
        try:
            async with asyncio.timeout(self._times.call_seconds):
                await made.submit_multi_region_access_point_routes(**self._named, RouteUpdates=updates)
        except ClientError as error:
            if code_of(error) == "InvalidRequest":  # such as: every dial at 0
                raise SwitchRefused(str(error)) from error
            raise
