"""What the SDK does with long lists holds no event loop for long: the real client, beside a server that answers."""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any, Final, override
from urllib.parse import parse_qs, urlsplit

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

import baton.aws.s3.multipart
from aio import run
from baton.aws.dynamodb.reference import DynamoReferenceData
from baton.aws.s3.multipart import Multipart
from baton.aws.s3.objects import S3ObjectStore
from baton.aws.sdk.clients import new_client
from baton.memory import LoopClock
from baton.ports import ReferenceVersion
from loop_steps import LOOP_SECONDS_MAX, steps_within

_KEYS: Final = 2_000
_ROWS: Final = 6_000
_UPLOAD: Final = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
_COMPLETED: Final = b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"


class _Answers(BaseHTTPRequestHandler):
    """S3 with thousands of keys and parts, and DynamoDB with thousands of rows."""

    protocol_version = "HTTP/1.1"
    completed: tuple[bytes, dict[str, str]] = b"", {}

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        start, most = int(asked.get("continuation-token", ["0"])[0]), int(asked.get("max-keys", ["1000"])[0])
        end = min(start + most, _KEYS)
        entries = "".join(
            f"<Contents><Key>work/{'b' * 32}/{'p' * 16}/rejects/{index:05}-{index:016x}.csv</Key><Size>1</Size>"
            f"<LastModified>2026-11-30T08:00:00.000Z</LastModified><ETag>&quot;{index:032x}&quot;</ETag>"
            "<StorageClass>STANDARD</StorageClass><ChecksumAlgorithm>CRC32</ChecksumAlgorithm>"
            "<ChecksumType>FULL_OBJECT</ChecksumType></Contents>"
            for index in range(start, end)
        )
        more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{end}</NextContinuationToken>"
        self._answer(f"<ListBucketResult>{entries}{more if end < _KEYS else ''}</ListBucketResult>".encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if "X-Amz-Target" in self.headers:
            self._answer(json.dumps(_page(json.loads(body))).encode())
        elif "uploadId" in self.path:
            type(self).completed = body, dict(self.headers)
            self._answer(_COMPLETED)
        else:
            self._answer(_UPLOAD)

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None: ...


def _page(asked: Any) -> Any:
    """Return the next rows of the first partition, as many as are wanted, or as fit into 1 MB; of the others none."""
    pk = asked["ExpressionAttributeValues"][":pk"]
    rows = _ROWS if pk["S"].endswith("#0") else 0
    start = int(asked["ExclusiveStartKey"]["sk"]["S"]) if "ExclusiveStartKey" in asked else 0
    end = min(start + asked.get("Limit", _ROWS), rows)
    items = [{"pk": pk, "sk": {"S": f"{row}"}, "row": {"S": '["1","2"]'}} for row in range(start, end)]
    last = {"LastEvaluatedKey": {"pk": pk, "sk": {"S": f"{end}"}}} if end < rows else {}
    return {"Items": items, "Count": len(items), **last}


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def _with[T](service: str, url: str, work: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
    made = new_client(
        AioSession(),
        service,
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=AioConfig(s3={"addressing_style": "path"}),
    )
    async with made as client:
        return await work(client)


def _longest[T](service: str, url: str, work: Callable[[Any], Coroutine[Any, Any, T]]) -> tuple[T, float]:
    """Return its result, and the longest step of the event loop meanwhile: the least of three runs.

    A step takes twice the CPU time where another process computes on the same core.
    """

    async def measured(client: Any) -> tuple[T, float]:
        found = await work(client)  # what is read and compiled once
        return found, min([max((await steps_within(work(client)))[1]) for _ in range(3)])

    return run(_with(service, url, measured))


def _store(client: Any) -> S3ObjectStore:
    async def same() -> Any:
        return client

    return S3ObjectStore(same, bucket="b", clock=LoopClock())


def _upload(parts: int) -> Callable[[Any], Coroutine[Any, Any, None]]:
    async def part(number: int) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"ETag": f'"{number:032x}&"', "ChecksumCRC32": "AAAAAA=="}

    async def work(client: Any) -> None:
        async with Multipart(client, "b", "k", size_bytes=1) as upload:
            await upload.run([part] * parts)

    return work


def test_a_list_of_thousands_of_objects_is_read_in_short_steps(url: str) -> None:
    async def keys(client: Any) -> list[str]:
        return [each.key async for each in _store(client).list("work/")]

    found, seconds = _longest("s3", url, keys)

    assert len(set(found)) == _KEYS
    assert seconds < LOOP_SECONDS_MAX


def test_a_table_of_thousands_of_short_rows_is_read_in_short_steps(url: str) -> None:
    async def load(client: Any) -> int:
        async def same() -> Any:
            return client

        reference = DynamoReferenceData(same, table="t", dice=Random(1))
        return len(await reference.load(ReferenceVersion("d", "1", rows=_ROWS, columns=("a", "b"))))

    found, seconds = _longest("dynamodb", url, load)

    assert found == _ROWS
    assert seconds < LOOP_SECONDS_MAX


def test_an_upload_of_thousands_of_parts_is_completed_in_short_steps(url: str) -> None:
    _, seconds = _longest("s3", url, _upload(9_000))

    assert _Answers.completed[0].count(b"<PartNumber>") == 9_000
    assert seconds < LOOP_SECONDS_MAX


def test_what_completes_an_upload_of_many_parts_is_what_the_sdk_sends(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> tuple[bytes, dict[str, str]]:
        run(_with("s3", url, _upload(3)))
        body, headers = _Answers.completed
        return body, {name: value for name, value in headers.items() if name.lower().startswith("content")}

    by_sdk = told()
    monkeypatch.setattr(baton.aws.s3.multipart, "_PARTS_WRITTEN_BY_SDK_MAX", 2)

    assert told() == by_sdk
    assert by_sdk[0].count(b"<PartNumber>") == 3
