"""What the environment may say of the other Region, and who believes it."""

import asyncio

import pytest
from pydantic import ValidationError

from baton.aws import Aws
from baton.settings import WorldSettings
from baton.topology import REGIONS_DEFAULT

HOME, AWAY = REGIONS_DEFAULT


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_REGION": HOME,
        "AWS_ACCESS_KEY_ID": "000000000000",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "BATON_ACCOUNT_ID": "000000000000",
        "BATON_REGION_ENDPOINTS": f"{HOME}=http://127.0.0.1:3, {AWAY}=http://127.0.0.1:2",
    }.items():
        monkeypatch.setenv(name, value)


def _settings() -> WorldSettings:
    return WorldSettings()  # pyright: ignore[reportCallIssue] - from the environment


def _endpoint_of(region: str) -> str:
    async def asked() -> str:
        async with Aws(_settings()) as aws:
            return (await aws.client("s3", region)()).meta.endpoint_url

    return asyncio.run(asked())


def test_the_other_region_is_where_the_setting_says_and_our_own_where_the_sdk_says() -> None:
    assert _endpoint_of(AWAY) == "http://127.0.0.1:2"
    assert _endpoint_of(HOME) == "http://127.0.0.1:1"


def test_without_a_word_every_region_is_the_sdks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BATON_REGION_ENDPOINTS")
    monkeypatch.delenv("AWS_ENDPOINT_URL")

    assert _settings().region_endpoint_urls == {}
    assert _endpoint_of(AWAY) == f"https://s3.{AWAY}.amazonaws.com"


def test_a_list_that_is_none_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_REGION_ENDPOINTS", "us-west-2")

    with pytest.raises(ValidationError, match=r"BATON_REGION_ENDPOINTS: `us-west-2` is not `region=value`"):
        _settings()
