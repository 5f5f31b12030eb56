"""The notifier's container: consumes the notify queue."""

from typing import Final

from baton.batches import Batches
from baton.context import Context
from baton.service import Service, run_service
from notifier.handler import Notifier
from notifier.settings import NotifierSettings

SLOTS: Final = 8
"""It waits for others nearly all the time; deletes and receives are shared by ten."""


def build(context: Context) -> Service:
    """Put the notifier together."""
    ports, clock = context.ports, context.clock
    ledger = ports.ledger()
    handler = Notifier(
        batches=Batches(region=context.region, ledger=ledger, outbox=ports.outbox(), clock=clock),
        ledger=ledger,
        objects=ports.objects(),
        mailer=ports.mailer(),
        links=ports.links(),
        catalog=context.catalog,
        clock=clock,
        settings=NotifierSettings(),
    )
    return Service(handler)


if __name__ == "__main__":
    run_service("notifier", "notify", build, slots=SLOTS)
