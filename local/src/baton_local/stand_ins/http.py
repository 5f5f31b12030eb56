"""Forwards HTTP requests; used by the front door and the mailbox."""

from collections.abc import Mapping
from typing import Final

from aiohttp import web
from multidict import CIMultiDict

from baton_local.stand_ins.gates import HOST

_HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect"}
)


def forwardable(headers: Mapping[str, str], *drop: str) -> CIMultiDict[str]:
    """Return the headers that belong to the message and not to one connection; without those in `drop` as well."""
    dropped = _HOP_BY_HOP.union(drop)
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in dropped)


async def serve(app: web.Application, port: int, *, listens_on: str = HOST) -> web.AppRunner:
    """Start an application, on this machine alone unless told otherwise; return its runner, whose `cleanup` ends it."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, listens_on, port).start()
    return runner
