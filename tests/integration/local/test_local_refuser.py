"""The proxy that refuses a share of calls passes the others on as they came, and refuses as AWS does."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiobotocore.session import AioSession

from aio import run
from baton.aws import Aws
from baton.aws.bootstrap import create_region
from baton.aws.sdk import clients
from baton.errors import BatonError, Refused, Unavailable
from baton.messages import SplitBatch
from baton.ports import CopyPiece, JoinedPiece, Stretch
from baton_local.stand_ins import http
from baton_local.stand_ins.gates import HOST
from baton_local.stand_ins.refuser import RefusalKind, Refuser
from worlds import EAST, aws_at

_PART = bytes(range(256)) * (6 * 4096)
"""6 MiB: more than one piece of anything."""


@asynccontextmanager
async def _behind(url: str, environment: str, session: AioSession) -> AsyncGenerator[tuple[Aws, Refuser]]:
    async with aws_at(url, environment, session=session) as aws:
        await create_region(aws, EAST)
    async with aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None)) as passing:
        refuser = Refuser(passing, url)
        runner = await http.serve(refuser.app(), 0)
        try:
            async with aws_at(f"http://{HOST}:{runner.addresses[0][1]}", environment, session=session) as aws:
                yield aws, refuser
        finally:
            await runner.cleanup()


def test_what_is_not_hit_goes_through_unchanged(ministack: str, environment: str, sdk_session: AioSession) -> None:
    async def story() -> None:
        async with _behind(ministack, environment, sdk_session) as (aws, _):
            objects = aws.objects()
            first = await objects.put("work/a/Ümläute & so.csv", _PART)
            await objects.compose(
                "output/x", [CopyPiece(first.key, len(_PART)), JoinedPiece((Stretch(first.key, 0, 5),))]
            )
            assert await objects.get("output/x") == _PART + _PART[:5]
            assert await objects.head("nothing/here") is None
            await aws.outbox().send([SplitBatch(batch_id="b1", owner_epoch=2)])
            assert len(await aws.inbox("split").receive(max_messages=1, wait_seconds=1)) == 1
            assert await aws.reference().current("products") is None

    run(story(), timeout_seconds=60)


@pytest.mark.parametrize(
    ("answer", "raised"),
    [(RefusalKind.DENIED, Refused), (RefusalKind.UNAVAILABLE, Unavailable), (RefusalKind.THROTTLED, Unavailable)],
)
def test_an_sdk_takes_a_refusal_for_that_of_aws(
    ministack: str,
    environment: str,
    sdk_session: AioSession,
    monkeypatch: pytest.MonkeyPatch,
    answer: RefusalKind,
    raised: type[BatonError],
) -> None:
    monkeypatch.setattr(clients, "ATTEMPTS", 1)

    async def story() -> None:
        async with _behind(ministack, environment, sdk_session) as (aws, refuser):
            refuser.share, refuser.answer = 1.0, answer
            for call in (
                aws.objects().put("work/a", _PART),
                aws.objects().head("work/a"),
                aws.reference().current("products"),
                aws.vitals().queues(),
            ):
                with pytest.raises(raised):
                    await call

    run(story(), timeout_seconds=60)
