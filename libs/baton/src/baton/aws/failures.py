"""Errors of the SDK in our words: what did not answer, throttled, or is not there at all, is `Unavailable`."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
from botocore.exceptions import (
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's own; the builtin one is an OSError, which is caught as such
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
)

from baton.errors import Unavailable

BROKEN: Final = (
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
    aiohttp.ClientError,
    TimeoutError,
    OSError,
)
"""What a connection, or a body that is being read, dies of."""

_DOWN: Final = frozenset(
    {
        # A bucket or a queue that is gone went with its Region's state, or is not made yet: no message is to blame.
        "AWS.SimpleQueueService.NonExistentQueue",
        "NoSuchBucket",
        "QueueDoesNotExist",
        "AccountSendingPausedException",  # SES, until an operator resumes it
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "LimitExceededException",
        "OverLimit",
        "ProvisionedThroughputExceededException",
        "ReplicatedWriteConflictException",  # MRSC: another Region is writing this item, four times in a row
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
_SERVER_ERROR: Final = 500
_THROTTLED: Final = 429


def code_of(error: ClientError) -> str:
    """Return the service's error code; for HEAD, which has no body, the HTTP status as text."""
    return error.response.get("Error", {}).get("Code", "")


def is_down(*, code: str, status: int) -> bool:
    """Say whether this answer is none: throttled, or a server's error."""
    return code in _DOWN or status >= _SERVER_ERROR or status == _THROTTLED


def _status_of(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


@asynccontextmanager
async def translated() -> AsyncGenerator[None]:
    """Raise `Unavailable` for what is no answer; anything else passes. Also a decorator of coroutine functions."""
    try:
        yield
    except ClientError as error:
        if is_down(code=code_of(error), status=_status_of(error)):
            raise Unavailable(f"{error.operation_name}: {error}") from error
        raise
    except (*BROKEN, CredentialRetrievalError) as error:
        raise Unavailable(f"{type(error).__name__}: {error}") from error
