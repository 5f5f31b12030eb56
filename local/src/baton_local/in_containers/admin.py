"""The fault switches of the composed world: asks a Region's border, and tells Docker to stop or pause containers."""

import asyncio
from typing import Any, override

from baton_local.in_containers import layout
from baton_local.in_containers.border import DYNAMODB, BorderChange
from baton_local.stand_ins.refuser import RefusalKind
from baton_local.switches.admin import Admin, AdminError


class ComposeAdmin(Admin):
    """Client of the composed world. Needs the `docker` command for what is done to a service."""

    def __init__(self) -> None:
        super().__init__(layout.WORLD.admin_endpoint)
        self._borders = {region: Admin(endpoint) for region, endpoint in layout.BORDER_ADMINS.items()}

    @override
    async def cut(self, region: str) -> None:
        await self._change(region, BorderChange(cut=True))

    @override
    async def heal(self, region: str) -> None:
        await self._change(region, BorderChange(cut=False, delay_seconds=0, refused_share=0))

    @override
    async def slow(self, region: str, seconds: float, link: str | None = None) -> None:
        await self._change(region, BorderChange(delay_seconds=seconds, link=link))

    @override
    async def throttle(self, region: str, share: float) -> None:
        await self.refuse(region, DYNAMODB, share, RefusalKind.THROTTLED)

    @override
    async def refuse(self, region: str, link: str, share: float, answer: RefusalKind) -> None:
        await self._change(region, BorderChange(link=link, refused_share=share, answer=answer))

    @override
    async def kill(self, region: str, service: str) -> None:
        name = _container(region, service)
        # A container that was killed by hand is not restarted by its policy: it is started here, as a scheduler would.
        await _docker("kill", name)
        await _docker("start", name)

    @override
    async def pause(self, region: str, service: str) -> None:
        await _docker("pause", _container(region, service))

    @override
    async def resume(self, region: str, service: str) -> None:
        await _docker("unpause", _container(region, service))

    async def _change(self, region: str, change: BorderChange) -> None:
        if region not in self._borders:
            raise AdminError(f"no such Region; there are {', '.join(self._borders)}")
        await self._borders[region].call("POST", "/change", change)


def _container(region: str, service: str) -> str:
    if region not in layout.LETTERS:
        raise AdminError(f"no such Region; there are {', '.join(layout.LETTERS)}")
    # A Region's emulator has the name of its image here.
    return f"{'controller' if service == 'failover-controller' else service}-{layout.LETTERS[region]}"


async def _docker(verb: str, service: str) -> None:
    command: tuple[Any, ...] = ("docker", "compose", "--project-name", layout.PROJECT, verb, service)
    try:
        running = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
    except FileNotFoundError as error:
        raise AdminError("the `docker` command is not here: it is what stops and starts containers") from error
    said, _ = await running.communicate()
    if running.returncode:
        raise AdminError(f"`{' '.join(command)}`: {said.decode(errors='replace').strip()}")
