"""The fault switches of the composed world refuse what does not exist, with a reason."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path

import pytest

from baton_cli.reach.connection import Declined
from baton_cli.world.commands import WorldChoice, WorldPlaces
from baton_local.in_containers.admin import ComposeAdmin
from baton_local.switches.admin import AdminError

_HOME = "us-east-1"


def _refusal(work: Coroutine[object, object, None]) -> str:
    with pytest.raises(AdminError) as caught:
        asyncio.run(work)
    return str(caught.value)


def test_another_region_is_refused_with_those_that_there_are() -> None:
    admin = ComposeAdmin()

    for work in (admin.cut("eu-west-1"), admin.kill("eu-west-1", "worker"), admin.throttle("eu-west-1", 1)):
        assert "there are us-east-1, us-west-2" in _refusal(work)


def test_without_docker_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert "the `docker` command is not here" in _refusal(ComposeAdmin().pause(_HOME, "worker"))


def test_what_docker_says_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\necho "no such service: $*"\nexit 1\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    said = _refusal(ComposeAdmin().kill(_HOME, "failover-controller"))

    assert "no such service: compose --project-name baton kill controller-a" in said


def test_compose_starts_and_stops_its_world_itself(tmp_path: Path) -> None:
    places = WorldPlaces(directory=tmp_path, choice=WorldChoice.COMPOSE, jobs_package="baton_jobs")

    assert isinstance(places.admin(), ComposeAdmin)
    with pytest.raises(Declined, match="docker compose up -d --wait"):
        places.up()
    with pytest.raises(Declined, match="docker compose down -v"):
        places.down()
