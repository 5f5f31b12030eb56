"""Entry point of the notifier's container: consumes the notify queue."""

import asyncio
from typing import Final

from baton.context import Context
from baton.messages import LANES
from baton.offload import Offload
from baton.service import Service, run_service
from notifier.handler import Notifier
from notifier.notice import Notice
from notifier.rejects import RejectsOf
from notifier.settings import NotifierSettings

SLOTS: Final = 8
"""Of each lane. It waits for others nearly all the time; deletes and receives are shared by ten."""


def build(context: Context, *, offload: Offload = asyncio.to_thread) -> Service:
    """Put the notifier together."""
    ports, clock = context.ports, context.clock
    ledger, objects, mailer, settings = ports.ledger(), ports.objects(), ports.mailer(), NotifierSettings()
    progress, heartbeats, links = ports.progress(), ports.heartbeats(), ports.links()
    notice = Notice(
        ledger=ledger, heartbeats=heartbeats, mailer=mailer, catalog=context.catalog, clock=clock, settings=settings
    )
    rejects = RejectsOf(objects=objects, progress=progress, offload=offload, settings=settings, log=context.log)

    def handler() -> Notifier:
        return Notifier(
            batches=context.batches(),
            ledger=ledger,
            objects=objects,
            mailer=mailer,
            links=links,
            rejects=rejects,
            notice=notice,
            catalog=context.catalog,
            clock=clock,
            settings=settings,
            log=context.log,
        )

    return Service({lane: handler() for lane in LANES})


if __name__ == "__main__":
    run_service("notifier", "notify", build, slots=SLOTS)
