"""Helpers for tests that run the local world."""

import asyncio
import functools
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config

from baton_local import state
from baton_local.roster import LocalService, LocalTrigger, Roster
from baton_local.state import World
from baton_local.switches.admin import Admin, SupervisorStatus

HERE = Path(__file__).parents[1] / "integration" / "local"


def tiny_roster(directory: Path) -> Roster:
    """Return one service per Region that writes its environment into `directory`, and a trigger."""
    directory.mkdir(parents=True, exist_ok=True)
    service = LocalService(name="tiny", command=(sys.executable, str(HERE / "tiny_service.py"), str(directory)))
    trigger = LocalTrigger(handler="tiny_trigger.handler", sources=(HERE / "tiny_trigger.py",), requirements=None)
    return Roster(services=(service,), trigger=trigger)


def environment_for(world: World, region: str) -> dict[str, str]:
    """Return the environment of a process outside the Regions (the command line) that looks at `region`."""
    return {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ENDPOINT_URL": world.region_endpoints[region],
        "AWS_ENDPOINT_URL_LEDGER": world.global_endpoint,
        "AWS_ENDPOINT_URL_MRAP": world.mrap_endpoint,
        "AWS_ENDPOINT_URL_MRAP_CONTROL": world.mrap_endpoint,
        "AWS_ENDPOINT_URL_SES": world.global_endpoint,
        "AWS_ENDPOINT_URL_STS": world.global_endpoint,
        **state.credentials(world.account_id),
        **state.switch(world.arc_endpoints, world.arc_controls),
        "BATON_ENVIRONMENT": world.environment,
        "BATON_ACCOUNT_ID": world.account_id,
        "BATON_REGIONS": ",".join(world.regions),
        "BATON_STAND_IN_REPLICATION": "true",
    }


@functools.cache
def client(
    service: str, endpoint: str, region: str = "us-east-1", *, read_timeout: float = 20, attempts: int = 3
) -> Any:
    """Return a blocking client that waits `read_timeout` seconds for each answer.

    By default it tries again: a connection that it kept may be one that a heal closed.
    """
    config = Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        s3={"addressing_style": "path"},
        read_timeout=read_timeout,
    )
    session: Any = botocore.session.get_session()
    return session.create_client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id="000000000000",
        aws_secret_access_key="local",
        config=config,
    )


def bucket(region: str) -> str:
    return f"baton-local-data-000000000000-{region}"


def do[T](work: Coroutine[Any, Any, T]) -> T:
    """Run one call of the admin client."""
    return asyncio.run(work)


def status(world: World) -> SupervisorStatus:
    return do(Admin(world.admin_endpoint).status())


def eventually[T](look: Callable[[], T], *, seconds: float = 15) -> T:
    """Return the first true answer of `look`. Raises `AssertionError` with the last one if none comes in time."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"still {seen!r} after {seconds} s"
        threading.Event().wait(0.02)
    return seen


def processes_naming(text: str) -> list[str]:
    """Return the command lines of all processes that name `text` in their command or their environment."""
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and any(
                text.encode() in (entry / name).read_bytes() for name in ("cmdline", "environ")
            ):
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # it ended meanwhile
    return found
