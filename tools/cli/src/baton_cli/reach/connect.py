"""Builds the ports that commands work with: for the world on this machine, or the one on AWS."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from baton import errors
from baton.aws import Aws, EmulatorEndpoints, SystemClock
from baton.aws.sdk.clients import S3_OPTIONS
from baton.catalog import in_own_words
from baton.errors import NotFound, Unavailable
from baton.model.control import SwitchBackend
from baton.ports import Journal, Ledger
from baton.settings import SwitchSettings, WorldSettings
from baton.topology import other_region
from baton_cli.hints import baton
from baton_cli.reach.asking import ANSWER_SECONDS_MAX, NOT_HERE
from baton_cli.reach.connection import Connection, Declined, RegionPorts
from baton_cli.reach.upload import S3Uploader
from baton_local.state import World, credentials

if TYPE_CHECKING:  # stubs are a development dependency
    from types_aiobotocore_s3 import S3Client

_UPLOAD_CONFIG: Final[dict[str, Any]] = {
    "connect_timeout": 3,
    "read_timeout": 60,  # a part of 16 MiB on a slow line
    "retries": {"mode": "standard", "total_max_attempts": 4},
}


@asynccontextmanager
async def embedded(world: World) -> AsyncGenerator[Connection]:
    """Connect to the world on this machine. Nothing of the caller's own AWS settings is used."""
    session = AioSession()
    keys = credentials(world.account_id)
    session.set_credentials(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"])
    session.set_default_client_config(AioConfig(proxies={}))  # a proxy cannot reach this machine's own ports
    settings = _settings(
        AWS_REGION=world.regions[0],
        AWS_ENDPOINT_URL_LEDGER=world.global_endpoint,
        AWS_ENDPOINT_URL_MRAP=world.mrap_endpoint,
        AWS_ENDPOINT_URL_MRAP_CONTROL=world.mrap_endpoint,
        environment=world.environment,
        account_id=world.account_id,
        regions=world.regions,
        mrap_arn=None,
        stand_in_replication=True,
    )
    endpoints = EmulatorEndpoints(regions=world.region_endpoints, shared=world.global_endpoint)
    async with (
        _refusals_in_words(),
        Aws(settings, endpoints=endpoints, session=session) as aws,
        _connected(aws, aws.ledger(), aws.journal(), session, switch=partial(_switch_here, world)) as connection,
    ):
        yield connection


@asynccontextmanager
async def aws() -> AsyncGenerator[Connection]:
    """Connect to the world that the environment names, through whichever Region's ledger answers."""
    settings = _from_environment()
    session = AioSession()
    other = other_region(settings.region, settings.regions)
    elsewhere = settings.model_copy(update={"region": other})
    async with (
        _refusals_in_words(),
        Aws(settings, session=session) as near,
        Aws(elsewhere, session=session) as far,
    ):
        nearest = near.ledger()
        ledger = await answering((nearest, far.ledger()))
        journal = (near if ledger is nearest else far).journal()
        async with _connected(near, ledger, journal, session, switch=_switch_named) as connection:
            yield connection


def _from_environment() -> WorldSettings:
    try:
        return WorldSettings()  # pyright: ignore[reportCallIssue] - read from the environment
    except ValidationError as error:
        raise Declined(
            f"no world runs here (start one: `{baton()} up`), and the environment names none on AWS: "
            f"{_wrong(error, WorldSettings)}"
        ) from error


def _switch_here(world: World) -> SwitchSettings:
    kind = SwitchBackend.ARC if world.arc_endpoints else SwitchBackend.LEDGER
    return SwitchSettings(kind=kind, endpoints=world.arc_endpoints, controls=world.arc_controls)


def _switch_named() -> SwitchSettings:
    try:
        return SwitchSettings()
    except ValidationError as error:
        raise Declined(f"the environment does not name the switch: {_wrong(error, SwitchSettings)}") from error


def _wrong(error: ValidationError, settings: type[BaseSettings]) -> str:
    """Return what is wrong by the variables of the environment, whose names people know."""
    return "; ".join(
        f"{_variable(each['loc'], settings)} is not set"
        if each["type"] == "missing"
        else f"{_variable(each['loc'], settings)}{': ' * bool(each['loc'])}{in_own_words(each['msg'])}"
        for each in error.errors()
    )


def _variable(where: Sequence[int | str], settings: type[BaseSettings]) -> str:
    if not where:
        return ""
    name = str(where[0])
    if name not in settings.model_fields:
        return name  # by its alias already
    alias = settings.model_fields[name].validation_alias
    return alias if isinstance(alias, str) else f"{settings.model_config.get('env_prefix', '')}{name}".upper()


def _settings(**values: Any) -> WorldSettings:
    return WorldSettings(**values)


async def answering(ledgers: Sequence[Ledger]) -> Ledger:
    """Return the first ledger that answers in time. Raises `Unavailable` if none does, `Declined` if all refuse."""
    problems: list[Exception] = []
    for ledger in ledgers:
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                await ledger.control()
        except NotFound:
            return ledger  # it answered; that nothing is set up is another matter
        except NOT_HERE as error:
            problems.append(error)
        else:
            return ledger
    refused = all(isinstance(problem, errors.Refused) for problem in problems)
    kind = errors.Refused if refused else Unavailable
    told = "; ".join(str(problem) or "no answer in time" for problem in problems)
    raise kind(f"the ledger answers in no Region: {told}")


@asynccontextmanager
async def _connected(
    aws: Aws, ledger: Ledger, journal: Journal, session: AioSession, *, switch: Callable[[], SwitchSettings]
) -> AsyncGenerator[Connection]:
    settings = aws.settings
    by_region = {
        region: RegionPorts(
            objects=aws.objects(region),
            outbox=aws.outbox(region),
            progress=aws.progress(region),
            rejects=aws.rejects(region),
        )
        for region in settings.regions
    }
    # On AWS the reference table is global; emulators keep one each.
    tables = settings.regions if settings.mrap_arn is None else (settings.region,)
    async with _uploader(settings, session) as uploader:
        yield Connection(
            environment=settings.environment,
            regions=settings.regions,
            ledger=ledger,
            journal=journal,
            by_region=by_region,
            references=tuple(aws.reference(region) for region in tables),
            uploader=uploader,
            clock=SystemClock(),
            switch=lambda: aws.switch(switch()),
            routes=aws.routes,
            events=aws.events,
        )


@asynccontextmanager
async def _uploader(settings: WorldSettings, session: Any) -> AsyncGenerator[S3Uploader]:
    if settings.mrap_arn is None and settings.mrap_endpoint_url is None:
        raise Declined("uploads need BATON_MRAP_ARN, the ARN of the Multi-Region Access Point")
    async with AsyncExitStack() as stack:

        async def client() -> "S3Client":
            made = session.create_client(
                "s3",
                region_name=settings.region,
                endpoint_url=None if settings.mrap_arn else settings.mrap_endpoint_url,
                config=AioConfig(
                    **_UPLOAD_CONFIG, s3={"addressing_style": "auto" if settings.mrap_arn else "path", **S3_OPTIONS}
                ),
            )
            return await stack.enter_async_context(made)

        yield S3Uploader(client, bucket=settings.mrap_arn or settings.topology.mrap)


@asynccontextmanager
async def _refusals_in_words() -> AsyncGenerator[None]:
    # A problem of the account's setup: no credentials, no permission, no table.
    try:
        yield
    except (errors.Refused, NotFound, ClientError, BotoCoreError) as error:
        raise Declined(f"AWS refuses: {error}") from error
