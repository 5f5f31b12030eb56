"""Stand-in for the trigger Lambda of one Region: a real zip and function in the emulator, called by S3 for each input.

Lambda on AWS keeps an event that it throttled for six hours and counts no attempt. The emulator counts it, so a burst
of files would end in the dead-letter queue: events that were only throttled are therefore taken from it and retried.
"""

import asyncio
import importlib.metadata
import io
import json
import logging
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from baton_local.processes.process import StartFailed
from baton_local.roster import LocalTrigger

if TYPE_CHECKING:
    from types_aiobotocore_lambda.client import LambdaClient
    from types_aiobotocore_sqs.client import SQSClient

_log = logging.getLogger(__name__)

_TIMEOUT_SECONDS: Final = 30
_MEMORY_MIB: Final = 512
_RETRY_SECONDS: Final = 1
_UNUSED: Final = re.compile(r"botocore/data/(?!(dynamodb|s3|sqs|sts)/)[^/]+/|.*\.pyc$|.*/tests?/")
"""Descriptions of services that no trigger calls are nine tenths of botocore's bytes."""
_UNCHECKED_HASH: Final = (1).to_bytes(4, "little") + bytes(8)
"""Flags and hash in the head of a .pyc file that Python does not compare with its source (PEP 552)."""
_NAME: Final = re.compile(r"^([A-Za-z0-9._-]+)==")


def build_zip(trigger: LocalTrigger) -> bytes:
    """Return the function's zip: its sources, and its libraries as they are installed here."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_STORED) as archive:
        for path, name in _files(trigger):
            archive.write(path, name)
            if path.suffix == ".py" and (bytecode := _bytecode_of(path)):
                archive.writestr(str(Path(name).parent / "__pycache__" / Path(cache_from_source(name)).name), bytecode)
    return held.getvalue()


def _bytecode_of(path: Path) -> bytes | None:
    """Return the bytecode of a source, to be used unchecked; without it each start of the function compiles all.

    Python checks the source's time of change, which a zip does not keep. None: no bytecode, or that of an older source.
    """
    try:
        compiled, source = Path(cache_from_source(path)).read_bytes(), path.stat()
    except OSError:
        return None
    made_of = b"".join(number.to_bytes(4, "little") for number in (0, int(source.st_mtime), source.st_size))
    if compiled[4:16] != made_of:
        return None
    return compiled[:4] + _UNCHECKED_HASH + compiled[16:]


def _files(trigger: LocalTrigger) -> Iterator[tuple[Path, str]]:
    for source in trigger.sources:
        found = sorted(source.rglob("*")) if source.is_dir() else [source]
        yield from (
            (path, str(path.relative_to(source.parent))) for path in found if path.is_file() and path.suffix != ".pyc"
        )
    lines = trigger.requirements.read_text().splitlines() if trigger.requirements else []
    for library in (match[1] for line in lines if (match := _NAME.match(line))):
        for file in importlib.metadata.distribution(library).files or ():
            name = str(file)
            if not _UNUSED.match(name) and ".." not in file.parts:
                yield Path(str(file.locate())), name


@dataclass(frozen=True, slots=True)
class Function:
    """One Region's trigger: its clients live inside the Region."""

    name: str
    region: str
    lambda_: "LambdaClient"
    queues: "SQSClient"
    failed_queue_url: str
    """Where the emulator leaves events it gave up; local only."""
    dead_letter_queue_url: str


async def create(
    function: Function, trigger: LocalTrigger, code: bytes, environment: Mapping[str, str], *, role_arn: str
) -> None:
    """Create the function. The environment holds nothing that Lambda itself sets."""
    await function.lambda_.create_function(
        FunctionName=function.name,
        Runtime="python3.13",
        Role=role_arn,
        Handler=trigger.handler,
        Code={"ZipFile": code},
        Timeout=_TIMEOUT_SECONDS,
        MemorySize=_MEMORY_MIB,
        Environment={"Variables": dict(environment)},
    )
    queue = await function.queues.get_queue_attributes(QueueUrl=function.failed_queue_url, AttributeNames=["QueueArn"])
    await function.lambda_.put_function_event_invoke_config(
        FunctionName=function.name,
        DestinationConfig={"OnFailure": {"Destination": queue["Attributes"]["QueueArn"]}},
    )


async def warm(function: Function) -> None:
    """Call the function with S3's test event: the first input shall not wait for a cold start, nor find a broken zip.

    Raises `StartFailed` with what the function said.
    """
    answer = await function.lambda_.invoke(FunctionName=function.name, Payload=b'{"Event": "s3:TestEvent"}')
    if "FunctionError" in answer:
        said = (await answer["Payload"].read()).decode(errors="replace")
        raise StartFailed(f"{function.region} trigger fails: {said}")


async def take_back_throttled(function: Function) -> None:
    """Call again for events that were only throttled, and dead-letter the others; until cancelled."""
    while True:
        try:
            await _take_back(function)
        except (BotoCoreError, ClientError, OSError, TimeoutError) as error:
            # The Region's emulator is paused or dead; the queue keeps what it has.
            _log.info("trigger_unreachable region=%s error=%r", function.region, error)
            await asyncio.sleep(_RETRY_SECONDS)


async def _take_back(function: Function) -> None:
    url = function.failed_queue_url
    answer = await function.queues.receive_message(QueueUrl=url, MaxNumberOfMessages=1, WaitTimeSeconds=20)
    for message in answer.get("Messages", ()):
        receipt = message.get("ReceiptHandle", "")
        if await _settle(function, message.get("Body", "{}")):
            await function.queues.delete_message(QueueUrl=url, ReceiptHandle=receipt)
        else:
            await function.queues.change_message_visibility(
                QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=_RETRY_SECONDS
            )


async def _settle(function: Function, failed: str) -> bool:
    """Return whether the event is dealt with; if not, it was throttled again."""
    record = json.loads(failed)
    if record["responsePayload"].get("__type") != "TooManyRequestsException":
        await function.queues.send_message(QueueUrl=function.dead_letter_queue_url, MessageBody=failed)
        return True
    try:
        # Waiting for the answer paces this to what the function can take.
        answer = await function.lambda_.invoke(
            FunctionName=function.name, Payload=json.dumps(record["requestPayload"]).encode()
        )
    except function.lambda_.exceptions.TooManyRequestsException:
        return False
    if "FunctionError" in answer:
        said = (await answer["Payload"].read()).decode(errors="replace")
        body = json.dumps({**record, "responsePayload": {"errorMessage": said}})
        await function.queues.send_message(QueueUrl=function.dead_letter_queue_url, MessageBody=body)
    return True
