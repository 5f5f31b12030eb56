"""No role grows by accident, and each names only what there is."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from baton.messages import KINDS
from baton.model import paths
from baton.model.control import SwitchBackend
from baton.model.identity import CANARY
from baton.topology import REGIONS_DEFAULT, SERVICES
from baton_infra import config
from baton_infra.declared import policies, union
from baton_infra.declared.policies import RoleScope
from baton_infra.declared.statements import Statement, document
from baton_local.locks.roles import DECLARED
from golden_roles import GOLDEN, declared, roles, text
from synthesized import templates
from template_reading import covers

ROLES = ("trigger", *SERVICES)
CONTROLLER = "failover-controller"
READ_ONLY = {"ses", "ecs", "servicequotas", "iam", "sts"}
"""Services of which the controller only asks what its Region has ready."""
PROD = config.load("prod")
PREFIXES = {*paths.REPLICATED, CANARY, paths.CANARY_WORK}


def _reach(switch: SwitchBackend = SwitchBackend.ARC) -> RoleScope:
    return RoleScope(
        PROD.topology,
        REGIONS_DEFAULT[0],
        sender=PROD.sender.spec,
        customer_keys=True,
        mrap_arn="arn:aws:s3::222222222222:accesspoint/a.mrap",
        switch=switch,
        controls=("arn:control-east", "arn:control-west"),
        plan_arn="arn:plan",
    )


def _all() -> Iterator[tuple[str, Statement]]:
    for role in ROLES:
        for statement in policies.of_service(role, _reach()):
            yield role, statement
    for statement in policies.of_link_role(_reach()):
        yield "link", statement


@pytest.mark.parametrize("environment", config.names())
def test_no_role_has_changed_unseen(environment: str) -> None:
    found = {name: text(role) for name, role in roles(environment)}
    seen = {path.stem: path.read_text() for path in GOLDEN.glob(f"{environment}-*.json")}

    assert found == seen, "if that is meant: python tests/support/golden_roles.py, and read the difference"


def test_the_local_world_has_the_roles_of_the_templates() -> None:
    assert DECLARED.read_text() == declared(), "if that is meant: python tests/support/golden_roles.py"


def test_only_the_controller_turns_anything_or_writes_the_control_row() -> None:
    for role, statement in _all():
        if role == CONTROLLER:
            continue
        turns = [a for a in statement.actions if re.match(r"(route53|arc-)|s3:.*MultiRegionAccessPointRoutes", a)]
        assert turns == [], role
        if {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"} & set(statement.actions):
            ledger = any(resource.endswith(PROD.topology.ledger_table) for resource in statement.resources)
            leading = statement.conditions.get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys")
            assert not ledger or leading == ["batch#*"], role


def test_the_controllers_switch_is_the_one_that_is_set_and_no_other() -> None:
    def actions(switch: SwitchBackend) -> set[str]:
        return {
            action.partition(":")[0]
            for statement in policies.of_service(CONTROLLER, _reach(switch))
            for action in statement.actions
        } - {"s3", "sqs", "dynamodb", "cloudwatch", "events", "kms", *READ_ONLY}

    assert actions(SwitchBackend.ARC) == {"route53-recovery-cluster"}
    assert actions(SwitchBackend.REGION_SWITCH) == {"arc-region-switch"}
    assert actions(SwitchBackend.LEDGER) == set()


def test_what_a_controller_asks_of_other_services_changes_nothing() -> None:
    asked = {
        action
        for statement in policies.of_service(CONTROLLER, _reach())
        for action in statement.actions
        if action.partition(":")[0] in READ_ONLY
    }

    assert asked == {
        "ses:GetAccount",
        "ses:GetIdentityVerificationAttributes",
        "ecs:DescribeServices",
        "servicequotas:GetServiceQuota",
        "iam:SimulatePrincipalPolicy",
        "sts:AssumeRole",  # the link role's, which only reads
    }


def test_a_link_reads_results_and_nothing_else() -> None:
    reads, *keys = policies.of_link_role(_reach())

    assert reads.actions == ("s3:GetObject",)
    assert all(re.search(r"/(output|canary-work)/\*$", resource) for resource in reads.resources)
    assert [key.actions for key in keys] == [("kms:Decrypt",)]


def _made() -> dict[str, set[str]]:
    """Return the names of queues, tables and buckets in the templates."""
    found: dict[str, set[str]] = {"QueueName": set(), "TableName": set(), "BucketName": set()}
    for template in templates("prod").values():
        for resource in template["Resources"].values():
            for key, names in found.items():
                if isinstance(name := resource.get("Properties", {}).get(key), str):
                    names.add(name)
    return found


def test_everything_that_a_role_names_is_there() -> None:
    made = _made()
    for role, statement in _all():
        for resource in statement.resources:
            if match := re.fullmatch(r"arn:aws:sqs:[^:]+:\d+:(.+)", resource):
                assert match[1] in made["QueueName"], (role, resource)
            if match := re.fullmatch(r"arn:aws:dynamodb:[^:]+:\d+:table/([^/]+)(/index/listing)?", resource):
                assert match[1] in made["TableName"], (role, resource)
            if match := re.fullmatch(r"arn:aws:s3:::([^/]+)(/(.+)\*)?", resource):
                assert match[1] in made["BucketName"], (role, resource)
                assert match[3] in {None, *PREFIXES}, (role, resource)


def test_services_read_and_write_where_they_work() -> None:
    writes: dict[str, set[str]] = {}
    for role, statement in _all():
        if "s3:PutObject" in statement.actions:
            for resource in statement.resources:
                writes.setdefault(role, set()).add(resource.partition("/")[2].removesuffix("*"))

    assert writes == {
        "splitter": {"work/", "canary-work/"},
        "worker": {"work/", "canary-work/"},
        "merger": {"output/", "canary-work/"},
        "notifier": {"output/", "archive/"},
        CONTROLLER: {"canary/", "ledger/high-water.json"},
    }


def test_statements_are_written_as_iam_reads_them() -> None:
    (statement,) = document([Statement("S", ("a:B",), ("arn",), {"Bool": {"k": "true"}})])["Statement"]

    assert json.loads(json.dumps(statement)) == {
        "Sid": "S",
        "Effect": "Allow",
        "Action": ["a:B"],
        "Resource": ["arn"],
        "Condition": {"Bool": {"k": "true"}},
    }


def _allowed(found: Iterable[Statement]) -> set[tuple[str, str, str]]:
    return {
        (action, resource, json.dumps(each.conditions, sort_keys=True))
        for each in found
        for action in each.actions
        for resource in each.resources
    }


@pytest.mark.parametrize("switch", SwitchBackend)
def test_the_role_of_a_shared_task_may_do_what_its_services_may_and_no_more_but_to_queues(
    switch: SwitchBackend,
) -> None:
    reach = replace(_reach(switch), exec=True)
    shared = union.of_services(SERVICES, reach)
    each_alone = _allowed(statement for service in SERVICES for statement in policies.of_service(service, reach))
    allowed = _allowed(shared)

    def to_queues(each: tuple[str, str, str]) -> bool:
        return each[1].startswith("arn:aws:sqs:")

    assert {each for each in allowed if not to_queues(each)} == {each for each in each_alone if not to_queues(each)}
    for action, resource, conditions in filter(to_queues, each_alone):
        assert any(
            (action, conditions) == (known[0], known[2]) and covers([known[1]], resource) for known in allowed
        ), (action, resource)
    names = "|".join(PROD.topology.queue(kind).name for kind in KINDS)
    assert all(re.search(rf":({names}|baton-prod-canary-events)\*$", each[1]) for each in filter(to_queues, allowed))
    assert len({each.sid for each in shared}) == len(shared)


def test_iam_takes_the_role_of_a_shared_task() -> None:
    """All inline policies of a role have 10,240 characters at most, spaces aside."""
    for switch in SwitchBackend:
        shared = union.of_services(SERVICES, replace(_reach(switch), exec=True))

        assert len(json.dumps(document(shared), separators=(",", ":"))) < 10_000, switch
