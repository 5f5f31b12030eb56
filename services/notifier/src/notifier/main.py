"""Entry point of the notifier's container: consumes the notify queue."""

import asyncio
from typing import Final

from baton.context import Context
from baton.offload import Offload
from baton.service import Service, run_service
from notifier.handler import Notifier
from notifier.notice import Notice
from notifier.rejects import RejectsOf
from notifier.settings import NotifierSettings

SLOTS: Final = 8
"""It waits for others nearly all the time; deletes and receives are shared by ten."""


def build(context: Context, *, offload: Offload = asyncio.to_thread) -> Service:
    """Put the notifier together."""
    ports, clock = context.ports, context.clock
    ledger, objects, mailer, settings = ports.ledger(), ports.objects(), ports.mailer(), NotifierSettings()
    handler = Notifier(
        batches=context.batches(),
        ledger=ledger,
        objects=objects,
        mailer=mailer,
        links=ports.links(),
        rejects=RejectsOf(
            objects=objects, progress=ports.progress(), offload=offload, settings=settings, log=context.log
        ),
        notice=Notice(
            ledger=ledger,
            heartbeats=ports.heartbeats(),
            mailer=mailer,
            catalog=context.catalog,
            clock=clock,
            settings=settings,
        ),
        catalog=context.catalog,
        clock=clock,
        settings=settings,
    )
    return Service(handler)


if __name__ == "__main__":
    run_service("notifier", "notify", build, slots=SLOTS)
