"""SDK clients: created at first use, one per service and endpoint, closed together."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from baton.aws.sdk.calls import CallLog

if TYPE_CHECKING:  # stubs are development dependencies; a `type` alias is evaluated only when somebody asks for it
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_ses import SESClient
    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_sts import STSClient

type DynamoDB = Callable[[], Awaitable[DynamoDBClient]]
type S3 = Callable[[], Awaitable[S3Client]]
type SES = Callable[[], Awaitable[SESClient]]
type SQS = Callable[[], Awaitable[SQSClient]]
type STS = Callable[[], Awaitable[STSClient]]

CONNECT_TIMEOUT_SECONDS: Final = 2
READ_TIMEOUT_SECONDS: Final = 10
LONG_POLL_SECONDS_MAX: Final = 20
"""SQS's maximum. A receive is given this much longer to answer than any other call."""
S3_OPTIONS: Final = {"us_east_1_regional_endpoint": "regional"}
"""Of every client of S3. By default the SDK asks for us-east-1 by the global name, of which all Regions depend."""
ATTEMPTS: Final = 4
"""Of a call. A long poll has one: the next poll is its retry, and four of them would outlast a stop's grace."""


@dataclass(frozen=True, slots=True)
class CallTimeouts:
    """How long the one attempt of a call may take, for a caller that can ask elsewhere."""

    connect_seconds: float
    read_seconds: float


def new_client(session: AioSession, service: str, **options: Any) -> Any:
    """Return a client's context manager. The stubs know only services that were installed with them, so it is Any."""
    untyped: Any = session
    return untyped.create_client(service, **options)


class Clients:
    """The clients of one process."""

    def __init__(self, session: AioSession, *, max_pool_connections: int, path_style: bool, calls: CallLog) -> None:
        self._session = session
        self._calls = calls
        self._max_pool_connections = max_pool_connections
        self._addressing_style = "path" if path_style else "auto"
        self._made: dict[tuple[str, ...], Any] = {}
        self._making = asyncio.Lock()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._made.clear()
        await self._stack.__aexit__(kind, error, traceback)

    async def get(
        self,
        service: str,
        *,
        region: str,
        endpoint_url: str | None = None,
        long_poll: bool = False,
        signature_version: str | None = None,
        counted_in: str | None = None,
        timeouts: CallTimeouts | None = None,
    ) -> Any:
        """Return the client of a service; None leaves the choice to the SDK and its variables.

        `counted_in` names the Region whose calls these are, if it is not the one that the client signs for.
        """
        key = (service, region, endpoint_url or "", str(long_poll), signature_version or "", str(timeouts))
        async with self._making:
            if key not in self._made:
                config = self._config(long_poll=long_poll, signature_version=signature_version)
                if timeouts is not None:
                    config = config.merge(_with_timeouts(timeouts))
                options = {"region_name": region, "endpoint_url": endpoint_url}
                client = new_client(self._session, service, config=config, **options)
                self._made[key] = await self._stack.enter_async_context(client)
                self._calls.watch(self._made[key], region=counted_in or region, service=service)
            return self._made[key]

    def _config(self, *, long_poll: bool, signature_version: str | None) -> AioConfig:
        return AioConfig(
            signature_version=signature_version,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS + (LONG_POLL_SECONDS_MAX if long_poll else 0),
            retries={"mode": "standard", "total_max_attempts": 1 if long_poll else ATTEMPTS},
            max_pool_connections=self._max_pool_connections,
            s3={"addressing_style": self._addressing_style, **S3_OPTIONS},
            # An endpoint of the account's own may lie outside of what the VPC's gateway leads to.
            account_id_endpoint_mode="disabled",
            warm_up_loader_caches=True,  # reads the service models in a thread: they are megabytes of JSON
        )


def _with_timeouts(timeouts: CallTimeouts) -> AioConfig:
    return AioConfig(
        connect_timeout=timeouts.connect_seconds,
        read_timeout=timeouts.read_seconds,
        retries={"mode": "standard", "total_max_attempts": 1},
    )
