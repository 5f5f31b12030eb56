"""Ends the termination protection of an environment's stacks, which `make destroy … ARGS=--unprotect` asks for."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from baton_infra import config as environments
from baton_infra.config import EnvironmentConfig
from baton_infra.declared import steps
from baton_infra.deployment import sdk


async def unprotect(cloudformation: Any, stack: str) -> bool:
    """Let a stack be deleted; return whether it was there."""
    try:
        await cloudformation.update_termination_protection(StackName=stack, EnableTerminationProtection=False)
    except ClientError as error:
        # CloudFormation says so of a stack that is not there.
        if error.response.get("Error", {}).get("Code") != "ValidationError":
            raise
        return False
    return True


async def _main(config: EnvironmentConfig, tell: Callable[[str], object]) -> None:
    for region in config.regions:
        async with sdk.client("cloudformation", region) as cloudformation:
            for stack in steps.stacks(config, region):
                if await unprotect(cloudformation, stack):
                    tell(f"{region}: {stack} may be deleted\n")


if __name__ == "__main__":
    asyncio.run(_main(environments.load(sys.argv[1]), sys.stdout.write))
