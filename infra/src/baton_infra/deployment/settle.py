"""The last step of a deployment: sets what is a row or a state and not a resource. Idempotent.

- the ledger's control row, if there is none: it says which Region is active; from then on only controllers change it
- ARC's gate is opened, if no Region was ever switched on: as long as it is Off, nobody can move the controls
- the default security group of both networks is closed (`default_group`)
- the images that are about to run get a tag by which their registries keep them
- `build/<environment>.env`: what `baton` needs to know to find this environment
"""

import asyncio
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from baton.aws import Aws
from baton.aws.bootstrap import create_control
from baton.settings import WorldSettings
from baton_infra import config as environments
from baton_infra.config import EnvironmentConfig
from baton_infra.deployment import default_group, images, sdk

_BUILD: Final = Path(__file__).parents[4] / "build"
_SWITCH: Final = {
    "ClusterEndpoints": "BATON_SWITCH_ENDPOINTS",
    "RoutingControls": "BATON_SWITCH_CONTROLS",
    "SwitchPlan": "BATON_SWITCH_PLAN",
}
"""Variables by the output of the stack `recovery` that holds their value."""


def env_text(config: EnvironmentConfig, mrap_arn: str, recovery: Mapping[str, str]) -> str:
    """Return the file that a shell reads before `baton` is used with this environment.

    `recovery` are the outputs of that stack: what an operator turns who fails over without controllers. On that day
    nothing must have to be looked up.
    """
    switch = {variable: recovery[output] for output, variable in _SWITCH.items() if output in recovery}
    variables = {
        **_world(config, mrap_arn),
        "AWS_REGION": config.home,
        "BATON_SWITCH_KIND": config.switch.value,
        **switch,
    }
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def _world(config: EnvironmentConfig, mrap_arn: str) -> dict[str, str]:
    return {
        "BATON_ENVIRONMENT": config.name,
        "BATON_ACCOUNT_ID": config.account_id,
        "BATON_REGIONS": ",".join(config.regions),
        "BATON_MRAP_ARN": mrap_arn,
    }


async def open_gate(found: Mapping[str, str]) -> bool:
    """Open ARC's gate if both Regions are Off, and return whether they are: later on the gate is the operators' own.

    It asks the first of the cluster's endpoints that answers. Raises the last one's error.
    """
    controls = [pair.partition("=")[2] for pair in found["RoutingControls"].split(",")]
    problem: Exception | None = None
    for pair in found["ClusterEndpoints"].split(","):
        region, _, url = pair.partition("=")
        async with sdk.client("route53-recovery-cluster", region, url) as cluster:
            try:
                answers = [await cluster.get_routing_control_state(RoutingControlArn=arn) for arn in controls]
                if any(each["RoutingControlState"] == "On" for each in answers):
                    return False
                await cluster.update_routing_control_state(
                    RoutingControlArn=found["GateControl"], RoutingControlState="On"
                )
            except (BotoCoreError, ClientError) as error:
                problem = error
            else:
                return True
    assert problem is not None
    raise problem


async def _outputs(config: EnvironmentConfig, stack: str) -> dict[str, str]:
    async with sdk.client("cloudformation", config.home) as cloudformation:
        return await sdk.outputs(cloudformation, config.topology.stack(stack))


async def _close_default_groups(config: EnvironmentConfig) -> None:
    for region in config.regions:
        async with sdk.client("cloudformation", region) as cloudformation, sdk.client("ec2", region) as ec2:
            await default_group.close(cloudformation, ec2, config.topology.stack("network"))


async def _main(name: str) -> None:
    config = environments.load(name)
    mrap_arn = (await _outputs(config, "routing"))["AccessPointArn"]
    settings = WorldSettings(
        environment=config.name,
        account_id=config.account_id,
        regions=config.regions,
        region=config.home,
        mrap_arn=mrap_arn,
    )
    async with Aws(settings) as aws:
        is_new = await create_control(aws)
    switch = await _outputs(config, "recovery")
    if "GateControl" in switch:
        await open_gate(switch)
    await _close_default_groups(config)
    await images.mark_all(config)
    target = _BUILD / f"{name}.env"
    target.write_text(env_text(config, mrap_arn, switch))
    told = f"{config.home} is active" if is_new else "the control row is as it was"
    sys.stdout.write(f"{told}; `source {target}` for the `baton` command\n")


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
