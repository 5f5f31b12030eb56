"""Breaks and heals the composed world for tests: pauses, kills and starves containers, cuts off and empties Regions.

Every fault can be undone, and `heal_everything` needs no memory of what was done: after a run that ended in the middle,
the next one heals the world.
"""

import asyncio
import functools
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from baton_local.in_containers import layout
from baton_local.in_containers.admin import ComposeAdmin
from baton_local.switches.admin import AdminError

ROOT: Final = Path(__file__).parents[3]
STAGES: Final = ("trigger", "splitter", "worker", "merger", "notifier")
"""What a batch passes in a Region."""
SERVICES: Final = ("localstack", "border", *STAGES, "controller")
"""All containers of a Region."""
_BOOTSTRAP: Final = f"{layout.PROJECT}-bootstrap-1"
_WAN: Final = f"{layout.PROJECT}_wan"
_MARK: Final = "baton-chaos"
"""In the comment of each packet filter rule of ours, so that rules of a killed run are found."""
_BRIDGE_FILTERED: Final = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
_STARVED_SHARE: Final = 0.5
"""Of what a service needs: the kernel kills it as soon as it has read its own modules."""
_UP_SECONDS_MAX: Final = 300
_HEALED_SECONDS_MAX: Final = 60


class DockerError(Exception):
    """The command failed; the text is what it said."""


@dataclass(frozen=True, slots=True)
class DockerContainer:
    """One container as Docker sees it."""

    name: str
    status: str
    """`running`, `paused`, `restarting`, `exited`."""
    health: str
    memory_bytes_max: int
    networks: Mapping[str, str]
    """Its address by the network's name."""
    starved: bool
    """Whether the kernel killed it, this time, for want of memory."""
    restarts: int


