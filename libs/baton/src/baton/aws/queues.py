"""Work queues in SQS: standard queues with a message group per batch, which makes them fair."""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from baton.aws.sdk.clients import SQS
from baton.aws.sdk.failures import code_of, translated
from baton.aws.sdk.parallel import Backoff, in_parallel
from baton.errors import Unavailable
from baton.messages import ORDINARY, Kind, Lane, Message, lane_of
from baton.ports.preconditions import check_delay, check_deletes, check_message, check_receive, check_visibility
from baton.ports.queues import Delivery

if TYPE_CHECKING:
    from types_aiobotocore_sqs.type_defs import MessageTypeDef, SendMessageBatchRequestEntryTypeDef

_ENTRIES_MAX: Final = 10
_BATCHES_AT_ONCE: Final = 8
_ATTEMPTS: Final = 5
_BACKLOG: Final = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed")
_LOST_RECEIPT: Final = frozenset(
    {"ReceiptHandleIsInvalid", "MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight"}
)


class QueueUrls[K]:
    """URLs of one Region's queues, asked for once. Requests go to the client's endpoint whatever host a URL names."""

    def __init__(self, client: SQS, *, names: Mapping[K, str]) -> None:
        self._client = client
        self._names = names
        self._urls: dict[K, str] = {}

    async def url(self, queue: K) -> str:
        if queue not in self._urls:
            client = await self._client()
            self._urls[queue] = (await client.get_queue_url(QueueName=self._names[queue]))["QueueUrl"]
        return self._urls[queue]


class SqsInbox:
    """The receiving side of one queue. `poll` is a client whose read timeout outlasts a long poll."""

    def __init__(
        self, client: SQS, poll: SQS, url: Callable[[], Awaitable[str]], dead_url: Callable[[], Awaitable[str]]
    ) -> None:
        self._client = client
        self._poll = poll
        self._url = url
        self._dead_url = dead_url

    @translated()
    async def receive(self, *, max_messages: int, wait_seconds: int) -> Sequence[Delivery]:
        check_receive(max_messages, wait_seconds)
        client, url = await self._poll(), await self._url()
        answer = await client.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=max_messages,
            WaitTimeSeconds=wait_seconds,
            MessageSystemAttributeNames=["ApproximateReceiveCount", "MessageGroupId"],
        )
        return [_delivery(message) for message in answer.get("Messages", [])]

    @translated()
    async def delete(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        check_deletes(deliveries)
        if not deliveries:
            return []
        client, url = await self._client(), await self._url()
        answer = await client.delete_message_batch(
            QueueUrl=url,
            Entries=[{"Id": str(index), "ReceiptHandle": each.receipt} for index, each in enumerate(deliveries)],
        )
        return [deliveries[int(failed["Id"])] for failed in answer.get("Failed", [])]

    @translated()
    async def set_visibility(self, delivery: Delivery, *, seconds: int) -> None:
        check_visibility(seconds)
        client, url = await self._client(), await self._url()
        try:
            await client.change_message_visibility(
                QueueUrl=url, ReceiptHandle=delivery.receipt, VisibilityTimeout=seconds
            )
        except ClientError as error:
            if not _is_lost_receipt(error):
                raise

    @translated()
    async def hand_back(self, delivery: Delivery) -> None:
        # SQS counts receives, and nobody can take one back: a copy begins anew.
        group: dict[str, Any] = {"MessageGroupId": delivery.group} if delivery.group else {}
        client = await self._client()
        await client.send_message(QueueUrl=await self._url(), MessageBody=delivery.body, **group)
        await self.delete([delivery])

    @translated()
    async def dead_letter(self, delivery: Delivery) -> None:
        client = await self._client()
        await client.send_message(QueueUrl=await self._dead_url(), MessageBody=delivery.body)
        await self.delete([delivery])


class SqsOutbox:
    """The sending side of all queues of one Region."""

    def __init__(self, client: SQS, urls: QueueUrls[tuple[Kind, Lane]], *, dice: random.Random) -> None:
        self._client = client
        self._urls = urls
        self._backoff = Backoff(dice)

    @translated()
    async def send(self, messages: Sequence[Message], *, delay_seconds: int = 0) -> None:
        check_delay(delay_seconds)
        by_queue: dict[tuple[Kind, Lane], list[tuple[str, str]]] = {}
        for message in messages:
            body = message.model_dump_json()
            check_message(body)
            by_queue.setdefault((message.kind, lane_of(message)), []).append((message.batch_id, body))
        tens: list[tuple[tuple[Kind, Lane], list[tuple[str, str]]]] = [
            (queue, same[start : start + _ENTRIES_MAX])
            for queue, same in by_queue.items()
            for start in range(0, len(same), _ENTRIES_MAX)
        ]

        async def send_ten(ten: tuple[tuple[Kind, Lane], list[tuple[str, str]]]) -> None:
            await self._send_ten(*ten, delay_seconds)

        await in_parallel(_BATCHES_AT_ONCE, tens, send_ten)

    @translated()
    async def backlog(self, kind: Kind, lane: Lane = ORDINARY) -> int:
        client, url = await self._client(), await self._urls.url((kind, lane))
        answer = await client.get_queue_attributes(QueueUrl=url, AttributeNames=list(_BACKLOG))
        attributes: Mapping[str, str] = {**answer.get("Attributes", {})}
        return sum(int(attributes[name]) for name in _BACKLOG)

    async def _send_ten(
        self, queue: tuple[Kind, Lane], messages: Sequence[tuple[str, str]], delay_seconds: int
    ) -> None:
        client, url = await self._client(), await self._urls.url(queue)
        entries: list[SendMessageBatchRequestEntryTypeDef] = [
            {
                "Id": str(index),
                "MessageBody": body,
                "DelaySeconds": delay_seconds,
                "MessageGroupId": group,
            }
            for index, (group, body) in enumerate(messages)
        ]
        failed: list[str] = []
        for attempt in range(_ATTEMPTS):
            answer = await client.send_message_batch(QueueUrl=url, Entries=entries)
            failed = [f"{each['Code']}: {each.get('Message', '')}" for each in answer.get("Failed", [])]
            again = {each["Id"] for each in answer.get("Failed", [])}
            entries = [entry for entry in entries if entry["Id"] in again]
            if not entries:
                return
            if attempt + 1 < _ATTEMPTS:
                await self._backoff.wait(attempt)
        raise Unavailable(f"{len(entries)} messages for {queue[0]} were refused {_ATTEMPTS} times: {failed[0]}")


def _delivery(message: "MessageTypeDef") -> Delivery:
    attributes = message.get("Attributes", {})
    return Delivery(
        receipt=message.get("ReceiptHandle", ""),
        body=message.get("Body", ""),
        attempt=int(attributes.get("ApproximateReceiveCount", "1")),
        group=attributes.get("MessageGroupId", ""),
    )


def _is_lost_receipt(error: ClientError) -> bool:
    # AWS has no code of its own for a message that is gone; the text names the parameter.
    gone = code_of(error) == "InvalidParameterValue" and "ReceiptHandle" in str(error)
    return gone or code_of(error) in _LOST_RECEIPT
