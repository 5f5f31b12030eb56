"""Script of the SSM runbook: orders a switch from the controllers, and waits for its outcome.

It writes the same row as `baton failover`, `switchover` and `failback`, and switches nothing itself. Its text is part
of the document, so it imports only what Systems Manager has (Python 3.11 and its SDK), and nothing of ours.
"""

import json
import secrets
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.session import Session

PAUSE_SECONDS = 2
SECONDS_MAX = 540
"""Systems Manager stops a script after ten minutes. The order stands all the same."""


def row(events: Mapping[str, str], now: datetime, name: str) -> dict[str, dict[str, str]]:
    """Return the command as `baton.aws.dynamodb.journal` writes it, in DynamoDB's types."""
    at = now.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    body = {
        "id": name,
        "kind": events["Order"],
        "by": events["By"],
        "at": at,
        "reason": events["Reason"],
        "target": events["Region"],
        "force": events["Force"] == "yes",
    }
    texts = {
        "pk": f"command#{name}",
        "sk": "command",
        "listing": "commands",
        "listed_at": f"{at}#{name}",
        "kind": events["Order"],
        "state": "PENDING",
        "body": json.dumps(body),
        "write_id": secrets.token_hex(8),
    }
    return {key: {"S": value} for key, value in texts.items()}


def place(dynamodb: Any, events: Mapping[str, str], now: datetime) -> dict[str, str]:
    """Write the order, and return what the controllers answered within the time."""
    item = row(events, now, secrets.token_hex(4))
    dynamodb.put_item(TableName=events["Table"], Item=item, ConditionExpression="attribute_not_exists(pk)")
    key = {"pk": item["pk"], "sk": item["sk"]}
    deadline, never = time.monotonic() + SECONDS_MAX, threading.Event()
    while time.monotonic() < deadline:
        found = dynamodb.get_item(TableName=events["Table"], Key=key, ConsistentRead=True)["Item"]
        if found["state"]["S"] != "PENDING":
            answer = json.loads(found["body"]["S"])["answer"]
            return {"Command": item["pk"]["S"], "State": found["state"]["S"], "Answer": answer}
        never.wait(PAUSE_SECONDS)
    raise TimeoutError(f"{item['pk']['S']}: no controller has taken it; it stands for 15 minutes")


def handler(events: Mapping[str, str], context: object) -> dict[str, str]:
    """Systems Manager's entry point."""
    del context
    session: Any = Session()
    return place(session.create_client("dynamodb"), events, datetime.now(UTC))  # noqa: TID251 - no Clock there
