"""Fixtures of the tests that look at our images and run them."""

from collections.abc import Mapping

import pytest

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
