"""Always answers CloudFormation: without an answer a custom resource hangs for an hour."""

import json
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from botocore.session import Session

type Event = Mapping[str, Any]
type Send = Callable[[str, bytes], None]


def client(service: str, region: str) -> Any:
    """Return the client of a service, of the SDK that Lambda has."""
    untyped: Any = Session()
    return untyped.create_client(service, region_name=region)


def put(url: str, body: bytes) -> None:
    """Send the answer to where CloudFormation waits for it."""
    headers = {"Content-Type": ""}
    request = urllib.request.Request(url, data=body, method="PUT", headers=headers)  # noqa: S310 - CloudFormation's own
    with urllib.request.urlopen(request, timeout=30):  # noqa: S310 - the address is CloudFormation's own
        pass


def answered(event: Event, context: Any, work: Callable[[Event], Mapping[str, str]], *, send: Send = put) -> None:
    """Do the work, and answer with the attributes that it returns or with what it raised."""
    status, reason, data = "SUCCESS", "", dict[str, str]()
    try:
        data = dict(work(event))
    except Exception as error:  # noqa: BLE001 - whatever it is, CloudFormation shall tell it
        status, reason = "FAILED", f"{type(error).__name__}: {error} "
    answer = {
        "Status": status,
        "Reason": f"{reason}(log stream {context.log_stream_name})",
        # Always the same: a new one would make CloudFormation delete the old one, and with it what was just made.
        "PhysicalResourceId": event["LogicalResourceId"],
        "Data": data,
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    send(event["ResponseURL"], json.dumps(answer).encode())
