"""The two sizes of an environment, and what each runs: tasks, their containers, and how often a controller looks."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from baton.model.plan import MIB
from baton.topology import CONTROLLER, SERVICES


class Size(StrEnum):
    """How much an environment spends while nobody sends a file."""

    STANDARD = "standard"
    """A task of its own for each service, in a network without a way out."""
    LEAN = "lean"
    """One task per Region with the containers of all services side by side, and workers on Spot beside it while chunks
    wait: at most $100 a month. Every promise of correctness and fencing holds, since the ledger keeps them. Given up:

    - Services neither fail nor scale alone: half a vCPU and 4 GiB are everybody's, and all containers have one role,
      which may do what any of them may.
    - Tasks have public addresses, so what parses strangers' files has a way out. Nobody may call in.
    - One task, in one zone: when that zone is lost, ECS starts it in the other one, and files wait for a few minutes.
    - A dead Region is left within 245 s (`LEAN_CONTROLLER`), not within 90 s.
    - A busy task may be stopped by a deployment; another one continues what it hands back.
    - One dashboard, and one alarm on waiting messages, on those of ordinary chunks.
    """


class Frozen(BaseModel):
    """A table of the file: every key is known, none changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Tasks(Frozen):
    """Size and number of one service's tasks."""

    cpu: Literal[256, 512, 1024, 2048, 4096] = 256
    """Units of 1/1024 vCPU."""
    memory_mib: int = Field(default=512, ge=512)
    tasks_min: int = Field(default=1, ge=1)
    """Also the standby's: what runs already needs no control plane to take over. Never none: canaries go through every
    service at all times, and each would be late while the first task starts."""
    tasks_max: int = Field(default=4, ge=1)
    spot: bool = False
    """Run what is above `on_demand_base` as Fargate Spot: for tasks that may be stopped with two minutes' notice."""
    on_demand_base: int = Field(default=1, ge=0)
    """Tasks that are never Spot."""


TASKS: Final = {
    # Sizes by docs/performance.md. Memory is what all lanes of a service hold together at most, whatever the files, as
    # `tests/infra/test_task_memory.py` adds it up: 857, 2,711, 450 and 383 MiB.
    "splitter": Tasks(cpu=512, memory_mib=1024),
    "worker": Tasks(cpu=1024, memory_mib=3072, tasks_max=50, spot=True),
    "merger": Tasks(),
    "notifier": Tasks(tasks_max=2),
    # One, never scaled: two would do no harm, and no good.
    CONTROLLER: Tasks(tasks_max=1),
}
"""What an environment's file need not say."""

SHARED: Final = "shared"
"""The ECS service of a lean environment whose one task holds all containers."""
SHARED_TASK: Final = Tasks(cpu=512, memory_mib=4096, tasks_max=1)
SHARED_MEMORY_MIB: Final[Mapping[str, int]] = {
    "splitter": 592,
    "worker": 2192,
    "merger": 416,
    "notifier": 368,
    CONTROLLER: 288,
}
"""Of each container in the shared task: more ends that container alone, which ECS starts again in place."""
HEALTH_PORTS: Final[Mapping[str, int]] = {service: 8080 + number for number, service in enumerate(SERVICES)}
"""Containers of one task share its addresses."""
SHARED_ENVIRONMENT: Final[Mapping[str, Mapping[str, str]]] = {
    # What each may hold at once is less than in a task of its own, so that all of them fit; no file is refused for it.
    "splitter": {"BATON_RUNNER_SLOTS": "1"},
    "worker": {
        "BATON_RUNNER_SLOTS": "1",
        "BATON_WORKER_CHUNKS_CACHED": "9000",
        "BATON_WORKER_REFERENCE_BYTES_IN_MEMORY_MAX": f"{16 * MIB}",
        "BATON_WORKER_REFERENCE_BYTES_CACHED": f"{64 * MIB}",
        "BATON_WORKER_REFERENCE_BYTES_IN_ALL_MAX": f"{96 * MIB}",
    },
    "merger": {"BATON_RUNNER_SLOTS": "1"},
    "notifier": {"BATON_RUNNER_SLOTS": "1"},
    CONTROLLER: {},
}
"""Variables of the containers in the shared task, besides those of their services."""

LEAN_CONTROLLER: Final[Mapping[str, str]] = {
    # All that is measured four times as seldom, and everything that waits for measurements as much longer.
    "beat_seconds": "15",
    "silence_seconds": "40",
    "written_seconds": "45",
    "driver_seconds": "90",
    "probe_seconds": "60",
    "probe_deadline_seconds": "30",
    "vitals_seconds": "60",
    "fresh_seconds": "180",
    "together_seconds": "480",
    "grey_seconds": "2400",
    "verify_seconds": "360",
}
"""A controller's settings in a lean environment, unless its file says otherwise."""
