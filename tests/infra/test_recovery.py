"""The switch: ARC's rules are the stand-in's, and the record follows them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from aio import run
from arc_cluster import PATIENT, offline_session
from baton.model.control import SwitchBackend
from baton.model.routing import AssertionRule, failover_panel
from baton.topology import REGIONS_DEFAULT
from baton_infra import assemblies, config
from baton_infra.config import RecordConfig
from baton_infra.declared import policies
from baton_infra.declared.policies import RoleScope
from baton_infra.stacks.recovery import WAIT
from region_switch_plan import PLAN_ARN, region_switch
from synthesized import Template, resources, templates

ARC = "AWS::Route53RecoveryControl"


def _recovery(environment: str) -> Any:
    return templates(environment)["recovery-us-east-1"]


def _controls() -> dict[str, str]:
    """Return the name of each routing control by its logical id."""
    return {
        name: each["Properties"]["Name"]
        for name, each in resources(_recovery("prod"), f"{ARC}::RoutingControl").items()
    }


def _named(arns: list[Any]) -> tuple[str, ...]:
    return tuple(_controls()[arn["Fn::GetAtt"][0]] for arn in arns)


def test_arc_has_the_controls_and_the_rules_of_the_stand_in_that_all_handovers_are_tested_against() -> None:
    panel = failover_panel(REGIONS_DEFAULT, wait=WAIT)
    made = {
        each["Properties"]["Name"]: each["Properties"]
        for each in resources(_recovery("prod"), f"{ARC}::SafetyRule").values()
    }

    assert set(_controls().values()) == set(panel.states)
    assert made.keys() == {rule.name for rule in panel.rules}
    for rule in panel.rules:
        found = made[rule.name]
        config_ = {"Type": rule.config.type.value, "Threshold": rule.config.threshold, "Inverted": rule.config.inverted}
        assert found["RuleConfig"] == config_
        if isinstance(rule, AssertionRule):
            asserted = found["AssertionRule"]
            assert _named(asserted["AssertedControls"]) == rule.targets
            assert asserted["WaitPeriodMs"] == rule.wait.total_seconds() * 1_000
        else:
            gating = found["GatingRule"]
            assert _named(gating["GatingControls"]) == rule.gates
            assert _named(gating["TargetControls"]) == rule.targets


@pytest.mark.parametrize("environment", ["prod", "staging"])
def test_the_record_says_each_region_under_its_own_health_check_home_first(environment: str) -> None:
    records = [each["Properties"] for each in resources(_recovery(environment), "AWS::Route53::RecordSet").values()]

    assert [(each["SetIdentifier"], each["Failover"], each["ResourceRecords"]) for each in records] == [
        ("us-east-1", "PRIMARY", ['"us-east-1"']),
        ("us-west-2", "SECONDARY", ['"us-west-2"']),
    ]
    assert {each["Name"] for each in records} == {f"active.baton-{environment}.internal."}
    assert records[0]["HealthCheckId"] != records[1]["HealthCheckId"]
    (zone,) = resources(_recovery(environment), "AWS::Route53::HostedZone").values()
    assert sorted(each["VPCRegion"] for each in zone["Properties"]["VPCs"]) == list(REGIONS_DEFAULT)


def _with_record(environment: str, folder: Path, **record: Any) -> Template:
    named = RecordConfig.model_validate(record)
    changed = config.load(environment).model_copy(update={"record": named})
    return assemblies.synthesize(changed, folder)["recovery-us-east-1"]


@pytest.mark.parametrize("environment", ["prod", "staging"])
def test_a_zone_of_ones_own_holds_the_record(environment: str, tmp_path: Path) -> None:
    template = _with_record(environment, tmp_path, zone="example.com", zone_id="Z1")

    records = [each["Properties"] for each in resources(template, "AWS::Route53::RecordSet").values()]
    name = f"active.baton-{environment}.example.com"
    assert {(each["Name"], each["HostedZoneId"]) for each in records} == {(f"{name}.", "Z1")}
    assert not resources(template, "AWS::Route53::HostedZone")
    if plans := resources(template, "AWS::ARCRegionSwitch::Plan"):
        assert f'"RecordName": "{name}"' in json.dumps(plans)
        assert "hostedzone/Z1" in json.dumps(resources(template, "AWS::IAM::Role"))


def test_further_networks_resolve_the_private_zone(tmp_path: Path) -> None:
    template = _with_record("prod", tmp_path, vpcs=[{"region": "eu-west-1", "vpc_id": "vpc-0abc"}])

    (zone,) = resources(template, "AWS::Route53::HostedZone").values()
    assert {"VPCId": "vpc-0abc", "VPCRegion": "eu-west-1"} in zone["Properties"]["VPCs"]
    assert len(zone["Properties"]["VPCs"]) == 3


def test_each_health_check_follows_its_regions_control() -> None:
    checks = resources(_recovery("prod"), "AWS::Route53::HealthCheck")
    records = resources(_recovery("prod"), "AWS::Route53::RecordSet").values()
    for record in (each["Properties"] for each in records):
        check = checks[record["HealthCheckId"]["Fn::GetAtt"][0]]["Properties"]["HealthCheckConfig"]
        assert check["Type"] == "RECOVERY_CONTROL"
        assert _named([check["RoutingControlArn"]]) == (record["SetIdentifier"],)


def test_a_plan_activates_either_region_by_turning_the_record() -> None:
    (plan,) = resources(_recovery("staging"), "AWS::ARCRegionSwitch::Plan").values()
    properties = plan["Properties"]

    assert len(properties["Name"]) <= 32
    assert (properties["RecoveryApproach"], properties["PrimaryRegion"]) == ("activePassive", "us-east-1")
    assert [(each["WorkflowTargetAction"], each["WorkflowTargetRegion"]) for each in properties["Workflows"]] == [
        ("activate", region) for region in REGIONS_DEFAULT
    ]
    for workflow in properties["Workflows"]:
        (step,) = workflow["Steps"]
        turned = step["ExecutionBlockConfiguration"]["Route53HealthCheckConfig"]
        assert step["ExecutionBlockType"] == "Route53HealthCheck"
        assert turned["RecordName"] == config.load("staging").topology.active_record


def test_the_controllers_may_make_each_call_of_the_plans_adapter_and_no_other() -> None:
    home, standby = REGIONS_DEFAULT

    async def story() -> set[str]:
        async with region_switch(offline_session(), times=PATIENT) as (plan, switch):
            plan.runs_until = asyncio.Event()
            async with asyncio.TaskGroup() as orders:
                orders.create_task(switch.set_states({home: False, standby: True}))
                await plan.has_started.wait()
                # The second order finds the first one's execution under way, and asks for its name.
                orders.create_task(switch.set_states({home: False, standby: True}))
                await plan.has_refused.wait()
                plan.runs_until.set()
            await switch.endpoints()
            return plan.asked

    reach = RoleScope(config.load("staging").topology, home, switch=SwitchBackend.REGION_SWITCH, plan_arn=PLAN_ARN)
    (allowed,) = (each for each in policies.of_service("failover-controller", reach) if each.sid == "Switch")

    assert set(allowed.actions) == {f"arc-region-switch:{operation}" for operation in run(story())}
    assert allowed.resources == (PLAN_ARN,)


def test_the_ledger_alone_costs_nothing() -> None:
    assert {each["Type"] for each in _recovery("dev")["Resources"].values()} == {
        "AWS::CloudFormation::WaitConditionHandle"
    }
