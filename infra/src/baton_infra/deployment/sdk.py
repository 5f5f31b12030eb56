"""SDK clients for the calls of a deployment outside of CloudFormation."""

from contextlib import AbstractAsyncContextManager
from typing import Any

from aiobotocore.session import AioSession


def client(service: str, region: str, endpoint_url: str | None = None) -> AbstractAsyncContextManager[Any]:
    """Return a client under the caller's own credentials."""
    untyped: Any = AioSession()
    return untyped.create_client(service, region_name=region, endpoint_url=endpoint_url)


async def outputs(cloudformation: Any, stack: str) -> dict[str, str]:
    """Return a stack's outputs by name."""
    answer = await cloudformation.describe_stacks(StackName=stack)
    return {each["OutputKey"]: each["OutputValue"] for each in answer["Stacks"][0].get("Outputs", ())}
