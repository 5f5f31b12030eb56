"""Fixtures that need a process or an environment; everything else is a plain function in tests/support."""

import gc
import uuid
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import pytest
from aiobotocore.session import AioSession

from baton.aws import Aws
from baton.aws.bootstrap import create_global, create_region
from emulator_process import ministack as run_ministack
from emulators import LOCALSTACK, MINISTACK, Images, container_of
from lossy import Lossy, LossyAws, lossy_proxy
from worlds import EAST, World, aws_at, emulator_world, memory_world

_TESTS: Final = Path(__file__).parent
_LONG: Final = ("integration", "sim", "model", "pipeline")
_LEFT_OUT = pytest.StashKey[int]()


@pytest.hookimpl(trylast=True)  # after all have been shuffled
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the embedded world one after the other, so that it is started once; then those that take long.

    What is long and comes last keeps one processor busy while the others have nothing left to do.
    """
    items.sort(key=_place)


def _place(item: pytest.Item) -> tuple[bool, bool]:
    is_long = item.path.is_relative_to(_TESTS) and item.path.relative_to(_TESTS).parts[0] in _LONG
    return "embedded" not in getattr(item, "fixturenames", ()), not is_long


def pytest_collection_finish() -> None:
    """Leave all that is imported by now alone: looking through it for garbage takes a tenth of the whole run."""
    gc.collect()
    gc.freeze()


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Remember how many tests the marker expression left out; a worker of xdist tells its controller."""
    for item in items[:1]:
        item.config.stash[_LEFT_OUT] = len(items)
        to_controller: dict[str, int] = getattr(item.config, "workeroutput", {})
        to_controller["left_out"] = len(items)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[_LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what this run left out, and why; skips and expected failures are listed with their reasons above.

    What a test tells by `record_property` is printed, since nobody sees the output of one that passes.
    """
    left_out = config.stash.get(_LEFT_OUT, 0)
    if config.option.markexpr == "not docker":
        terminalreporter.write_line(f"left out: {left_out} tests that need a Docker engine (marker `docker`)")
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")


@pytest.fixture(scope="session")
def credentials() -> Iterator[None]:
    """Put credentials for an emulator where the SDK finds them: into its environment."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            environment.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def sdk_session(credentials: None) -> AioSession:
    """Give a session that has read its service models already: clients of later tests are made in milliseconds."""
    del credentials  # in the environment
    return AioSession()


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory, credentials: None) -> Iterator[str]:
    """Give the URL of one emulator for the whole session."""
    del credentials  # in the environment
    with run_ministack(tmp_path_factory.mktemp("ministack")) as url:
        yield url


@pytest.fixture(scope="session")
def ministack_image() -> Iterator[str]:
    """Give the URL of the same emulator in a container."""
    with container_of(Images().ministack) as url:
        yield url


@pytest.fixture(scope="session")
def localstack() -> Iterator[str]:
    """Give the URL of the other emulator, in a container too."""
    with container_of(Images().localstack) as url:
        yield url


@pytest.fixture
def environment() -> str:
    """Give a name that no other test uses: everything the topology names is then this test's own."""
    return f"t{uuid.uuid4().hex[:10]}"


@pytest.fixture
def shared() -> bool:
    """Return whether the ports under test are those that both Regions share; a module of such tests overrides it."""
    return False


_EMULATORS: Final = {
    "ministack": (MINISTACK, "ministack"),
    "ministack-image": (MINISTACK, "ministack_image"),
    "localstack": (LOCALSTACK, "localstack"),
}
"""By parameter of `world`: what stands in for AWS, and the fixture that knows its URL."""


@pytest.fixture(
    params=[
        pytest.param("memory"),
        pytest.param("ministack"),
        pytest.param("ministack-image", marks=[pytest.mark.docker, pytest.mark.xdist_group("ministack-image")]),
        pytest.param("localstack", marks=[pytest.mark.docker, pytest.mark.xdist_group("localstack")]),
    ]
)
def world(request: pytest.FixtureRequest, environment: str, *, shared: bool) -> World:
    """Give the adapters in memory, then those of AWS against each emulator.

    A test marked `differs` is expected to fail on the emulators that the mark names, by an assertion of its own or by
    the error that the mark `raises`. An emulator's image may differ from the emulator that our local world runs.
    """
    if request.param == "memory":
        return memory_world
    emulator, fixture = _EMULATORS[request.param]
    node = cast("pytest.Item", request.node)  # pyright: ignore[reportUnknownMemberType] - pytest 9.1 gives it no type
    for mark in node.iter_markers("differs"):
        if reason := mark.kwargs.get(emulator.name) or mark.kwargs.get(fixture):
            raises = mark.kwargs.get("raises", AssertionError)
            request.applymarker(pytest.mark.xfail(strict=True, raises=raises, reason=reason))
    url, session = request.getfixturevalue(fixture), request.getfixturevalue("sdk_session")
    return partial(emulator_world, emulator, url, environment, session, shared=shared)


@pytest.fixture
def lossy_aws(ministack: str, environment: str, sdk_session: AioSession) -> LossyAws:
    """Give adapters behind a proxy that the test tells what to break; the world was made without it."""

    @asynccontextmanager
    async def opened() -> AsyncGenerator[tuple[Aws, Lossy]]:
        async with aws_at(ministack, environment, session=sdk_session) as aws:
            await create_global(aws, senders=[])
            await create_region(aws, EAST)
        async with lossy_proxy(ministack) as lossy, aws_at(lossy.url, environment, session=sdk_session) as aws:
            yield aws, lossy

    return opened