class Composed:
    """The compose project of this checkout."""

    def __init__(self) -> None:
        self.admin = ComposeAdmin()
        self._emptied: set[str] = set()

    # --- as a whole

    async def up(self) -> None:
        """Start every container that does not run, and wait until it is healthy. The others are not touched."""
        await self._mend()
        await docker("compose", "up", "--detach", "--wait", seconds_max=_UP_SECONDS_MAX)
        await self.heal_everything()

    async def heal_everything(self) -> None:
        """Bring every container to running and every border to its quick, open state, after any fault."""
        await self._mend()
        for region in layout.LETTERS:
            await self._until_border_heals(region)
        await self.admin.replication(lag_seconds=0, cut=False)
        if self._emptied:
            await self.furnish()

    async def _mend(self) -> None:
        await self.pass_packets()
        await self._feed_all()
        found = await self.containers()
        await _each("unpause", (each.name for each in found.values() if each.status == "paused"))
        await _each("start", (each.name for each in found.values() if each.status in {"exited", "created"}))
        for region in layout.LETTERS:
            border = found.get(container(region, "border"))
            if border and _WAN not in border.networks:
                await self.connect(region)

    async def _until_border_heals(self, region: str) -> None:
        """Heal it as soon as it answers: it may have started a moment ago."""

        async def healed() -> bool:
            try:
                await self.admin.heal(region)
            except AdminError:
                return False
            return True

        await _until(healed, f"the border of {region} takes orders", seconds=_HEALED_SECONDS_MAX)

    async def _feed_all(self) -> None:
        found, limits = await self.containers(), await _memory_limits()
        for name, each in found.items():
            wanted = limits.get(name.removeprefix(f"{layout.PROJECT}-").removesuffix("-1"))
            if wanted and each.memory_bytes_max != wanted:
                await _limit(name, wanted)
                await docker("restart", "--time", "0", name)

    async def containers(self) -> dict[str, DockerContainer]:
        """Return every container of both Regions that exists, by its name."""
        names = [container(region, service) for region in layout.LETTERS for service in SERVICES]
        existing = (await docker("ps", "--all", "--format", "{{.Names}}")).split()
        wanted = [name for name in names if name in existing]
        described: list[Any] = json.loads(await docker("inspect", *wanted)) if wanted else []
        return {each.name: each for each in map(_container, described)}

    async def baton(self, *arguments: str) -> str:
        """Run the `baton` command on this world as a user would; return what it prints. Raises `DockerError`."""
        return await _said([sys.executable, "-m", "baton_cli", "--world", "compose", *arguments], seconds_max=400)

    # --- containers

    async def pause(self, region: str, *services: str) -> None:
        """Freeze services of a Region, by default all of it: they run, hold their connections and do nothing."""
        await docker("compose", "pause", *_compose_names(region, services))

    async def unpause(self, region: str, *services: str) -> None:
        await docker("compose", "unpause", *_compose_names(region, services))

    async def kill(self, region: str, *services: str) -> None:
        """SIGKILL. Docker starts nothing again that was killed by hand: `start` does."""
        await docker("kill", *(container(region, service) for service in services))

    async def stop(self, region: str, *services: str) -> None:
        """SIGTERM, and SIGKILL after each one's own grace."""
        await docker("stop", *(container(region, service) for service in services))

    async def start(self, region: str, *services: str) -> None:
        await docker("start", *(container(region, service) for service in services))

    async def restart(self, *services: str) -> None:
        """Restart services of both Regions: SIGTERM, and SIGKILL two seconds later."""
        names = [container(region, service) for region in layout.LETTERS for service in services]
        await docker("restart", "--time", "2", *names)

    async def starve(self, region: str, service: str) -> None:
        """Give a service less memory than it needs: the kernel kills it, as often as Docker starts it again."""
        name = container(region, service)
        limit = int(_STARVED_SHARE * await _memory_bytes(name))
        try:
            await _limit(name, limit)
        except DockerError:
            # The first version of control groups takes no memory away that is in use.
            await docker("kill", name)
            await _limit(name, limit)
            await docker("start", name)

        async def killed() -> bool:
            each = (await self.containers())[name]
            return each.starved or each.restarts > 0

        await _until(killed, f"the kernel kills {name}", seconds=_HEALED_SECONDS_MAX)

    async def feed(self, region: str, service: str) -> None:
        """Give it the memory again that the compose file promises, and start it."""
        name = container(region, service)
        await _limit(name, (await _memory_limits())[f"{service}-{layout.LETTERS[region]}"])
        await docker("restart", "--time", "0", name)

    # --- links

    async def disconnect(self, region: str) -> None:
        """Take the Region's border off the outer network: names do not resolve, connections are refused at once."""
        await docker("network", "disconnect", _WAN, container(region, "border"))

    async def connect(self, region: str) -> None:
        """Put it back, under the name that the others use for it."""
        border = f"border-{layout.LETTERS[region]}"
        await docker("network", "connect", "--alias", border, _WAN, container(region, "border"))

    async def swallow_packets(self, region: str) -> None:
        """Drop every packet between the Region's border and the rest of the outer network. This machine's own pass."""
        address = (await self.containers())[container(region, "border")].networks[_WAN]
        for end in ("--source", "--destination"):
            await _iptables("-I", "DOCKER-USER", *_rule(end, address))

    async def pass_packets(self, region: str | None = None) -> None:
        """Remove the rules that drop a Region's packets; by default all that were ever made here."""
        if await reason_not_to_swallow():
            return
        address = None if region is None else (await self.containers())[container(region, "border")].networks[_WAN]
        for line in (await _iptables("-S", "DOCKER-USER")).splitlines():
            if _MARK in line and (address is None or f"{address}/32" in line):
                await _iptables("-D", *line.split()[1:])

    # --- state

    async def empty(self, region: str) -> None:
        """Start the Region's emulator anew: it keeps nothing, as if all disks of the Region were lost."""
        self._emptied.add(region)
        await docker("restart", "--time", "1", container(region, "localstack"))

        async def healthy() -> bool:
            return (await self.containers())[container(region, "localstack")].health == "healthy"

        await _until(healthy, f"the emulator of {region} is healthy", seconds=_HEALED_SECONDS_MAX)

    async def furnish(self) -> None:
        """Make what a Region that lost its state is missing, as an operator would. Reference data are the caller's."""

        async def made() -> bool:
            try:
                # This one alone: `docker compose up` would start what other faults have stopped.
                await docker("start", "--attach", _BOOTSTRAP, seconds_max=_HEALED_SECONDS_MAX)
            except (DockerError, TimeoutError):
                return False
            return True

        await _until(made, "buckets, queues and tables are there", seconds=_UP_SECONDS_MAX)
        self._emptied.clear()


