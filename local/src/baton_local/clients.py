"""AWS clients of the supervisor itself."""

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from baton_local import state

if TYPE_CHECKING:
    from types_aiobotocore_lambda.client import LambdaClient
    from types_aiobotocore_s3.client import S3Client
    from types_aiobotocore_sqs.client import SQSClient

_CONFIG: Final = AioConfig(
    connect_timeout=2,
    read_timeout=60,
    retries={"mode": "standard", "total_max_attempts": 2},
    max_pool_connections=32,
    # The emulator keeps checksums of its own; a copy needs no second one.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
    s3={"addressing_style": "path"},
)


class Clients:
    """Makes clients for an endpoint and closes them with its stack."""

    def __init__(self, stack: AsyncExitStack, account_id: str) -> None:
        self._stack = stack
        self._session: Any = AioSession()  # its overloads need stubs for every service
        self._keys = state.credentials(account_id)

    async def s3(self, endpoint: str, region: str) -> "S3Client":
        return await self._client("s3", endpoint, region)

    async def sqs(self, endpoint: str, region: str) -> "SQSClient":
        return await self._client("sqs", endpoint, region)

    async def lambda_(self, endpoint: str, region: str) -> "LambdaClient":
        return await self._client("lambda", endpoint, region)

    async def _client(self, service: Any, endpoint: str, region: str) -> Any:
        context = self._session.create_client(
            service,
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id=self._keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self._keys["AWS_SECRET_ACCESS_KEY"],
            config=_CONFIG,
        )
        return await self._stack.enter_async_context(context)
