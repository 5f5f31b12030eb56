"""Both Regions' stacks are the same, but for Region, addresses and who is home."""

import functools
import json
from collections.abc import Mapping
from typing import Any

import pytest

from baton_infra import assemblies, config
from synthesized import templates

REGIONS = ("us-east-1", "us-west-2")
PAIRED = ("chaos", "compute", "data", "images", "network", "observability", "runbook")
PAIRS = [(name, stack) for name in config.names() for stack in PAIRED if stack != "chaos" or config.load(name).chaos]


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return templates of an environment whose Regions have changed places: home and addresses."""

    @functools.cache
    def made(environment: str) -> Mapping[str, Any]:
        there = config.load(environment)
        first, second = (there.networks[region] for region in REGIONS)
        networks = {
            REGIONS[0]: first.model_copy(update={"cidr": second.cidr}),
            REGIONS[1]: second.model_copy(update={"cidr": first.cidr}),
        }
        changed = there.model_copy(update={"regions": REGIONS[::-1], "networks": networks})
        return assemblies.synthesize(changed, tmp_path_factory.mktemp(environment))

    return made


def _as_east(template: Any) -> Any:
    """Return the western Region's template with the Regions' names, and their zones', exchanged."""
    text = json.dumps(template)
    for east, west in (REGIONS, ("use1-az", "usw2-az")):
        text = text.replace(east, "EAST").replace(west, east).replace("EAST", west)
    return json.loads(text)


@pytest.mark.parametrize(("environment", "stack"), PAIRS)
def test_each_region_would_be_the_other_in_its_place(environment: str, stack: str, mirrored: Any) -> None:
    east = templates(environment)[f"{stack}-{REGIONS[0]}"]

    assert _as_east(mirrored(environment)[f"{stack}-{REGIONS[1]}"]) == east


@pytest.mark.parametrize(("environment", "stack"), PAIRS)
def test_the_standby_lacks_nothing(environment: str, stack: str) -> None:
    east, west = (
        {
            name: (resource["Type"], sorted(resource.get("Properties", {})))
            for name, resource in templates(environment)[f"{stack}-{region}"]["Resources"].items()
        }
        for region in REGIONS
    )
    lean = config.load(environment).is_lean
    # A lean environment has one dashboard of both Regions, in its home.
    at_home = {"Both"} if lean and stack == "observability" else set[str]()

    assert east.keys() - west.keys() == at_home
    assert {name: resource for name, resource in east.items() if name not in at_home} == west


@pytest.mark.parametrize("environment", config.names())
def test_every_stack_is_paired_or_the_only_one(environment: str) -> None:
    paired = {f"{stack}-{region}" for name, stack in PAIRS if name == environment for region in REGIONS}

    assert paired <= set(templates(environment))
    assert set(templates(environment)) - paired == {"global-data-us-east-1", "recovery-us-east-1", "routing-us-east-1"}


def test_a_difference_is_found(mirrored: Any) -> None:
    west = _as_east(mirrored("prod")[f"data-{REGIONS[1]}"])
    queue = next(each for each in west["Resources"].values() if each["Type"] == "AWS::SQS::Queue")
    queue["Properties"]["MessageRetentionPeriod"] = 60

    assert templates("prod")[f"data-{REGIONS[0]}"] != west
