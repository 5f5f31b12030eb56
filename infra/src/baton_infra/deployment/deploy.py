"""`make deploy ENV=…` and `make destroy ENV=…`: runs the steps of `baton_infra.declared.steps` in order."""

import argparse
import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError

from baton.topology import SERVICES
from baton_infra import config as environments
from baton_infra.config import EnvironmentConfig
from baton_infra.declared import steps
from baton_infra.declared.steps import NODE, RunbookStep
from baton_infra.deployment import images, sdk


def main(arguments: Sequence[str] | None = None) -> None:
    """Deploy or destroy an environment; stop at the first step that fails, with its status.

    Raises `SystemExit` before the first step for what a later one would refuse.
    """
    parser = argparse.ArgumentParser(prog="baton_infra.deployment.deploy", description=__doc__)
    parser.add_argument("verb", choices=("deploy", "destroy"))
    parser.add_argument("environment", choices=environments.names())
    parser.add_argument("--dry-run", action="store_true", help="print the commands, run none")
    parser.add_argument("--unprotect", action="store_true", help="destroy stacks that are protected from deletion")
    given = parser.parse_args(arguments)
    config = environments.given(given.environment)
    planned = steps.deploy(config) if given.verb == "deploy" else steps.destroy(config)
    if given.dry_run:
        sys.stdout.write("\n".join(map(str, planned)) + "\n")
        return
    if given.verb == "destroy" and config.retain_data and not given.unprotect:
        raise SystemExit(f"{config.name} retains its data, and its stacks are protected: add ARGS=--unprotect")
    asyncio.run(_check_account(config))
    if given.verb == "deploy" and steps.unbuilt(config):
        images.revision()  # before anything is made: images come third
    for step in planned:
        _run(step)
    if given.verb == "destroy" and config.retain_data:
        sys.stdout.write(f"\nKept, since retain_data = true:\n{kept(config)}\n")


def kept(config: EnvironmentConfig) -> str:
    """Return what outlives the stacks of an environment that retains its data, one line each."""
    topology = config.topology
    lines = [f"table {topology.ledger_table}", f"table {topology.reference_table}"]
    for region in config.regions:
        names = (topology.data_bucket(region), topology.log_bucket(region))
        lines += [f"{region}: bucket {name}" for name in names]
        lines += [f"{region}: table {name}" for name in (topology.progress_table, topology.rejects_table)]
        groups = (*map(topology.log_group, SERVICES), f"/aws/lambda/{topology.trigger_function}")
        lines += [f"{region}: log group {group}" for group in groups]
        lines += [f"{region}: mail identity {config.sender.spec}"] if config.create_sender else []
        lines += [f"{region}: key {topology.key_alias}"] if config.customer_keys else []
    return "\n".join(lines)


def _run(step: RunbookStep) -> None:
    sys.stdout.write(f"\n{step}\n")
    sys.stdout.flush()
    # The CDK command is a script that looks for a Node on the path.
    path = os.pathsep.join([str(NODE), os.environ["PATH"]])  # noqa: TID251 - handed on to a child
    environment = {**os.environ, "PATH": path}  # noqa: TID251 - as above
    status = subprocess.run(step.command, check=False, env=environment).returncode  # noqa: S603 - a command of ours
    if status and not step.may_fail:
        sys.stderr.write(f"failed with {status}; what was done stays, and may be done again\n")
        raise SystemExit(status)


async def _check_account(config: EnvironmentConfig) -> None:
    """Refuse to touch another account than the file says. Raises `SystemExit`."""
    try:
        async with sdk.client("sts", config.home) as sts:
            account_id = (await sts.get_caller_identity())["Account"]
    except (BotoCoreError, ClientError) as error:
        raise SystemExit(f"no AWS credentials that work: {error}") from error
    if account_id != config.account_id:
        raise SystemExit(f"these are credentials of account {account_id}; {config.name} is {config.account_id}")


if __name__ == "__main__":
    main()
