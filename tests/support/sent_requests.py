"""The HTTP request of a call as the SDK would send it, signed, as a lock of the local world sees it."""

import functools
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import botocore.session
from botocore.config import Config

from baton_local.locks.requests import Request
from emulator_process import ACCOUNT_ID


class _Sent(BaseException):
    """Ends a call at the moment in which it would go out. No `Exception`: the SDK would try again."""

    def __init__(self, request: Any) -> None:
        super().__init__()
        self.request = request


@functools.cache
def _client(service: str, region: str, token: str) -> Any:
    session: Any = botocore.session.get_session()
    session.set_credentials(ACCOUNT_ID, "local", token or None)
    config = Config(s3={"addressing_style": "path"})
    client = session.create_client(service, endpoint_url="http://127.0.0.1:1", region_name=region, config=config)
    client.meta.events.register("before-send", _stop)
    return client


def _stop(request: Any, **_: Any) -> None:
    raise _Sent(request)


def sent(
    service: str, operation: str, parameters: dict[str, Any], *, region: str = "us-east-1", token: str = ""
) -> Request:
    """Return the request of an operation, called as the SDK's method is; `token` names the role that calls."""
    try:
        getattr(_client(service, region, token), operation)(**parameters)
    except _Sent as stopped:
        return _request(stopped.request)
    raise AssertionError(f"{operation} sent nothing")


def _request(sent: Any) -> Request:
    url = urlsplit(str(sent.url))
    headers = {name.lower(): _text(value) for name, value in sent.headers.items()}
    body = sent.body if isinstance(sent.body, bytes) else str(sent.body or "").encode()
    return Request(sent.method, unquote(url.path), dict(parse_qsl(url.query, keep_blank_values=True)), headers, body)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
