"""The pace of a local world: what it divides is what services would wait otherwise."""

from baton_local.pace import CANARY_SECONDS, COMPOSE_CANARY_SECONDS, COMPOSE_TIME_SCALE, TIME_SCALE, pace
from handover.settings import ControllerSettings
from splitter.settings import SplitterSettings
from worker.settings import WorkerSettings


def test_at_the_pace_of_aws_services_wait_as_they_do_by_default() -> None:
    own: dict[str, object] = {
        **{f"BATON_WORKER_{name}".upper(): value for name, value in WorkerSettings().model_dump().items()},
        **{f"BATON_SPLITTER_{name}".upper(): value for name, value in SplitterSettings().model_dump().items()},
        **{f"BATON_CONTROLLER_{name}".upper(): value for name, value in ControllerSettings().model_dump().items()},
    }
    told = {name: float(value) for name, value in pace(1.0, ControllerSettings().probe_deadline_seconds).items()}

    assert told == {name: own[name] for name in told}


def test_a_canary_has_its_time_in_every_world() -> None:
    for scale, seconds in ((TIME_SCALE, CANARY_SECONDS), (COMPOSE_TIME_SCALE, COMPOSE_CANARY_SECONDS)):
        told = {name.removeprefix("BATON_CONTROLLER_").lower(): value for name, value in pace(scale, seconds).items()}
        settings = ControllerSettings.model_validate(
            {name: value for name, value in told.items() if name in ControllerSettings.model_fields}
        ).scaled()

        assert settings.probe_deadline_seconds == seconds
        assert settings.probe_deadline_seconds < settings.fresh_seconds
        assert float(told["baton_worker_held_seconds_max"]) == seconds
