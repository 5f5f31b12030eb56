"""Addresses and container names of the composed world, as in its compose file.

A test compares this with `docker-compose.yml`.
"""

from collections.abc import Mapping
from typing import Final

from baton.aws import SystemClock
from baton.topology import REGIONS_DEFAULT
from baton_local.stand_ins import arc
from baton_local.stand_ins.gates import HOST
from baton_local.state import World

PROJECT: Final = "baton"
LETTERS: Final[Mapping[str, str]] = dict(zip(REGIONS_DEFAULT, "ab", strict=True))
"""What ends the name of every container of a Region: `worker-a`."""
EMULATOR_PORT: Final = 4566
"""Of the emulators, and of each border for those who look into its Region."""
BORDER_ADMIN_PORT: Final = 4569
FRONT_DOOR_PORT: Final = 14570
MAIL_PORT: Final = 14571
ADMIN_PORT: Final = 14580
ARC_PORT: Final = 14580
"""Of the cluster's endpoints: this and its number, from 1 to 5."""
DNS_PORT: Final = 14553

_PUBLISHED: Final[Mapping[str, int]] = {"us-east-1": 14566, "us-west-2": 14567}
_PUBLISHED_LEDGER: Final = 14568
BORDER_ADMINS: Final[Mapping[str, str]] = {"us-east-1": f"http://{HOST}:14591", "us-west-2": f"http://{HOST}:14592"}
"""Where each border takes its orders, from this machine."""
_ACCOUNT_ID: Final = "000000000000"
_CLUSTER: Final = arc.Cluster(_ACCOUNT_ID, REGIONS_DEFAULT, clock=SystemClock())
WORLD: Final = World(
    pid=0,
    account_id=_ACCOUNT_ID,
    regions=REGIONS_DEFAULT,
    region_endpoints={region: f"http://{HOST}:{port}" for region, port in _PUBLISHED.items()},
    global_endpoint=f"http://{HOST}:{_PUBLISHED_LEDGER}",
    mrap_endpoint=f"http://localhost:{FRONT_DOOR_PORT}",
    arc_endpoints={each.region: f"http://{HOST}:{ARC_PORT + each.number}{arc.PATH}" for each in _CLUSTER.endpoints},
    arc_controls=dict(_CLUSTER.controls),
    dns_endpoint=f"{HOST}:{DNS_PORT}",
    admin_endpoint=f"http://{HOST}:{ADMIN_PORT}",
    log_directory="docker compose logs",
)
