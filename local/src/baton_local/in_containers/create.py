"""Creates the resources of the composed world before its services start. Runs at each `up`.

What exists already stays as it is; an emulator that came back empty gets everything again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from baton.errors import BatonError
from baton_local import bootstrap
from baton_local.in_containers.outside import OutsideSettings

_log = logging.getLogger(__name__)

_SECONDS_MAX: Final = 180
"""An emulator that says it is healthy may still load a service at its first call, for a minute on a busy machine."""
_PAUSE_SECONDS: Final = 2


async def create() -> None:
    """Make queues, buckets and tables of both Regions and the ledger, and the notifications of new objects."""
    settings = OutsideSettings()
    async with AsyncExitStack() as stack:
        aws = await bootstrap.connect(stack, settings.topology, settings.endpoints(), settings.ledger)
        await bootstrap.create_world(aws)
        for region in settings.topology.regions:
            await bootstrap.notify(aws, region, trigger_queue_arn=await bootstrap.create_trigger_queue(aws, region))


async def until_done(work: Callable[[], Awaitable[None]], *, seconds_max: float = _SECONDS_MAX) -> None:
    """Do the work, again and again if AWS refuses or does not answer; raise its last error once the time is over."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds_max
    while True:
        try:
            await work()
        except (BatonError, ClientError, BotoCoreError) as error:
            if loop.time() > deadline:
                raise
            _log.warning("not yet: %r", error)
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(until_done(create))