def container(region: str, service: str) -> str:
    """Return the container's name."""
    return f"{layout.PROJECT}-{service}-{layout.LETTERS[region]}-1"


async def reason_not_to_swallow() -> str | None:
    """Return why packets cannot be dropped on this machine; None if they can."""
    try:
        bridged = _BRIDGE_FILTERED.read_text().strip() == "1"
    except OSError:
        bridged = False
    if not bridged:
        return "packets between containers of one network do not pass the packet filter (bridge-nf-call-iptables)"
    try:
        await _iptables("-S", "DOCKER-USER")
    except (DockerError, OSError) as error:
        return f"no right to change the packet filter: {error}"
    return None


def _compose_names(region: str, services: Sequence[str]) -> list[str]:
    return [f"{service}-{layout.LETTERS[region]}" for service in services or SERVICES]


def _container(described: Any) -> DockerContainer:
    state = described["State"]
    return DockerContainer(
        name=described["Name"].removeprefix("/"),
        status=state["Status"],
        health=state.get("Health", {}).get("Status", ""),
        memory_bytes_max=described["HostConfig"]["Memory"],
        networks={name: each["IPAddress"] for name, each in described["NetworkSettings"]["Networks"].items()},
        starved=state["OOMKilled"],
        restarts=described["RestartCount"],
    )


async def _memory_bytes(name: str) -> float:
    """Return what a container uses now."""
    text = (await docker("stats", "--no-stream", "--format", "{{.MemUsage}}", name)).split()[0]
    unit = next(unit for unit in _UNITS if text.endswith(unit))
    return float(text.removesuffix(unit)) * _UNITS[unit]


_UNITS: Final = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


@functools.cache
def _config() -> list[Any]:
    """Return a place for the compose file as Compose understands it."""
    return []


async def _memory_limits() -> Mapping[str, int]:
    """Return the memory that the compose file promises each of its services, in bytes."""
    kept = _config()
    if not kept:
        kept.append(json.loads(await docker("compose", "config", "--format", "json")))
    services: Mapping[str, Any] = kept[0]["services"]
    return {name: int(each["deploy"]["resources"]["limits"]["memory"]) for name, each in services.items()}


async def _limit(name: str, memory_bytes: int) -> None:
    # Without swap, if there is any: it would be slow instead of dead.
    await docker("update", "--memory", str(memory_bytes), "--memory-swap", str(memory_bytes), name)


def _rule(end: str, address: str) -> tuple[str, ...]:
    return (end, f"{address}/32", "-m", "comment", "--comment", _MARK, "-j", "DROP")


async def _iptables(*arguments: str) -> str:
    root = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    return await _said([*root, "iptables", "--wait", *arguments])


async def _each(verb: str, names: Iterable[str]) -> None:
    if listed := list(names):
        await docker(verb, *listed)


async def docker(*arguments: str, seconds_max: float = 60) -> str:
    """Run the docker command in the checkout; return what it prints. Raises `DockerError`, and `TimeoutError`."""
    return await _said(["docker", *arguments], seconds_max=seconds_max)


async def _said(command: Sequence[str], *, seconds_max: float = 60) -> str:
    running = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(seconds_max):
            out, problems = await running.communicate()
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
    if running.returncode:
        said = (problems or out).decode(errors="replace").strip()
        raise DockerError(f"`{' '.join(command)}`: {said}")
    return out.decode(errors="replace")


async def _until(look: Callable[[], Awaitable[bool]], what: str, *, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not await look():
        assert loop.time() < deadline, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.5)
