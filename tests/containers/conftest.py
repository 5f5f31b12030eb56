"""Fixtures of the tests that look at our images and run them."""

from collections.abc import Iterator, Mapping

import pytest
from aiobotocore.session import AioSession

from service_containers import Place, Stage, place_with_localstack
from service_images import SERVICES, Image, build, look_into


@pytest.fixture(scope="session")
def tags() -> Mapping[str, str]:
    """Build every service's image and give their tags, by service."""
    return {service: build(service) for service in SERVICES}


@pytest.fixture(scope="session")
def images(tags: Mapping[str, str]) -> Mapping[str, Image]:
    """Give every image with all that is in it, by service."""
    return look_into(tags)


@pytest.fixture(params=SERVICES)
def image(request: pytest.FixtureRequest, images: Mapping[str, Image]) -> Image:
    """Give one image after the other."""
    return images[request.param]


@pytest.fixture(scope="session")
def place() -> Iterator[Place]:
    """Give a LocalStack in a network of its own."""
    with place_with_localstack() as place:
        yield place


@pytest.fixture
def stage(place: Place, tags: Mapping[str, str], environment: str, sdk_session: AioSession) -> Stage:
    """Give everything that it takes to run one service alone, in an environment of the test's own."""
    return Stage(place, tags, environment, sdk_session)
