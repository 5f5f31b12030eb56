"""The environment of each container: what its settings declare, and nothing more. A test holds the two together."""

from collections.abc import Mapping
from typing import Final

from baton_infra.config import EnvironmentConfig
from handover.settings import ControllerSettings

_WORKER: Final = {
    # One vCPU: one thread that computes.
    "POLARS_MAX_THREADS": "1",
    # glibc gives each thread an arena that keeps what was freed: tens of MiB each.
    "MALLOC_ARENA_MAX": "1",
}


def of_service(
    service: str, config: EnvironmentConfig, *, mrap_arn: str, switch: Mapping[str, str]
) -> Mapping[str, str]:
    """Return what a service is told besides `BatonStack.world_environment`.

    Raises `ValueError` or `pydantic.ValidationError` for a setting of the controller that is none.
    """
    match service:
        case "worker":
            return _WORKER
        case "notifier":
            return {
                "BATON_MRAP_ARN": mrap_arn,
                "BATON_NOTIFIER_SENDER": str(config.sender),
                "BATON_NOTIFIER_OPERATORS": ",".join(map(str, config.operators)),
            }
        case "failover-controller":
            return {"BATON_MRAP_ARN": mrap_arn, **switch, **_controller(config.controller)}
        case _:
            return {}


def _controller(settings: Mapping[str, str]) -> Mapping[str, str]:
    if unknown := settings.keys() - ControllerSettings.model_fields.keys():
        raise ValueError(f"[controller] has no setting {', '.join(sorted(unknown))}")
    ControllerSettings.model_validate(settings)  # here, not when the container starts
    return {f"BATON_CONTROLLER_{name.upper()}": value for name, value in settings.items()}
