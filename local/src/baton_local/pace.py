"""Shorter waits for the world on one machine, where the Regions are not thousands of miles apart."""

from typing import Final

TIME_SCALE: Final = 5.0
"""Every wait of the controller, and those of the splitter's sweeper, is divided by it. A handover is then over within
20 seconds, which one can watch, while a canary (a cold Lambda process, four services, three emulators) still has its
time on two cores that do all the rest as well."""
_SPLITTER_SECONDS: Final = {"SWEEP": 30, "UNADMITTED": 60, "UNADMITTED_STANDBY": 300, "EPOCH_POLL": 3}
"""The splitter's own defaults. Not `STALLED`: how long a message takes does not shrink with the distances."""

COMPOSE_TIME_SCALE: Final = 2.5
"""The same for the composed world: LocalStack takes several times as long for each call as MiniStack does."""


def pace(scale: float = TIME_SCALE) -> dict[str, str]:
    """Return settings of every service of a world, unless the shell has others."""
    return {
        "BATON_CONTROLLER_TIME_SCALE": f"{scale:g}",
        **{f"BATON_SPLITTER_{name}_SECONDS": f"{seconds / scale:g}" for name, seconds in _SPLITTER_SECONDS.items()},
    }
