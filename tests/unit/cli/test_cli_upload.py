"""Uploads and connections against an emulator: versions, parts, aborts, and a world described by its file."""

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from aio import run
from baton import errors
from baton.errors import NotFound, Unavailable
from baton.memory import MemoryLedger
from baton.model.control import Control
from baton.topology import REGIONS_DEFAULT
from baton_cli.batches import queries
from baton_cli.reach import connect
from baton_cli.reach.connection import Declined
from baton_cli.reach.upload import S3Uploader
from baton_local.state import World
from emulator_process import ACCOUNT_ID

PART_BYTES = 5 * 1024 * 1024
"""The smallest that S3 takes."""


@asynccontextmanager
async def _bucket(session: AioSession, url: str, name: str, *, versioned: bool = True) -> AsyncGenerator[Any]:
    untyped: Any = session
    config = AioConfig(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, proxies={})
    async with untyped.create_client("s3", region_name="us-east-1", endpoint_url=url, config=config) as client:
        await client.create_bucket(Bucket=name)
        if versioned:
            await client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        yield client


def _uploader(client: Any, bucket: str) -> S3Uploader:
    async def get() -> Any:
        return client

    return S3Uploader(get, bucket=bucket, part_bytes=PART_BYTES)


async def _uploads_open(client: Any, bucket: str) -> int:
    return len((await client.list_multipart_uploads(Bucket=bucket)).get("Uploads", []))


