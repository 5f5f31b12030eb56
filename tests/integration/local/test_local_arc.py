"""The routing controls of the world on this machine: reached through gates, disturbed by command, followed by DNS."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import dns.message
import dns.query
import dns.rcode
import pytest
from aiobotocore.session import AioSession

from aio import run
from baton.aws import Aws
from baton.aws.switch.hedged import Times
from baton.errors import SwitchRefused, Unavailable
from baton.ports.switch import Endpoints
from baton.settings import SwitchSettings, WorldSettings
from baton_local.stand_ins.arc import Outage
from baton_local.stand_ins.dns import TTL_SECONDS, TxtServer
from baton_local.stand_ins.gates import HOST
from baton_local.state import World
from baton_local.switches.admin import Admin, AdminError, ArcChange, ArcWait
from local_worlds import client, do, environment_for, status

EAST, WEST = "us-east-1", "us-west-2"
IN_EAST, IN_WEST = {EAST: True, WEST: False}, {EAST: False, WEST: True}
TIMES = Times(hedge_seconds=0.2, operation_seconds=30)
WAIT_SECONDS = 5
"""As a world has it by default."""
SOON = Times(connect_seconds=0.3, read_seconds=0.3, hedge_seconds=0.05, operation_seconds=1)


def _adapters(environment: dict[str, str]) -> tuple[Aws, SwitchSettings]:
    """Return the adapters of a process with exactly this environment."""
    session = AioSession()
    session.set_credentials(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            if name.startswith(("AWS_", "BATON_")):
                patch.setenv(name, value)
        return Aws(WorldSettings(), session=session), SwitchSettings()  # pyright: ignore[reportCallIssue] - read from the environment


def _turn(environment: dict[str, str], states: dict[str, bool], times: Times = TIMES) -> None:
    async def main() -> None:
        aws, settings = _adapters(environment)
        async with aws:
            await aws.switch(settings, times=times).set_states(states)

    run(main())


def _endpoints(environment: dict[str, str]) -> Endpoints:
    async def main() -> Endpoints:
        aws, settings = _adapters(environment)
        async with aws:
            return await aws.switch(settings, times=Times(connect_seconds=3, read_seconds=3)).endpoints()

    return run(main())


def _inside(environments: Path, region: str) -> dict[str, str]:
    return json.loads((environments / f"{region}.json").read_text())


def _asked(host_and_port: str, name: str, kind: str = "TXT") -> dns.message.Message:
    host, _, port = host_and_port.partition(":")
    return dns.query.udp(dns.message.make_query(name, kind), host, port=int(port), timeout=5)


def _txt(world: World) -> str:
    (record,) = _asked(world.dns_endpoint, f"active.baton-{world.environment}.internal").answer
    assert record.ttl == TTL_SECONDS
    return _texts(record)


def _texts(record: Any) -> str:
    return " ".join(text.to_text().strip('"') for text in record)


async def _wait(admin: Admin, seconds: float) -> None:
    """Set how long after a change the routing controls refuse the next one."""
    await admin.call("POST", "/arc/wait", ArcWait(seconds=seconds))


@pytest.fixture
def arc(world: World) -> Iterator[World]:
    """Yield a world whose cluster is up, without a wait period, and has the first Region On; leave it so."""
    admin = Admin(world.admin_endpoint)
    do(_wait(admin, 0))
    yield world
    do(admin.heal(EAST))
    for number in range(1, 6):
        do(admin.arc_up(number))
    do(admin.arc_gate(is_open=True))
    do(_wait(admin, 0))
    _turn(environment_for(world, EAST), IN_EAST)
    do(_wait(admin, WAIT_SECONDS))


def test_the_record_follows_the_controls_by_itself(arc: World) -> None:
    assert _txt(arc) == EAST

    _turn(environment_for(arc, WEST), IN_WEST)

    assert status(arc).arc.states == IN_WEST
    assert _txt(arc) == WEST


def test_services_of_both_regions_reach_the_switch_and_the_dials(arc: World, environments: Path) -> None:
    for region in (EAST, WEST):
        inside = _inside(environments, region)
        assert inside["BATON_SWITCH_KIND"] == "arc"
        assert inside["AWS_ENDPOINT_URL_MRAP_CONTROL"] not in {arc.mrap_endpoint, inside["AWS_ENDPOINT_URL_MRAP"]}
        assert _endpoints(inside) == Endpoints(5, 5)

    async def main() -> dict[str, int]:
        aws, _ = _adapters(_inside(environments, WEST))
        async with aws:
            routes = aws.routes(times=TIMES)
            await routes.set_dials({EAST: 0, WEST: 100})
            turned = dict(await routes.dials())
            await routes.set_dials({EAST: 100, WEST: 0})
            return turned

    assert run(main()) == {EAST: 0, WEST: 100}


def test_a_cut_region_reaches_neither_the_switch_nor_the_dials_and_the_other_one_does(
    arc: World, environments: Path
) -> None:
    cut, other = _inside(environments, EAST), _inside(environments, WEST)
    do(Admin(arc.admin_endpoint).cut(EAST))

    async def turn_dials() -> None:
        aws, _ = _adapters(cut)
        async with aws:
            await aws.routes(times=SOON).set_dials({EAST: 100, WEST: 0})

    with pytest.raises(Unavailable):
        _turn(cut, IN_WEST, SOON)
    assert _endpoints(cut) == Endpoints(0, 5)
    with pytest.raises(Unavailable):
        run(turn_dials())
    assert status(arc).arc.states == IN_EAST

    _turn(other, IN_WEST)
    assert status(arc).arc.states == IN_WEST


def test_endpoints_go_down_and_come_back_by_command(arc: World) -> None:
    admin, outside = Admin(arc.admin_endpoint), environment_for(arc, EAST)
    do(admin.arc_down(1, Outage.REFUSING))
    do(admin.arc_down(2))
    do(admin.call("POST", "/arc/3/slow", ArcChange(slow_seconds=0.01)))
    do(admin.call("POST", "/arc/4/lose-answers", ArcChange(lose_answers=1)))

    assert [endpoint.state for endpoint in status(arc).arc.endpoints] == ["refusing", "silent", "slow", "up", "up"]
    assert _endpoints(outside) == Endpoints(3, 5)
    _turn(outside, IN_WEST)
    assert status(arc).arc.states == IN_WEST

    for number in (1, 2, 3):
        do(admin.arc_up(number))
    assert _endpoints(outside) == Endpoints(5, 5)
    with pytest.raises(AdminError, match="there are 1, 2, 3, 4, 5"):
        do(admin.arc_down(6))


def test_a_closed_gate_stops_everybody(arc: World) -> None:
    do(Admin(arc.admin_endpoint).arc_gate(is_open=False))

    assert status(arc).arc.gate_open is False
    with pytest.raises(SwitchRefused, match="not-frozen"):
        _turn(environment_for(arc, EAST), IN_WEST)


def test_the_wait_period_refuses_a_quick_return(arc: World) -> None:
    _turn(environment_for(arc, EAST), IN_WEST)
    do(_wait(Admin(arc.admin_endpoint), 60))

    with pytest.raises(SwitchRefused, match="wait period"):
        _turn(environment_for(arc, EAST), IN_EAST)


def test_the_sdk_of_an_operator_works_as_against_aws(arc: World) -> None:
    region, url = next(iter(arc.arc_endpoints.items()))
    operator: Any = client("route53-recovery-cluster", url, region)
    wanted = [
        {"RoutingControlArn": arn, "RoutingControlState": "On" if region == WEST else "Off"}
        for region, arn in arc.arc_controls.items()
    ]

    operator.update_routing_control_states(UpdateRoutingControlStateEntries=wanted)

    state = operator.get_routing_control_state(RoutingControlArn=arc.arc_controls[WEST])
    assert (state["RoutingControlName"], state["RoutingControlState"]) == (WEST, "On")
    with pytest.raises(botocore.exceptions.ClientError, match="ConflictException"):
        operator.update_routing_control_state(RoutingControlArn=arc.arc_controls[EAST], RoutingControlState="On")


# --- the name server -------------------------------------------------------------------------------------------------


def _served(text: str, *questions: tuple[str, str]) -> list[dns.message.Message]:
    async def main() -> list[dns.message.Message]:
        transport = await TxtServer("active.example.internal", lambda: text).start(0)
        try:
            port = transport.get_extra_info("sockname")[1]
            return [await asyncio.to_thread(_asked, f"{HOST}:{port}", *question) for question in questions]
        finally:
            transport.close()

    return run(main())


def test_one_name_has_one_record_whatever_its_case() -> None:
    plain, shouted = _served(EAST, ("active.example.internal", "TXT"), ("ACTIVE.example.INTERNAL", "TXT"))

    for answer in (plain, shouted):
        assert [_texts(record) for record in answer.answer] == [EAST]
        assert answer.rcode() == dns.rcode.NOERROR


def test_other_types_are_empty_and_other_names_unknown() -> None:
    address, other = _served(EAST, ("active.example.internal", "A"), ("example.internal", "TXT"))

    assert (address.rcode(), address.answer) == (dns.rcode.NOERROR, [])
    assert (other.rcode(), other.answer) == (dns.rcode.NXDOMAIN, [])


def test_noise_is_no_reason_to_die(arc: World) -> None:
    host, _, port = arc.dns_endpoint.partition(":")

    async def shout() -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=(host, int(port)))
        transport.sendto(b"\0")
        transport.sendto(b"not a question at all, by any means")
        transport.close()

    run(shout())

    assert _txt(arc) == EAST


def test_with_both_controls_off_it_fails_open_to_the_first_region_as_route_53_does(arc: World) -> None:
    _turn(environment_for(arc, EAST), {EAST: False, WEST: False})

    assert _txt(arc) == EAST
