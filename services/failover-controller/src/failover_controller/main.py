"""Entry point of the controller's container, which runs in each Region at all times."""

import secrets
from collections.abc import Mapping
from functools import partial

from baton.aws import HttpLinkReader
from baton.region_order import refuse_another_order
from baton.service import Daemon, Process, run_daemon
from baton.settings import ReadinessSettings, SwitchSettings
from failover_controller.controller import Controller
from failover_controller.reach import Reach
from handover.settings import ControllerSettings
from handover_shell.acts import Actor, Place
from handover_shell.canary import BatchCanary
from handover_shell.link_check import LinkCheck
from handover_shell.steady import SteadyClock


def build(process: Process) -> Daemon:
    """Put the controller together."""
    controller = controller_of(process, ControllerSettings().scaled(), SwitchSettings())
    guard = partial(refuse_another_order, ledger=process.aws.ledger(), regions=process.world.regions)
    return Daemon([guard, controller.run], controller.health)


def controller_of(process: Process, settings: ControllerSettings, switch_settings: SwitchSettings) -> Controller:
    """Put a controller together from settings that are scaled already."""
    world, aws, clock = process.world, process.aws, SteadyClock(process.clock)
    instance = secrets.token_hex(4)
    ledger, switch = aws.ledger(), aws.switch(switch_settings)
    places = _places(process, settings)
    actor = Actor(
        regions=world.regions,
        ledger=ledger,
        switch=switch,
        routes=aws.routes(),
        places=places,
        clock=clock,
        at_once=settings.takeovers_at_once,
        dials_seconds=settings.dials_seconds,
    )
    readiness = ReadinessSettings()
    link = None
    if readiness.link:
        link = LinkCheck(aws.links(), HttpLinkReader(), aws.routes(), settings=settings, clock=clock)
    canary = BatchCanary(
        sender=world.region,
        ledger=ledger,
        objects={region: place.objects for region, place in places.items()},
        clock=clock,
        instance=instance,
        link=link,
    )
    provisions = aws.provisions(readiness, switch_settings)
    reach = Reach(ledger, aws.journal(), switch, actor, places, canary, aws.events(), provisions, link)
    return Controller(
        region=world.region,
        regions=world.regions,
        instance=instance,
        reach=reach,
        settings=settings,
        clock=clock,
        off_seconds=clock.off_seconds,
        log=process.log,
    )


def _places(process: Process, settings: ControllerSettings) -> Mapping[str, Place]:
    aws = process.aws
    return {
        region: Place(
            objects=aws.objects(region),
            outbox=aws.outbox(region),
            vitals=aws.vitals(
                region, ages_seconds_max=settings.call_seconds / 2, kept_seconds=settings.metrics_seconds
            ),
        )
        for region in process.world.regions
    }


if __name__ == "__main__":
    run_daemon("failover-controller", build)
