"""Every error of every AWS adapter is one of ours, for any answer of a service."""

from typing import Any

import pytest
from aiobotocore.session import AioSession
from botocore.exceptions import ClientError

from aio import run
from baton.aws import Aws
from baton.aws.sdk.failures import in_our_words
from baton.errors import BatonError, Conflict, NotFound, Refused, SwitchRefused, Unavailable
from refused_calls import calls_of, of_aws, switches
from refusing import Refusing, refusing
from worlds import aws_at


@pytest.mark.parametrize(
    ("code", "status"),
    [("AccessDenied", 403), ("KMS.DisabledException", 400), ("InvalidRequest", 400), ("SomethingNew", 418)],
)
def test_whatever_is_refused_is_our_own_error_in_every_method_of_every_adapter(
    environment: str, sdk_session: AioSession, code: str, status: int
) -> None:
    async def scenario() -> dict[str, str]:
        wrong: dict[str, str] = {}
        async with refusing() as service:
            service.code, service.status = code, status
            async with _aws_at(service, environment, sdk_session) as aws:
                for name, adapter in {**of_aws(aws), **switches(aws, service.url)}.items():
                    for method, call in calls_of(adapter).items():
                        try:
                            wrong[f"{name}.{method}"] = f"answered {await call()!r}"
                        except (Refused, SwitchRefused):
                            pass
                        except Exception as error:  # noqa: BLE001 - the very question
                            wrong[f"{name}.{method}"] = f"{type(error).__name__}: {error}"
        return wrong

    assert run(scenario(), timeout_seconds=60) == {}


def _aws_at(service: Refusing, environment: str, session: AioSession) -> Aws:
    return aws_at(service.url, environment, session=session)


@pytest.mark.parametrize(
    ("code", "status", "ours"),
    [
        ("AccessDenied", 403, Refused),
        ("403", 403, Refused),
        ("400", 400, Refused),
        ("KMS.NotFoundException", 400, Refused),
        ("ValidationException", 400, Refused),
        ("KMS.ThrottlingException", 400, Unavailable),
        ("SlowDown", 503, Unavailable),
        ("SomethingNew", 500, Unavailable),
        ("SomethingNew", 429, Unavailable),
        ("ExpiredToken", 400, Unavailable),
        ("ResourceNotFoundException", 400, NotFound),
        ("NoSuchKey", 404, NotFound),
        ("404", 404, NotFound),
        ("PreconditionFailed", 412, Conflict),
        ("ConditionalCheckFailedException", 400, Conflict),
    ],
)
def test_an_answer_has_one_meaning(code: str, status: int, ours: type[BatonError]) -> None:
    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}

    assert type(in_our_words(ClientError(answer, "AnyCall"))) is ours
