"""The file that says which world is running: `.baton/world.json`. The command line finds the world through it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from baton_local.processes import pids

DIRECTORY: Final = Path(".baton")
_FILE: Final = "world.json"


class World(BaseModel):
    """A running world. Endpoints are URLs without a path, as reached from outside the Regions."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = 1
    pid: int
    """Process id of the supervisor."""
    environment: str = "local"
    account_id: str = "000000000000"
    regions: tuple[str, str]
    region_endpoints: dict[str, str]
    """Each Region's gate: silent while the Region is cut."""
    global_endpoint: str
    mrap_endpoint: str
    """Of the access point: its data, and S3 Control for its dials."""
    arc_endpoints: dict[str, str] = Field(default_factory=dict[str, str])
    """URL, with its path, of each of the routing-control cluster's five endpoints by their Region."""
    arc_controls: dict[str, str] = Field(default_factory=dict[str, str])
    """ARN of each Region's routing control."""
    dns_endpoint: str = ""
    """`host:port` (UDP) of the name server that knows `Topology.active_record`."""
    admin_endpoint: str
    log_directory: str


def read(directory: Path = DIRECTORY) -> World | None:
    """Return the running world; None if there is none, or if its supervisor is dead."""
    try:
        text = (directory / _FILE).read_text()
    except OSError:
        return None
    world = World.model_validate_json(text)
    return world if pids.is_alive(world.pid) else None


def write(world: World, directory: Path = DIRECTORY) -> None:
    """Write the state file in one step, so that no reader sees half of it."""
    directory.mkdir(parents=True, exist_ok=True)
    draft = directory / f"{_FILE}.draft"
    draft.write_text(world.model_dump_json(indent=2))
    draft.replace(directory / _FILE)


def switch(endpoints: Mapping[str, str], controls: Mapping[str, str]) -> dict[str, str]:
    """Return a process's settings for the routing-control cluster."""
    if not endpoints:
        return {}
    return {
        "BATON_SWITCH_KIND": "arc",
        "BATON_SWITCH_ENDPOINTS": ",".join(f"{region}={url}" for region, url in endpoints.items()),
        "BATON_SWITCH_CONTROLS": ",".join(f"{region}={arn}" for region, arn in controls.items()),
    }


def credentials(account_id: str) -> dict[str, str]:
    """Return credentials for the emulators: an access key of 12 digits names its account, the secret is not secret."""
    return {"AWS_ACCESS_KEY_ID": account_id, "AWS_SECRET_ACCESS_KEY": "local", "AWS_EC2_METADATA_DISABLED": "true"}
