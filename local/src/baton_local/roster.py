"""The services that run in each Region besides the emulator: a parameter, so that tests can run others."""

import importlib.util
import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from baton.settings import WORKER_ENVIRONMENT
from baton.topology import CONTROLLER, STAGES


class LocalService(BaseModel):
    """One long-running process per Region. It answers `/healthz` on the port in BATON_RUNNER_HEALTH_PORT."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = Field(default_factory=dict[str, str])

    @property
    def module(self) -> str | None:
        """What `python -m` runs, if a process that has imported it may become this service by a fork.

        Not if the service has an environment of its own: libraries read such variables when they are loaded.
        """
        is_module = self.command[:2] == (sys.executable, "-m") and not self.environment
        return self.command[2] if is_module and sys.platform == "linux" else None


class LocalTrigger(BaseModel):
    """The Lambda function that S3 calls for each input. `sources` are packages or modules put beside its libraries."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    handler: str
    sources: tuple[Path, ...]
    requirements: Path | None
    """Names the libraries that go into the zip, in the versions that are installed here. None: no libraries."""


class Roster(BaseModel):
    """Services of each Region, its trigger (None: nothing reacts to an input), and who watches them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    services: tuple[LocalService, ...] = ()
    trigger: LocalTrigger | None = None
    watchers: tuple[LocalService, ...] = ()
    """Started once services and trigger are healthy: canaries sent before would be held against the Region."""
    is_locked: bool = False
    """Whether each service, the trigger and replication may do only what their roles on AWS may."""

    @property
    def modules(self) -> tuple[str, ...]:
        """What one process imports for all services that it may become."""
        return tuple(module for service in (*self.services, *self.watchers) if (module := service.module))


def product(jobs_package: str) -> Roster:
    """Return the roster of the product itself."""
    return Roster(
        services=tuple(
            LocalService(
                name=name,
                command=(sys.executable, "-m", f"{name}.main"),
                environment=WORKER_ENVIRONMENT if name == "worker" else {},
            )
            for name in STAGES
        ),
        trigger=LocalTrigger(
            handler="trigger.function.handler",
            sources=tuple(_location(name) for name in ("baton", "trigger", jobs_package)),
            requirements=Path(__file__).parents[3] / "requirements" / "trigger.txt",
        ),
        watchers=(LocalService(name=CONTROLLER, command=(sys.executable, "-m", "failover_controller.main")),),
        is_locked=True,
    )


def _location(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{package} is not installed")
    origin = Path(spec.origin)
    return origin.parent if origin.name == "__init__.py" else origin
