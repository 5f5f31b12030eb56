"""Each process on AWS gets exactly the environment variables that its settings declare, and they can be read."""

import importlib
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, Final

import pytest
from pydantic_settings import BaseSettings

import baton.service
from baton.aws import Aws, SystemClock
from baton.catalog import load_jobs
from baton.context import Context
from baton.model.journal import Verdict
from baton.ports import TaskCounts
from baton.service import Process
from baton.settings import ReadinessSettings, RunnerSettings, SwitchSettings, WorldSettings
from baton.topology import REGIONS_DEFAULT, SERVICES
from baton_infra import config
from baton_infra.app import build
from baton_infra.declared import alarms
from baton_infra.sizes import HEALTH_PORTS, LEAN_CONTROLLER, SHARED
from baton_proof.logs import silent_log
from controller_made import START
from handover import provided
from handover.settings import ControllerSettings, Mode
from notifier.settings import NotifierSettings
from synthesized import resources, templates
from template_reading import Templates, planted

CONTROLLER: Final = "failover-controller"
TRIGGER: Final = "trigger"
OF_CONTROLLER: Final = "BATON_CONTROLLER_"
OF_LIBRARIES: Final = {"worker": {"MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "POLARS_MAX_THREADS"}}
"""Read by glibc and polars."""
FITS: Final[Mapping[str, str]] = {
    "AWS_REGION": "set by ECS, and by Lambda",
    "ECS_AGENT_URI": "set by ECS",
    "ECS_CONTAINER_METADATA_URI_V4": "set by ECS",
    "AWS_ENDPOINT_URL_": "for one machine: on AWS the SDK knows where everything is",
    "BATON_REGION_ENDPOINTS": "the same",
    "BATON_STAND_IN_REPLICATION": "the same: S3 itself keeps the id of a version that it replicates",
    "BATON_JOBS_PACKAGE": "the image holds the jobs under this name",
    "BATON_LOG_FORMAT": "JSON is for machines",
    "BATON_RUNNER_": "bounds whose reasons are AWS's own",
    "BATON_SPLITTER_": "the same",
    "BATON_WORKER_": "the same",
    "BATON_NOTIFIER_CLAIM_LEASE_SECONDS": "the same",
    "BATON_NOTIFIER_REJECTS_": "the same",
    "BATON_CONTROLLER_": "the same; `[controller]` of an environment's file changes them",
    "BATON_SWITCH_": "what a kind of switch needs, the settings demand themselves when the controller is built",
}
"""Settings, or what their names start with, whose default is right on AWS."""
FITS_SOME: Final[Mapping[str, tuple[str, ...]]] = {
    # Who neither signs links nor turns dials knows no access point.
    "BATON_MRAP_ARN": (TRIGGER, "splitter", "worker", "merger"),
}
ENDPOINTS: Final = ",".join(f"{region}=https://x.{region}.example.com/v1" for region in "abcde")

everywhere = pytest.mark.parametrize("environment", config.names())
in_each = pytest.mark.parametrize("region", REGIONS_DEFAULT)
of_all = pytest.mark.parametrize("process", [*SERVICES, TRIGGER])


def _module(process: str) -> ModuleType:
    return importlib.import_module("trigger.function" if process == TRIGGER else f"{process.replace('-', '_')}.main")


def _settings(process: str) -> set[type[BaseSettings]]:
    """Return the settings that a process reads: those that its composition root, or the library's, imports."""
    modules = [_module(process)]
    if process != TRIGGER:
        modules.append(baton.service)
    found = [value for module in modules for value in vars(module).values() if isinstance(value, type)]
    return {each for each in found if issubclass(each, BaseSettings) and each is not BaseSettings}


def _declared(settings: type[BaseSettings]) -> Iterator[str]:
    """Yield the names of a class's variables."""
    prefix = settings.model_config.get("env_prefix", "")
    for name, field in settings.model_fields.items():
        yield field.validation_alias if isinstance(field.validation_alias, str) else f"{prefix}{name}".upper()


def _set(found: Templates, region: str, process: str) -> dict[str, str]:
    """Return what a process finds in its environment, with stand-ins for what is known after a deployment."""
    if process == TRIGGER:
        functions = resources(found[f"data-{region}"], "AWS::Lambda::Function").values()
        (made,) = (each["Properties"] for each in functions if each["Properties"]["FunctionName"].endswith(TRIGGER))
        variables = made["Environment"]["Variables"].items()
    else:
        tasks = resources(found[f"compute-{region}"], "AWS::ECS::TaskDefinition").values()
        # A lean environment has a worker in the shared task, and one in a task of its own.
        containers = [container for each in tasks for container in each["Properties"]["ContainerDefinitions"]]
        made = max((each for each in containers if each["Name"] == process), key=lambda each: len(each["Environment"]))
        variables = [(each["Name"], each["Value"]) for each in made["Environment"]]
    return {name: _text(found, value) for name, value in variables}


def _text(found: Templates, value: Any) -> str:
    match value:
        case str():
            return value
        case {"Fn::Join": [str(between), [*parts]]}:
            return between.join(_text(found, part) for part in parts)
        case {"Fn::GetStackOutput": {"OutputName": str(name)}}:
            outputs = [each["Outputs"][name] for each in found.values() if name in each.get("Outputs", {})]
            return _text(found, outputs[0]["Value"])
        case {"Fn::GetAtt": [_, "Endpoints"]}:
            return ENDPOINTS
        case {"Fn::GetAtt": [_, "Alias"]}:
            return "m1a2b3c4d5e6f.mrap"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"arn:aws:stand-in::222222222222:{name}/{attribute}"
        case _:
            raise ValueError(f"cannot be known: {value}")


def _fits(name: str, process: str) -> bool:
    return process in FITS_SOME.get(name, ()) or any(name.startswith(known) for known in FITS)


def _differences(found: Templates, region: str, process: str) -> set[str]:
    """Return what is set though nobody reads it, and what is read, has no default that fits AWS, and is not set."""
    declared = {name for settings in _settings(process) for name in _declared(settings)}
    given = _set(found, region, process).keys() - OF_LIBRARIES.get(process, set())
    missing = {name for name in declared - given if not _fits(name, process)}
    return {f"read by nobody: {name}" for name in given - declared} | {f"not set: {name}" for name in missing}


@everywhere
@in_each
@of_all
def test_what_settings_declare_is_set_and_nothing_else(environment: str, region: str, process: str) -> None:
    assert not _differences(templates(environment), region, process)


def test_a_variable_too_many_or_too_few_would_be_found() -> None:
    tasks = resources(templates("prod")["compute-us-east-1"], "AWS::ECS::TaskDefinition")
    (container,) = tasks["NotifierTask"]["Properties"]["ContainerDefinitions"]
    others = [each for each in container["Environment"] if each["Name"] != "BATON_NOTIFIER_SENDER"]
    wrong = {**container, "Environment": [*others, {"Name": "BATON_NOTIFIER_SENDRE", "Value": "x"}]}
    found = planted(templates("prod"), "compute-us-east-1", "NotifierTask", ContainerDefinitions=[wrong])

    assert _differences(found, "us-east-1", "notifier") == {
        "read by nobody: BATON_NOTIFIER_SENDRE",
        "not set: BATON_NOTIFIER_SENDER",
    }


@everywhere
@in_each
@pytest.mark.parametrize("service", SERVICES)
def test_each_service_can_be_built_from_its_environment(
    environment: str, region: str, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", region)
    for name, value in _set(templates(environment), region, service).items():
        monkeypatch.setenv(name, value)
    world = WorldSettings()  # pyright: ignore[reportCallIssue] - from the environment
    aws, clock, log = Aws(world), SystemClock(), silent_log()

    # Adapters are made from the settings, and refuse what is not enough for them; a client comes with the first call.
    if service == CONTROLLER:
        _module(service).build(Process(world, aws, clock, log))
    else:
        _module(service).build(Context(world.region, world.regions, aws, clock, load_jobs(world.jobs_package), log))

    assert world.topology == config.load(environment).topology
    shared = config.load(environment).is_lean
    assert RunnerSettings().health_port == (HEALTH_PORTS[service] if shared else 8080)  # where the health check asks


@everywhere
def test_the_notifier_knows_its_sender_and_operators(environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in _set(templates(environment), "us-west-2", "notifier").items():
        monkeypatch.setenv(name, value)
    settings, wanted = NotifierSettings(), config.load(environment)

    assert (settings.sender, settings.operators) == (wanted.sender, wanted.operators)


@everywhere
def test_the_controllers_run_under_the_files_settings_and_its_switch(
    environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = [_set(templates(environment), region, CONTROLLER) for region in REGIONS_DEFAULT]
    for name, value in both[0].items():
        monkeypatch.setenv(name, value)

    assert both[0] == both[1]
    assert SwitchSettings().kind == config.load(environment).switch
    assert ControllerSettings().failback is (Mode.AUTOMATIC if environment == "dev" else Mode.RECOMMEND)
    calm = LEAN_CONTROLLER if config.load(environment).is_lean else dict[str, str]()
    told = ControllerSettings.model_validate(
        {
            name.removeprefix(OF_CONTROLLER).lower(): value
            for name, value in both[0].items()
            if name.startswith(OF_CONTROLLER)
        }
    )
    assert ControllerSettings() == told
    assert (
        calm.items()
        <= {name: f"{value:g}" for name, value in told.model_dump().items() if isinstance(value, float)}.items()
    )


def test_workers_that_do_not_run_beside_the_shared_task_are_no_sign_of_illness(monkeypatch: pytest.MonkeyPatch) -> None:
    lean = config.load("dev")
    for name, value in _set(templates("dev"), "us-east-1", CONTROLLER).items():
        monkeypatch.setenv(name, value)
    signs = [each for each in alarms.of_region(lean, "us-east-1") if each.name.startswith(lean.topology.alarm_prefix)]

    # Neither is a controller told to ask for them, nor does an alarm that it reads; and asked, it would not mind.
    assert ReadinessSettings().services == (SHARED,)
    assert {each.dimensions["ServiceName"] for each in signs if "ServiceName" in each.dimensions} == {SHARED}
    idle = {"worker": TaskCounts(running=0, desired=0), SHARED: TaskCounts(running=1, desired=1)}
    assert provided.of_tasks(idle, START).verdict is Verdict.HEALTHY


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"failbak": "automatic"}, "failbak"),
        ({"failback": "sometimes"}, "failback"),
        ({"trip_bad": "5"}, "trip_bad is at most trip_of"),
        ({"maintenance": "Someday 25:00"}, "maintenance"),
    ],
)
def test_a_wrong_setting_of_the_controller_is_refused_at_synthesis(settings: dict[str, str], complaint: str) -> None:
    wrong = config.load("dev").model_copy(update={"controller": settings})

    with pytest.raises(ValueError, match=complaint):
        build(wrong)
