"""The functions that CloudFormation calls: what they do at each request, and that they always answer."""

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from baton_functions import lookup, replication
from baton_functions.answer import Event, answered

EAST, WEST = "us-east-1", "us-west-2"


class Gone(Exception):
    """S3's NoSuchBucket."""


class Buckets:
    """The replication of buckets by name, and S3's client of each Region over it."""

    exceptions = SimpleNamespace(NoSuchBucket=Gone)

    def __init__(self, *names: str) -> None:
        self.rules: dict[str, Any] = dict.fromkeys(names)
        self.asked: list[tuple[str, str]] = []
        self._region = ""

    def __call__(self, region: str) -> "Buckets":
        self._region = region
        return self

    def put_bucket_replication(self, **given: Any) -> None:
        self.asked.append((self._region, given["Bucket"]))
        self.rules[given["Bucket"]] = given["ReplicationConfiguration"]

    def delete_bucket_replication(self, **given: Any) -> None:
        if given["Bucket"] not in self.rules:
            raise Gone
        self.rules[given["Bucket"]] = None


def _event(kind: str, *buckets: str, before: tuple[str, ...] = ()) -> Event:
    return {
        "RequestType": kind,
        "ResourceProperties": _properties(*buckets),
        "OldResourceProperties": _properties(*before),
        "ResponseURL": "https://cloudformation.example.com/answer",
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "Replication",
    }


def _properties(*buckets: str) -> Mapping[str, Any]:
    regions: dict[str, str] = {"a": EAST, "b": WEST, "c": WEST}
    return {
        "Buckets": [
            {"Bucket": name, "Region": regions[name], "Configuration": json.dumps({"Role": f"role-{name}"})}
            for name in buckets
        ]
    }


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_both_buckets_get_their_rules_in_their_own_regions_however_often(kind: str) -> None:
    buckets = Buckets("a", "b")

    for _ in range(2):
        replication.apply(_event(kind, "a", "b", before=("a", "b")), buckets)

    assert buckets.rules == {"a": {"Role": "role-a"}, "b": {"Role": "role-b"}}
    assert buckets.asked[:2] == [(EAST, "a"), (WEST, "b")]


def test_a_bucket_that_an_update_no_longer_names_stops_replicating() -> None:
    buckets = Buckets("a", "b", "c")
    replication.apply(_event("Create", "a", "b"), buckets)

    replication.apply(_event("Update", "a", "c", before=("a", "b")), buckets)

    assert buckets.rules == {"a": {"Role": "role-a"}, "b": None, "c": {"Role": "role-c"}}


def test_a_delete_stops_both_and_does_not_mind_a_bucket_that_is_gone() -> None:
    buckets = Buckets("a")
    replication.apply(_event("Create", "a"), buckets)

    replication.apply(_event("Delete", "a", "b"), buckets)

    assert buckets.rules == {"a": None}


def test_a_failure_is_answered_with_its_reason() -> None:
    def fails(event: Event) -> Mapping[str, str]:
        raise ValueError(f"{event['RequestType']} cannot be")

    assert _answer(fails) == (
        "FAILED",
        "ValueError: Create cannot be (log stream here)",
        {},
    )


def test_a_success_is_answered_with_its_attributes_under_a_lasting_name() -> None:
    def works(event: Event) -> Mapping[str, str]:
        del event
        return {"Endpoints": "e"}

    assert _answer(works) == ("SUCCESS", "(log stream here)", {"Endpoints": "e"})


def _answer(work: Any) -> tuple[str, str, Any]:
    sent: list[tuple[str, bytes]] = []
    event = _event("Create", "a")
    answered(event, SimpleNamespace(log_stream_name="here"), work, send=lambda url, body: sent.append((url, body)))
    ((url, body),) = sent
    told = json.loads(body)
    assert url == event["ResponseURL"]
    assert (told["PhysicalResourceId"], told["StackId"], told["RequestId"]) == ("Replication", "stack", "request")
    return told["Status"], told["Reason"], told["Data"]


class Plans:
    """A plan's health checks, in two pages."""

    def __init__(self, *pages: list[dict[str, str]]) -> None:
        self._pages = pages

    def get_paginator(self, name: str) -> "Plans":
        assert name == "list_route53_health_checks"
        return self

    def paginate(self, *, arn: str) -> list[dict[str, Any]]:
        assert arn == "arn:plan"
        return [{"healthChecks": page} for page in self._pages]


def test_health_checks_of_a_plan_are_told_in_the_order_of_its_regions() -> None:
    checks = Plans([{"region": WEST, "healthCheckId": "w"}], [{"region": EAST, "healthCheckId": "e"}])

    assert lookup.health_checks(checks, "arn:plan", [EAST, WEST]) == {"First": "e", "Second": "w"}


def test_health_checks_that_are_not_made_yet_are_not_told() -> None:
    assert (
        lookup.health_checks(
            Plans([{"region": WEST, "healthCheckId": "w"}, {"region": EAST}]), "arn:plan", [EAST, WEST]
        )
        is None
    )


def test_endpoints_of_a_cluster_are_told_as_the_controller_reads_them() -> None:
    class Config:
        def describe_cluster(self, **_: str) -> Any:
            ends = [{"Region": WEST, "Endpoint": "https://w/v1"}, {"Region": EAST, "Endpoint": "https://e/v1"}]
            return {"Cluster": {"ClusterEndpoints": ends}}

    told = lookup.endpoints(Config(), "arn:cluster")

    assert told == {"Endpoints": "us-east-1=https://e/v1,us-west-2=https://w/v1"}


def test_nothing_is_looked_up_for_a_resource_that_goes() -> None:
    assert lookup.look_up({"RequestType": "Delete"}) == {}
