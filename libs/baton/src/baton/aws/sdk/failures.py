"""Translates errors of the SDK into Baton's errors, so that no other package handles SDK exceptions.

No answer, throttled, or the Region is unreachable: `Unavailable`. Lost a race: `Conflict`. Not there: `NotFound`.
Anything else that a service or the SDK itself refuses: `Refused`.
"""

from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's own; the builtin one is an OSError, which is caught as such
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    ResponseStreamingError,
)

from baton.errors import Archived, BatonError, Conflict, NotFound, Refused, Unavailable

BROKEN: Final = (
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
    aiohttp.ClientError,
    TimeoutError,
    OSError,
)
"""Errors that end a connection, or the reading of a body."""

_DOWN: Final = frozenset(
    {
        # A bucket or a queue that is gone went with its Region's state, or does not exist yet: not the message's fault.
        "AWS.SimpleQueueService.NonExistentQueue",
        "NoSuchBucket",
        "QueueDoesNotExist",
        # Our own credentials or our own clock, in a moment when they are being renewed: not the message's fault either.
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "AccountSendingPausedException",  # SES, until an operator resumes it
        "EndpointTemporarilyUnavailableException",  # ARC, with status 400 as all that it says: ask another endpoint
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServerException",
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
_CONDITION_FAILED: Final = "ConditionalCheckFailedException"
_LOST: Final = frozenset({_CONDITION_FAILED, "PreconditionFailed", "ConditionalRequestConflict", "409", "412"})
_MISSING: Final = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchUpload", "ResourceNotFoundException", "404"})
_SERVER_ERROR: Final = 500
_THROTTLED: Final = 429


def code_of(error: ClientError) -> str:
    """Return the service's error code; for HEAD, which has no body, the HTTP status as text."""
    return error.response.get("Error", {}).get("Code", "")


async def condition_held(write: Awaitable[object]) -> bool:
    """Make this conditional write to DynamoDB; return whether its condition held, so that it was made."""
    try:
        await write
    except ClientError as error:
        if code_of(error) != _CONDITION_FAILED:
            raise
        return False
    return True


def is_down(*, code: str, status: int) -> bool:
    """Return whether this answer is none: throttled, or a server's error. S3 passes on KMS's codes as `KMS.<code>`."""
    return code.removeprefix("KMS.") in _DOWN or status >= _SERVER_ERROR or status == _THROTTLED


def in_our_words(error: ClientError) -> BatonError:
    """Return the error of ours for a service's error answer."""
    code, told = code_of(error), f"{error.operation_name}: {error}"
    if is_down(code=code, status=_status_of(error)):
        return Unavailable(told)
    if code in _LOST:
        return Conflict(told)
    if code == "InvalidObjectState":
        return Archived(told)
    return NotFound(told) if code in _MISSING else Refused(told)


def _status_of(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


@asynccontextmanager
async def answered() -> AsyncGenerator[None]:
    """Raise `Unavailable` for what is no answer; an answer passes, for an adapter that reads more from it."""
    try:
        yield
    except ClientError as error:
        if is_down(code=code_of(error), status=_status_of(error)):
            raise Unavailable(f"{error.operation_name}: {error}") from error
        raise
    except (*BROKEN, CredentialRetrievalError, NoCredentialsError) as error:
        raise Unavailable(f"{type(error).__name__}: {error}") from error


@asynccontextmanager
async def translated() -> AsyncGenerator[None]:
    """Raise one of our errors for every error of the SDK. Also a decorator of coroutine functions."""
    try:
        async with answered():
            yield
    except ClientError as error:
        raise in_our_words(error) from error
    except BotoCoreError as error:  # arguments that the SDK does not even send
        raise Refused(f"{type(error).__name__}: {error}") from error
