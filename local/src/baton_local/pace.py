"""Shorter waits for the world on one machine, where the Regions are not thousands of miles apart."""

from typing import Final

from baton.topology import SWEEP_SECONDS

TIME_SCALE: Final = 5.0
"""Every wait of the controller, and those of the splitter's sweeper, is divided by it. A handover is then over within
a minute, which one can watch."""
CANARY_SECONDS: Final = 5
"""What a canary may take, undivided: four services and three emulators work for it, on two cores that do all the rest
as well."""
_PAUSED: Final = 1.2
"""One is sent after so many times what it may take."""
_SPLITTER_SECONDS: Final = {"SWEEP": SWEEP_SECONDS, "UNADMITTED": 60, "UNADMITTED_STANDBY": 300, "EPOCH_POLL": 3}
"""The splitter's own defaults. Not `STALLED`: how long a message takes does not shrink with the distances."""

COMPOSE_TIME_SCALE: Final = 2.5
"""The same for the composed world: LocalStack takes several times as long for each call as MiniStack does."""
COMPOSE_CANARY_SECONDS: Final = 10
"""As on AWS. An idle world needs three; beside sixty files and a large one it needs more than five."""


def pace(scale: float = TIME_SCALE, canary_seconds: float = CANARY_SECONDS) -> dict[str, str]:
    """Return settings of every service of a world, unless the shell has others.

    What holds a worker's interpreter for as long as a canary may take ends the worker, here as on AWS.
    """
    return {
        "BATON_CONTROLLER_TIME_SCALE": f"{scale:g}",
        **{f"BATON_CONTROLLER_{name}": f"{value:g}" for name, value in _canaries(scale, canary_seconds).items()},
        "BATON_WORKER_HELD_SECONDS_MAX": f"{canary_seconds:g}",
        **{f"BATON_SPLITTER_{name}_SECONDS": f"{seconds / scale:g}" for name, seconds in _SPLITTER_SECONDS.items()},
    }


def _canaries(scale: float, canary_seconds: float) -> dict[str, float]:
    """Return how the controllers send canaries, before the scale: fewer ones that may take longer, judged as soon."""
    every = max(15, _PAUSED * canary_seconds * scale)
    return {
        "PROBE_SECONDS": every,
        "PROBE_DEADLINE_SECONDS": max(10, canary_seconds * scale),
        "FRESH_SECONDS": 3 * every,
        "CLEAR_GOOD": 300 // every,
        "GREY_CANARIES_MIN": 600 // every,
    }
