"""Every call of a whole run is allowed by the role of who made it, and no role allows more without a reason.

The run is real: both Regions as processes on emulators, files good and bad, an operator, a switch and the switch back.
Emulators judge no policy, so that a call which a role forbids is made, recorded, and found here.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from baton.memory import MemoryClock
from baton.model.control import SwitchBackend
from baton.topology import REGIONS_DEFAULT, SERVICES, Topology
from baton_infra.declared import policies
from baton_infra.declared.policies import RoleScope
from baton_infra.declared.statements import Statement
from baton_local.bootstrap import SENDER
from baton_local.locks.policies import Need
from baton_local.on_processes import lifecycle
from baton_local.roster import LocalTrigger, Roster, product
from baton_local.stand_ins.arc import Cluster
from embedded import CALM, Embedded
from emulator_process import ACCOUNT_ID
from recorded_calls import Call, allows, needs, session_statements

pytestmark = [pytest.mark.xdist_group("recorded"), pytest.mark.timeout(240)]

SUPPORT = Path(__file__).parents[1] / "support"
REPORT = Path(__file__).parents[2] / "build" / "recorded-calls.md"
TOPOLOGY = Topology("local", ACCOUNT_ID)
ROLES = ("trigger", *SERVICES)
LINK = "link"
UNUSED = {
    ("trigger", "s3:GetObject"): "an event that names no version",
    ("trigger", "s3:ListBucket"): "to be told that its object is gone",
    (
        "failover-controller",
        "s3:GetObjectVersion",
    ): "a takeover asks for a batch's file; none is open at these switches",
    ("failover-controller", "s3:ListBucketVersions"): "the same, of a file that was overwritten since",
    ("failover-controller", "ecs:DescribeServices"): "there is no ECS on one machine",
    ("failover-controller", "iam:SimulatePrincipalPolicy"): "its processes have no role",
    ("failover-controller", "servicequotas:GetServiceQuota"): "and no quota",
    ("failover-controller", "sqs:SendMessage"): "a takeover sends the batch's message again",
    ("merger", "s3:AbortMultipartUpload"): "an upload in parts that fails",
    ("notifier", "s3:AbortMultipartUpload"): "a copy in parts, of an input above 5 GB, that fails",
    ("notifier", "s3:GetObjectTagging"): "a sender may tag his file, and the copy keeps the tags",
    ("notifier", "s3:GetObjectVersionTagging"): "the same",
    ("notifier", "s3:PutObjectTagging"): "a sender may tag his file, and the copy keeps the tags",
    ("notifier", "sqs:SendMessage"): "a published result that never reached this Region is made again",
    ("merger", "dynamodb:UpdateItem"): "work above 20 s, or that comes again, gives signs of life",
    ("notifier", "dynamodb:UpdateItem"): "the same",
    ("splitter", "dynamodb:UpdateItem"): "the same, and nudges are counted",
    ("splitter", "sqs:GetQueueAttributes"): "asked at a sweep that follows one with open batches",
    ("splitter", "dynamodb:DeleteItem"): "rows of finished batches are deleted after 14 days",
    ("splitter", "s3:GetObject"): "the plan of a batch that is split again, and inputs whose rows may be deleted",
    ("splitter", "s3:DeleteObject"): "canaries that their controller did not clear away",
    ("worker", "dynamodb:BatchGetItem"): "reference tables above 500,000 rows",
    **{
        (role, action): reason
        for role in ("splitter", "worker", "merger", "notifier")
        for action, reason in (
            ("ecs:UpdateTaskProtection", "asked of the agent, which only ECS has"),
            ("sqs:ChangeMessageVisibility", "a message that comes again, is handed back, or takes long"),
        )
    },
}
"""Who is allowed what no ordinary run does, and why."""


def _recorded_trigger(directory: Path, path: Path) -> LocalTrigger:
    """Return the product's trigger with a recorder before it: nothing can be told to a Lambda's environment here."""
    trigger = product("baton_jobs").trigger
    assert trigger is not None
    module = directory / "recorded_trigger.py"
    module.write_text(
        "import call_recorder\n"
        f"call_recorder.install({str(path)!r}, 'trigger')\n"
        f"from {trigger.handler.rpartition('.')[0]} import handler\n"
    )
    sources = (*trigger.sources, module, SUPPORT / "recording" / "call_recorder.py")
    return trigger.model_copy(update={"handler": "recorded_trigger.handler", "sources": sources})


def _recorded(directory: Path, path: Path) -> Roster:
    made = product("baton_jobs")
    recorder = {"PYTHONPATH": str(SUPPORT / "recording"), "RECORDED_CALLS": str(path)}
    services, watchers = (
        tuple(
            each.model_copy(update={"environment": {**each.environment, **recorder, "RECORDED_SERVICE": each.name}})
            for each in group
        )
        for group in (made.services, made.watchers)
    )
    return Roster(services=services, watchers=watchers, trigger=_recorded_trigger(directory, path))


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[Call]:
    """Play the run; return what everybody called meanwhile."""
    directory, world = tmp_path_factory.mktemp("recorder"), tmp_path_factory.mktemp("world")
    path = directory / "calls.jsonl"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BATON_SPLITTER_CHUNK_BYTES", "131072")
        for name, text in CALM.items():
            environment.setenv(name, text)
        running = lifecycle.up(world, wait_seconds=90, roster=_recorded(directory, path))
    try:
        _play(Embedded(running, world), directory)
    finally:
        lifecycle.down(world)
    return [Call(**json.loads(line)) for line in path.read_text().splitlines()]


def _play(world: Embedded, directory: Path) -> None:
    sales, financial = directory / "sales.csv", directory / "financial.csv"
    sample = ("sample", "--records", "8000", "--bad-percent", "1", "-o", str(sales), "--reference-out", str(financial))
    for arguments in (sample, ("reference", "load", "financial", str(financial), "--key", "uuid")):
        done = world.baton(*arguments)
        assert done.returncode == 0, done.stderr
    done = world.submit(sales)
    assert done["state"] == "COMPLETED", done
    broken = directory / "broken.csv"
    broken.write_text("no,such,columns\n1,2,3\n")
    assert world.submit(broken)["state"] == "FAILED"
    for order in (("switchover", "--to", REGIONS_DEFAULT[1]), ("failback",)):
        done = world.baton(*order, "--timeout", "60")
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"
        assert world.submit(sales, name=f"{order[0]}.csv")["state"] == "COMPLETED"


def _statements(role: str, region: str) -> tuple[Statement, ...]:
    reach = RoleScope(
        TOPOLOGY,
        region,
        sender=SENDER,
        customer_keys=True,
        mrap_arn=TOPOLOGY.mrap,  # which is all the name that it has at a local front door
        switch=SwitchBackend.ARC,
        controls=tuple(Cluster(ACCOUNT_ID, REGIONS_DEFAULT, clock=MemoryClock()).controls.values()),
    )
    return policies.of_link_role(reach) if role == LINK else policies.of_service(role, reach)


def _role(call: Call) -> str:
    """Return whose credentials a call is made with: a link's are borrowed."""
    return LINK if call.api == "s3" and call.parameters["Bucket"] == TOPOLOGY.mrap else call.service


