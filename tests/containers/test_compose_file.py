"""The compose file, as Compose itself understands it: hardened, on this machine alone, wired as the command expects."""

import functools
import json
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from baton.settings import WORKER_ENVIRONMENT
from baton.topology import REGIONS_DEFAULT, Topology
from baton_local.in_containers import layout
from baton_local.in_containers.border import BorderSettings
from baton_local.pace import COMPOSE_CANARY_SECONDS, COMPOSE_TIME_SCALE, pace
from baton_local.settings import LocalSettings
from baton_local.stand_ins.gates import Gate
from baton_local.wiring import Border, Wiring

pytestmark = pytest.mark.docker

_ROOT: Final = Path(__file__).parents[2]
_EMULATORS: Final = {"localstack-a", "localstack-b", "ledger"}
"""Other people's images: they run as root and write where they like. No port of theirs leads to another machine."""


@functools.cache
def _compose() -> dict[str, Any]:
    command = ["docker", "compose", "--project-directory", str(_ROOT), "config", "--format", "json"]
    environment = {"PATH": LocalSettings().path, "HOME": LocalSettings().home}  # nobody's `.env` or image names
    done = subprocess.run(command, capture_output=True, check=True, env=environment)  # noqa: S603 - our own file
    return json.loads(done.stdout)


def _services() -> dict[str, Any]:
    return _compose()["services"]


def _ours() -> dict[str, Any]:
    return {name: service for name, service in _services().items() if name not in _EMULATORS}


def test_nothing_of_ours_may_write_become_root_or_do_what_it_need_not() -> None:
    for name, service in _ours().items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert service["init"] is True, name
        assert "user" not in service, f"{name}: the image says who it runs as"
        assert not service.get("volumes"), f"{name} holds nothing that a restart may not take"


def test_nobody_is_privileged_and_everybody_is_bounded() -> None:
    for name, service in _services().items():
        assert "privileged" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}, name
        assert service["logging"]["options"] == {"max-file": "2", "max-size": "10m"}, name


def test_every_port_is_for_this_machine_alone() -> None:
    published = [port for service in _services().values() for port in service.get("ports", [])]

    assert published
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}


def test_the_command_finds_every_port_where_the_file_publishes_it() -> None:
    found = {
        (name, port["target"]): int(port["published"])
        for name, each in _services().items()
        for port in each.get("ports", [])
    }

    world = layout.WORLD
    expected = {
        ("border-a", layout.EMULATOR_PORT): _port(world.region_endpoints["us-east-1"]),
        ("border-b", layout.EMULATOR_PORT): _port(world.region_endpoints["us-west-2"]),
        ("border-a", layout.BORDER_ADMIN_PORT): _port(layout.BORDER_ADMINS["us-east-1"]),
        ("border-b", layout.BORDER_ADMIN_PORT): _port(layout.BORDER_ADMINS["us-west-2"]),
        ("ledger", layout.EMULATOR_PORT): _port(world.global_endpoint),
        ("world", layout.FRONT_DOOR_PORT): _port(world.mrap_endpoint),
        ("world", layout.ADMIN_PORT): _port(world.admin_endpoint),
        ("world", layout.DNS_PORT): _port(world.dns_endpoint),
    } | {("world", _port(url)): _port(url) for url in world.arc_endpoints.values()}
    assert found == expected


def test_a_region_reaches_nothing_but_its_border() -> None:
    assert all(_compose()["networks"][f"region-{letter}"]["internal"] for letter in "ab")
    for region, letter in layout.LETTERS.items():
        for name in _names_of(letter):
            assert list(_services()[name]["networks"]) == [f"region-{letter}"], name
        assert set(_services()[f"border-{letter}"]["networks"]) == {f"region-{letter}", "wan"}
        hosts = {host for host in _hosts(_services()[f"worker-{letter}"]["environment"]) if host != "localhost"}
        assert hosts == {f"localstack-{letter}", f"border-{letter}"}, region


@pytest.mark.parametrize("region", REGIONS_DEFAULT)
def test_every_service_is_told_what_it_is_told_in_the_world_of_plain_processes(region: str) -> None:
    expected = _wiring().of_service(region)
    own = {"PATH", "HOME", "LANG", "PYTHONUNBUFFERED", "NO_PROXY", "no_proxy", "PYTHONPATH", "BATON_JOBS_PACKAGE"}
    """Of a process on this machine, not of a container."""
    own |= {"AWS_ENDPOINT_URL_SESV2", "BATON_READINESS_SENDER", "BATON_READINESS_LINK"}
    """LocalStack's free edition has no SES v2 to ask, and nobody follows links inside of its networks."""
    slowed = {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_DYNAMODB"}

    for name in _names_of(layout.LETTERS[region]) - {f"localstack-{layout.LETTERS[region]}"}:
        told = _services()[name]["environment"]
        assert told.keys() == (expected.keys() - own) | slowed | WORKER_ENVIRONMENT.keys(), name
        slower = pace(COMPOSE_TIME_SCALE, COMPOSE_CANARY_SECONDS)
        same = [key for key in expected.keys() - own - slower.keys() if "ENDPOINT" not in key and "CONTROLS" not in key]
        assert {key: told[key] for key in same} == {key: expected[key] for key in same}
        assert {key: told[key] for key in slower} == slower
        assert told["BATON_SWITCH_CONTROLS"].replace(" ", "") == ",".join(
            f"{of}={arn}" for of, arn in layout.WORLD.arc_controls.items()
        )


@pytest.mark.parametrize("region", REGIONS_DEFAULT)
def test_every_way_through_a_border_leads_somewhere_and_is_used(region: str, monkeypatch: pytest.MonkeyPatch) -> None:
    letter = layout.LETTERS[region]
    monkeypatch.setenv("BATON_BORDER_LINKS", _services()[f"border-{letter}"]["environment"]["BATON_BORDER_LINKS"])
    links = BorderSettings().links  # pyright: ignore[reportCallIssue] - read from the environment

    assert {link.host for link in links} <= _services().keys()
    asked = _ports_asked(_services()[f"worker-{letter}"]["environment"], f"border-{letter}")
    assert {link.port for link in links if link.name != "inward"} == asked


def _names_of(letter: str) -> set[str]:
    return {name for name in _services() if name.endswith(f"-{letter}") and not name.startswith("border")}


def _urls(environment: dict[str, str]) -> list[str]:
    return [
        word
        for value in environment.values()
        for word in value.replace(",", " ").replace("=", " ").split()
        if "://" in word
    ]


def _hosts(environment: dict[str, str]) -> set[str]:
    return {url.split("/")[2].split(":")[0] for url in _urls(environment)}


def _ports_asked(environment: dict[str, str], host: str) -> set[int]:
    return {int(url.split("/")[2].split(":")[1]) for url in _urls(environment) if f"//{host}:" in url}


def _port(url: str) -> int:
    return int(url.removesuffix("/v1").rpartition(":")[2])


def _wiring() -> Wiring:
    def border(region: str) -> Border:
        gate = Gate(1)
        return Border(
            region=region, emulator_port=1, inward=gate, ledger=gate, mail=gate, dials=gate, outward=gate,
            arc=dict.fromkeys(layout.WORLD.arc_endpoints, gate),
        )  # fmt: skip

    topology = Topology(environment=layout.WORLD.environment, account_id=layout.WORLD.account_id)
    borders = {region: border(region) for region in REGIONS_DEFAULT}
    return Wiring(topology, LocalSettings(), "http://localhost", borders=borders, controls=layout.WORLD.arc_controls)
