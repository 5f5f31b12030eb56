"""Settings that the local world reads from its environment."""

import os
import sys
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class LocalSettings(BaseSettings):
    """Where things are on this machine. Names start with `BATON_LOCAL_`, except what every process inherits."""

    model_config = SettingsConfigDict(env_prefix="BATON_LOCAL_", extra="ignore", frozen=True, populate_by_name=True)

    port_base: int | None = Field(default=None, ge=1024, le=65_000)
    """First of about 50 consecutive ports. None: the system picks free ones."""
    emulator_python: Path = Path(sys.prefix).parent / ".venv-emulator" / "bin" / "python"
    """Python of the environment that holds the emulator, which pins a botocore of its own."""

    arc_wait_seconds: float = Field(default=5, ge=0)
    """Wait period of the routing controls after each change. ARC's default; on AWS 60 and more are advised."""

    path: str = Field(default="/usr/local/bin:/usr/bin:/bin", validation_alias="PATH")
    home: str = Field(default="/", validation_alias="HOME")
    python_path: str = Field(default="", validation_alias="PYTHONPATH")
    jobs_package: str = Field(default="baton_jobs", validation_alias="BATON_JOBS_PACKAGE")

    @staticmethod
    def of_services() -> dict[str, str]:
        """Return what the shell says to the services themselves: `BATON_RUNNER_*`, `BATON_SPLITTER_*` and so on."""
        names = ("RUNNER", "SPLITTER", "WORKER", "MERGER", "NOTIFIER", "CONTROLLER")
        prefixes = tuple(f"BATON_{name}_" for name in names)
        return {name: value for name, value in os.environ.items() if name.startswith(prefixes)}  # noqa: TID251 - this is settings.py

    @staticmethod
    def of_shell() -> dict[str, str]:
        """Return everything that the shell says, for a command that the demo types in its user's place."""
        return dict(os.environ)  # noqa: TID251 - this is settings.py

    def inherited(self) -> dict[str, str]:
        """Return what a child process takes over: nothing that could point it at a real account."""
        inherited = {"PATH": self.path, "HOME": self.home, "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
        # Everything is on this machine: a proxy that the shell knows must not be asked.
        inherited |= {"NO_PROXY": "*", "no_proxy": "*"}
        if self.python_path:
            inherited["PYTHONPATH"] = self.python_path
        return inherited

    def of_supervisor(self) -> dict[str, str]:
        """Return the environment of the supervisor: the same settings, and nothing else."""
        own = {
            "BATON_LOCAL_EMULATOR_PYTHON": str(self.emulator_python),
            "BATON_LOCAL_ARC_WAIT_SECONDS": str(self.arc_wait_seconds),
            "BATON_JOBS_PACKAGE": self.jobs_package,
        }
        if self.port_base is not None:
            own["BATON_LOCAL_PORT_BASE"] = str(self.port_base)
        return self.inherited() | self.of_services() | own
