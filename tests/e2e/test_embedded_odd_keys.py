"""A file under any key that S3 takes goes all the way: result, mail, archive, and its replica in the other Region."""

import asyncio
import http.client
from collections.abc import AsyncGenerator
from typing import Final
from urllib.parse import quote

import pytest

from baton.model import paths
from baton.model.identity import batch_id_of
from baton.model.states import BatchState
from baton_cli.reach import connect
from baton_cli.reach.connection import Connection
from baton_local.switches.admin import Admin
from baton_proof.handovers import until
from embedded import Embedded
from odd_keys import odd_keys

pytestmark = [pytest.mark.xdist_group("world"), pytest.mark.timeout(600)]

BODY: Final = b"a,b\n1,2\n"
SECONDS_MAX: Final = 150


def _put(embedded: Embedded, key: str) -> str:
    """Upload under that very key and return its version: clients of S3 would tidy some keys on their way."""
    connection = http.client.HTTPConnection(embedded.world.mrap_endpoint.removeprefix("http://"), timeout=30)
    try:
        path = f"/baton-{embedded.world.environment}-data/{quote(key, safe='/~')}"
        connection.request("PUT", path, body=BODY, headers={"Authorization": "AWS4-HMAC-SHA256 Credential=a/b/c/s3/d"})
        answer = connection.getresponse()
        assert answer.status == 200, (key, answer.read())
        return answer.headers["x-amz-version-id"]
    finally:
        connection.close()


def test_a_file_under_any_key_goes_all_the_way(embedded: Embedded) -> None:
    left = {batch_id_of(key, _put(embedded, key)): key for key in odd_keys("passthrough")}
    missing: list[str] = []

    async def is_through() -> bool:
        missing.clear()
        mails = "".join(mail["text"] for mail in await Admin(embedded.world.admin_endpoint).inbox())
        for batch_id, key in list(left.items()):
            what = [one async for one in _missing(connection, batch_id, key)]
            if batch_id not in mails:
                what.append(f"{key!r}: no mail")
            missing.extend(what)
            if not what:
                del left[batch_id]  # it is looked at no more
        return not left

    async def watch() -> None:
        nonlocal connection
        async with connect.embedded(embedded.world) as connection:
            await until(is_through, "every file through", seconds=SECONDS_MAX)

    connection: Connection
    try:
        asyncio.run(watch())
    except AssertionError as late:
        raise AssertionError(f"{late}\n" + "\n".join((*missing, embedded.logs()))) from None


async def _missing(connection: Connection, batch_id: str, key: str) -> AsyncGenerator[str]:
    """Yield what is not yet as it has to be."""
    batch = await connection.ledger.get(batch_id)
    if batch is None or batch.state is not BatchState.COMPLETED or batch.published is None:
        yield f"{key!r}: {batch and (batch.state, batch.failure)}"
        return
    name = paths.parse_input_key(key)
    assert name
    archived = paths.archive_key(batch.job, batch_id, name.name)
    for region, ports in connection.by_region.items():
        for wanted in (batch.published.result_key, archived):
            if await ports.objects.head(wanted) is None:
                yield f"{key!r}: {wanted!r} is not in {region}"
        if await ports.objects.head(key) is not None:
            yield f"{key!r}: is still in {region}"
