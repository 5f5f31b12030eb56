"""The dials where S3 Control of some of its five Regions hangs, refuses or throttles: the others turn them."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from baton.aws.switch.routes import MrapRoutes
from baton.errors import Refused, SwitchRefused, Unavailable
from baton.testing import virtual_time
from baton.topology import REGIONS_DEFAULT

EAST, WEST = REGIONS_DEFAULT
BUCKETS = {EAST: "data-east", WEST: "data-west"}
AWAY: Mapping[str, int] = {EAST: 0, WEST: 100}
HANGS = "hangs"
DENIED = ("AccessDenied", "ExpiredToken", "KMS.DisabledException", "RequestTimeTooSkewed", "SlowDown")


@dataclass(slots=True)
class Dials:
    """The dials of one access point, and who was asked to turn them."""

    turned: dict[str, int] = field(default_factory=lambda: {EAST: 100, WEST: 0})
    asked: list[int] = field(default_factory=list[int])


@dataclass(slots=True)
class S3Control:
    """S3 Control in one Region."""

    number: int
    dials: Dials
    ails: str = ""
    """What is wrong with it: the code of an error, or that it hangs."""

    async def _answer(self) -> None:
        if self.ails == HANGS:
            await asyncio.sleep(3_600)
        if self.ails:
            told: Any = {"HTTPStatusCode": 503 if self.ails == "SlowDown" else 403}
            raise ClientError({"Error": {"Code": self.ails}, "ResponseMetadata": told}, "AnyCall")

    async def get_multi_region_access_point_routes(self, **_: str) -> Any:
        await self._answer()
        return {"Routes": [{"Region": name, "TrafficDialPercentage": dial} for name, dial in self.dials.turned.items()]}

    async def submit_multi_region_access_point_routes(self, *, RouteUpdates: Sequence[Any], **_: str) -> None:  # noqa: N803 - the SDK's name
        self.dials.asked.append(self.number)
        await self._answer()
        names = {bucket: region for region, bucket in BUCKETS.items()}
        for route in RouteUpdates:
            self.dials.turned[route.get("Region") or names[route["Bucket"]]] = route["TrafficDialPercentage"]


def _routes(ailing: Sequence[str], *, seed: int) -> tuple[MrapRoutes, Dials]:
    dials = Dials()

    def client(number: int, ails: str) -> Any:
        async def made() -> S3Control:
            return S3Control(number, dials, ails)

        return made

    clients = [client(number, ails) for number, ails in enumerate(ailing)]
    return MrapRoutes(clients, account_id="1", mrap="m", buckets=BUCKETS, dice=random.Random(seed)), dials


@pytest.mark.parametrize("ails", [HANGS, *DENIED])
@pytest.mark.parametrize("well", range(5))
def test_one_region_that_is_well_is_enough(ails: str, well: int) -> None:
    async def story() -> tuple[Mapping[str, int], float]:
        routes, _ = _routes([ails if number != well else "" for number in range(5)], seed=well)
        await routes.set_dials(AWAY)
        return await routes.dials(), asyncio.get_running_loop().time()

    found, seconds = virtual_time.run(story())

    assert found == AWAY
    assert seconds <= 10, "one Region after the other takes more than an operation may"


@pytest.mark.parametrize(
    ("ailing", "error"), [(["AccessDenied"] * 5, Refused), (["AccessDenied"] * 4 + ["SlowDown"], Unavailable)]
)
def test_what_all_refuse_is_refused_and_what_some_do_not_answer_is_not(
    ailing: list[str], error: type[Exception]
) -> None:
    async def story() -> None:
        routes, _ = _routes(ailing, seed=1)
        with pytest.raises(error, match="does not turn the dials"):
            await routes.set_dials(AWAY)
        with pytest.raises(error, match="does not return the dials"):
            await routes.dials()

    virtual_time.run(story())


def test_what_a_rule_forbids_is_asked_of_one_region() -> None:
    async def story() -> list[int]:
        routes, dials = _routes(["InvalidRequest"] * 5, seed=1)
        with pytest.raises(SwitchRefused):
            await routes.set_dials(AWAY)
        return dials.asked

    assert len(virtual_time.run(story())) == 1
