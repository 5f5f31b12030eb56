"""The environment variables of each container: those that its settings declare, and no others. A test compares both."""

from collections.abc import Mapping

from baton.settings import WORKER_ENVIRONMENT
from baton_infra.config import EnvironmentConfig
from baton_infra.declared import readiness
from baton_infra.sizes import HEALTH_PORTS, SHARED_ENVIRONMENT
from handover.settings import ControllerSettings


def of_shared(service: str) -> Mapping[str, str]:
    """Return what a service's container is told besides, in a task that holds others as well."""
    return {**SHARED_ENVIRONMENT[service], "BATON_RUNNER_HEALTH_PORT": f"{HEALTH_PORTS[service]}"}


def of_service(
    service: str, config: EnvironmentConfig, *, mrap_arn: str, switch: Mapping[str, str]
) -> Mapping[str, str]:
    """Return a service's variables besides `BatonStack.world_environment`.

    Raises `ValueError` or `pydantic.ValidationError` for a setting of the controller that is none.
    """
    match service:
        case "worker":
            return WORKER_ENVIRONMENT
        case "notifier":
            return {
                "BATON_MRAP_ARN": mrap_arn,
                "BATON_NOTIFIER_SENDER": str(config.sender),
                "BATON_NOTIFIER_OPERATORS": ",".join(map(str, config.operators)),
            }
        case "failover-controller":
            own = {"BATON_MRAP_ARN": mrap_arn, **readiness.environment(config)}
            return {**own, **switch, **_controller(config.controller_settings)}
        case _:
            return {}


def _controller(settings: Mapping[str, str]) -> Mapping[str, str]:
    if unknown := settings.keys() - ControllerSettings.model_fields.keys():
        raise ValueError(f"[controller] has no setting {', '.join(sorted(unknown))}")
    ControllerSettings.model_validate(settings)  # here, not when the container starts
    return {f"BATON_CONTROLLER_{name.upper()}": value for name, value in settings.items()}