@pytest.mark.parametrize("size_bytes", [0, 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES + 7])
def test_a_file_of_any_size_arrives_whole_under_the_version_that_was_told(
    ministack: str, sdk_session: AioSession, environment: str, tmp_path: Path, size_bytes: int
) -> None:
    body = bytes(range(256)) * (size_bytes // 256 + 1)
    (tmp_path / "f").write_bytes(body[:size_bytes])
    sent: list[int] = []

    async def work() -> bytes:
        async with _bucket(sdk_session, ministack, environment) as client:
            version = await _uploader(client, environment).upload(tmp_path / "f", "input/é.csv", sent=sent.append)
            found = await client.get_object(Bucket=environment, Key="input/é.csv", VersionId=version)
            assert await _uploads_open(client, environment) == 0
            return await found["Body"].read()

    arrived = run(work())

    assert arrived == body[:size_bytes]
    assert sent[-1] == size_bytes
    assert sent == sorted(sent)


class _Failing:
    """A client whose parts fail from the second one on."""

    def __init__(self, client: Any, hurt: Callable[[int], None]) -> None:
        self._client = client
        self._hurt = hurt

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def upload_part(self, **arguments: Any) -> Any:
        self._hurt(arguments["PartNumber"])
        return await self._client.upload_part(**arguments)


def _die(number: int) -> None:
    if number > 1:
        raise ConnectionResetError("gone")


def test_an_upload_that_breaks_off_is_aborted_and_told(
    ministack: str, sdk_session: AioSession, environment: str, tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(b"x" * (2 * PART_BYTES + 1))

    async def work() -> None:
        async with _bucket(sdk_session, ministack, environment) as client:
            with pytest.raises(Unavailable, match="gone"):
                await _uploader(_Failing(client, _die), environment).upload(tmp_path / "f", "k", sent=print)
            assert await _uploads_open(client, environment) == 0
            assert "Contents" not in await client.list_objects_v2(Bucket=environment)

    run(work())


def _shrinks(path: Path) -> None:
    path.write_bytes(b"")


def _grows(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"later")


def _is_rewritten(path: Path) -> None:
    path.write_bytes(b"y" * path.stat().st_size)


def _is_rewritten_in_secret(path: Path) -> None:
    before = path.stat()
    _is_rewritten(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _is_replaced(path: Path) -> None:
    path.with_suffix(".new").write_bytes(b"y" * path.stat().st_size)
    path.with_suffix(".new").replace(path)


def _its_folder_is_replaced(path: Path) -> None:
    # As by a link to the newest folder that is set to another one: the open file itself is what it was.
    path.parent.rename(path.parent.with_name("older"))
    path.parent.mkdir()
    path.write_bytes(b"y")


def _is_removed(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    "change",
    [_shrinks, _grows, _is_rewritten, _is_rewritten_in_secret, _is_replaced, _its_folder_is_replaced, _is_removed],
)
@pytest.mark.parametrize(("size_bytes", "part"), [(1, 1), (2 * PART_BYTES + 1, 1), (2 * PART_BYTES + 1, 3)])
def test_a_file_that_changes_while_it_is_sent_is_not_submitted(
    ministack: str,
    sdk_session: AioSession,
    environment: str,
    tmp_path: Path,
    change: Callable[[Path], None],
    size_bytes: int,
    part: int,
) -> None:
    path = tmp_path / "folder/f"
    path.parent.mkdir()
    path.write_bytes(b"x" * size_bytes)

    def hurt(number: int) -> None:
        if number == part:
            change(path)

    async def work() -> None:
        async with _bucket(sdk_session, ministack, environment) as client:
            with pytest.raises(Declined, match=rf"{path} changed while it was sent; nothing was submitted"):
                await _uploader(_Failing(client, hurt), environment).upload(path, "k", sent=print)
            assert await _uploads_open(client, environment) == 0
            assert "Contents" not in await client.list_objects_v2(Bucket=environment)

    run(work())


def test_a_bucket_without_versions_is_refused(
    ministack: str, sdk_session: AioSession, environment: str, tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(b"x")

    async def work() -> None:
        async with _bucket(sdk_session, ministack, environment, versioned=False) as client:
            await _uploader(client, environment).upload(tmp_path / "f", "k", sent=print)

    with pytest.raises(Declined, match="keeps no versions"):
        run(work())


def _world(url: str, environment: str) -> World:
    return World(
        pid=1,
        environment=environment,
        account_id=ACCOUNT_ID,
        regions=REGIONS_DEFAULT,
        region_endpoints=dict.fromkeys(REGIONS_DEFAULT, url),
        global_endpoint=url,
        mrap_endpoint=url,
        admin_endpoint=url,
        log_directory="",
    )


def test_a_world_file_is_all_that_a_connection_needs(
    ministack: str, sdk_session: AioSession, environment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_LEDGER"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # what the shell says of AWS and proxies must not matter
    monkeypatch.setenv("BATON_MRAP_ARN", "arn:aws:s3::123456789012:accesspoint/other")
    (tmp_path / "f").write_bytes(b"x")
    world = _world(ministack, environment)

    async def work() -> str:
        async with (
            _bucket(sdk_session, ministack, f"baton-{environment}-data"),
            connect.embedded(world) as connection,
        ):
            assert connection.environment == environment
            assert len(connection.references) == 2
            return await connection.uploader.upload(tmp_path / "f", "input/sales/f", sent=print)

    assert run(work())


def test_an_account_without_our_tables_is_an_error_in_words(ministack: str, environment: str) -> None:
    async def work() -> None:
        async with connect.embedded(_world(ministack, environment)) as connection:
            await queries.status(connection)

    with pytest.raises(Declined, match=r"AWS refuses: .*ResourceNotFound"):
        run(work())


class _Down(MemoryLedger):
    async def control(self) -> Control:
        raise Unavailable("no quorum")


def _refusing() -> MemoryLedger:
    ledger = MemoryLedger()
    ledger.refusals.refuse("control")
    return ledger


@pytest.mark.parametrize("near", [_Down, _refusing])
def test_the_ledger_is_asked_in_the_other_region_if_the_near_one_does_not_answer(
    near: Callable[[], MemoryLedger],
) -> None:
    far = MemoryLedger(Control(2, REGIONS_DEFAULT[0]))

    assert run(connect.answering((near(), far))) is far


def test_a_ledger_that_refuses_us_everywhere_says_so() -> None:
    with pytest.raises(errors.Refused, match="in no Region: control: 403 AccessDenied; control: 403 AccessDenied"):
        run(connect.answering((_refusing(), _refusing())))


def test_a_ledger_that_is_not_set_up_has_answered() -> None:
    empty = MemoryLedger()

    assert run(connect.answering((empty, _Down()))) is empty
    with pytest.raises(NotFound):
        run(empty.control())


def test_no_ledger_anywhere_is_told() -> None:
    with pytest.raises(Unavailable, match="in no Region: no quorum; no quorum"):
        run(connect.answering((_Down(), _Down())))