def _asked(calls: list[Call]) -> Iterator[tuple[Call, Need]]:
    return ((call, need) for call in calls for need in needs(call, TOPOLOGY))


def test_everybody_was_heard(calls: list[Call]) -> None:
    assert {(call.service, call.region) for call in calls if call.api != "route53-recovery-cluster"} >= {
        (role, region) for role in ROLES for region in REGIONS_DEFAULT
    }


def test_every_call_is_allowed_by_the_role_of_who_made_it_and_by_the_session_of_a_link(calls: list[Call]) -> None:
    sessions = [session_statements(call, TOPOLOGY) for call in calls if call.operation == "AssumeRole"]
    denied = Counter(
        (
            _role(call),
            need.action,
            re.sub(r"[0-9a-f-]{8,}.*", "…", need.resource),
            need.keys.get("dynamodb:leadingkeys"),
        )
        for call, need in _asked(calls)
        # ARC and S3 Control are served from five Regions: it is the caller's role that counts.
        if not any(allows(_statements(_role(call), region), need) for region in _homes(call))
        or (_role(call) == LINK and not any(allows(session, need) for session in sessions))
    )

    assert sessions
    assert not denied, "\n".join(map(str, denied))


def _homes(call: Call) -> tuple[str, ...]:
    """Return in which Regions the caller may have run: a controller calls others as well, and a link goes to both."""
    elsewhere = call.service == "failover-controller" or not call.region
    return REGIONS_DEFAULT if elsewhere else (call.region,)


def test_nothing_is_allowed_that_nobody_does_without_a_reason(calls: list[Call]) -> None:
    used = {(_role(call), need.action) for call, need in _asked(calls)}
    allowed = {
        (role, action)
        for role in (*ROLES, LINK)
        for statement in _statements(role, REGIONS_DEFAULT[0])
        for action in statement.actions
    }
    _report(used, allowed, Counter((_role(call), need.action) for call, need in _asked(calls)))

    # What is explained may happen all the same: a message that comes again, a canary that nobody cleared away.
    assert allowed - used - UNUSED.keys() == set()
    assert UNUSED.keys() <= allowed


def _report(used: set[tuple[str, str]], allowed: set[tuple[str, str]], counts: Counter[tuple[str, str]]) -> None:
    lines = ["| role | action | calls in the run |", "|---|---|---:|"]
    for role, action in sorted(used | allowed):
        told = f"{counts[role, action]:,}" if (role, action) in used else UNUSED.get((role, action), "none")
        lines.append(f"| {role} | `{action}` | {told} |")
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("\n".join(lines) + "\n")
    sys.stdout.write(REPORT.read_text())
