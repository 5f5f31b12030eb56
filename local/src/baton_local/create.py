"""Makes what the composed world holds before its services start: `python -m baton_local.create`, at each `up` anew.

What is there already stays as it is; an emulator that came back empty has everything again.
"""

import asyncio
from contextlib import AsyncExitStack

from baton_local import bootstrap
from baton_local.outside import OutsideSettings


async def create() -> None:
    """Make queues, buckets and tables of both Regions and the ledger, and what tells of new objects."""
    settings = OutsideSettings()
    async with AsyncExitStack() as stack:
        aws = await bootstrap.connect(stack, settings.topology, settings.endpoints(), settings.ledger)
        await bootstrap.create_world(aws)
        for region in settings.topology.regions:
            await bootstrap.notify(aws, region, trigger_queue_arn=await bootstrap.create_trigger_queue(aws, region))


if __name__ == "__main__":
    asyncio.run(create())
