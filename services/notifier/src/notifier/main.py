"""The notifier's container: consumes the notify queue."""

from typing import Final

from baton.batches import Batches
from baton.service import Context, Service, run_service
from notifier.handler import Notifier
from notifier.settings import NotifierSettings

SLOTS: Final = 8
"""It waits for others nearly all the time; deletes and receives are shared by ten."""


def build(context: Context) -> Service:
    """Put the notifier together."""
    aws, clock = context.aws, context.clock
    ledger = aws.ledger()
    handler = Notifier(
        batches=Batches(region=context.world.region, ledger=ledger, outbox=aws.outbox(), clock=clock),
        ledger=ledger,
        objects=aws.objects(),
        mailer=aws.mailer(),
        links=aws.links(),
        catalog=context.catalog,
        clock=clock,
        settings=NotifierSettings(),
    )
    return Service(handler)


if __name__ == "__main__":
    run_service("notifier", "notify", build, slots=SLOTS)
