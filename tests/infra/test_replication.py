"""The way between the buckets: what replicates, as whom and under which key, and the access point before both."""

import json
import threading
from collections.abc import Generator, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Final

import pytest
from botocore.session import Session
from botocore.validate import ParamValidator

from baton.model import paths
from baton.model.identity import CANARY
from baton.topology import REGIONS_DEFAULT
from baton_functions import answer
from baton_infra import config
from baton_infra.declared.names import Arns
from synthesized import resources, templates
from template_reading import Templates, covers, planted, statements

ROUTING: Final = "routing-us-east-1"
EAST, WEST = REGIONS_DEFAULT

everywhere = pytest.mark.parametrize("environment", config.names())


def _set_up(found: Templates) -> dict[str, Any]:
    """Return each Region's bucket with how it replicates, as the custom resource is told."""
    (resource,) = resources(found[ROUTING], "Custom::BucketReplication").values()
    return {
        each["Region"]: {"Bucket": each["Bucket"], "ReplicationConfiguration": json.loads(each["Configuration"])}
        for each in resource["Properties"]["Buckets"]
    }


def _wrong(found: Templates, environment: str) -> Iterator[str]:
    """Yield what keeps a file from the other Region, or brings there what should not come."""
    for source, target in (REGIONS_DEFAULT, REGIONS_DEFAULT[::-1]):
        given = _set_up(found)[source]
        rules = {rule["Filter"]["Prefix"]: rule for rule in given["ReplicationConfiguration"]["Rules"]}
        if set(rules) != set(paths.REPLICATED) or covers([f"{each}*" for each in rules], f"{CANARY}x"):
            yield f"{source}: prefixes"
        if len({rule["Priority"] for rule in rules.values()}) != len(rules):
            yield f"{source}: priorities"
        for prefix, rule in rules.items():
            yield from (f"{source}: {prefix}: {what}" for what in _wrong_rule(found, environment, target, prefix, rule))
        if not _may(found, environment, source, target):
            yield f"{source}: role"
        elif config.load(environment).customer_keys and not _may_use_keys(found, environment, source, target):
            yield f"{source}: role's keys"
        bucket = found[f"data-{source}"]["Resources"]["Bucket"]["Properties"]
        if given["Bucket"] != bucket["BucketName"] or bucket.get("VersioningConfiguration") != {"Status": "Enabled"}:
            yield f"{source}: bucket"


def _wrong_rule(found: Templates, environment: str, target: str, prefix: str, rule: Mapping[str, Any]) -> Iterator[str]:
    settings, there = config.load(environment), rule["Destination"]
    if (rule["Status"], there["Bucket"]) != ("Enabled", Arns(settings.topology, target).bucket()):
        yield "goes nowhere"
    if rule["DeleteMarkerReplication"] != {"Status": "Enabled"}:
        yield "archived inputs stay in sight"
    measured = there.get("Metrics", {}).get("Status"), there.get("ReplicationTime", {}).get("Status")
    in_time = ("Enabled", "Enabled") if prefix in paths.REPLICATED_IN_TIME else (None, None)
    if (rule["ID"], *measured) != (settings.topology.replication_rule(prefix), *in_time):
        yield "not measured as the controllers read it"
    if (rule.get("SourceSelectionCriteria"), there.get("EncryptionConfiguration")) != _keys(found, target):
        yield "key"


def _keys(found: Templates, target: str) -> tuple[object, object]:
    """Return which objects a rule must choose, and the key of their replicas: that of the Region where they come to."""
    for alias in resources(found[f"data-{target}"], "AWS::KMS::Alias").values():
        account_id = found[ROUTING]["Resources"]["AccessPoint"]["Properties"]["Regions"][0]["BucketAccountId"]
        key = f"arn:aws:kms:{target}:{account_id}:{alias['Properties']['AliasName']}"
        return {"SseKmsEncryptedObjects": {"Status": "Enabled"}}, {"ReplicaKmsKeyID": key}
    return None, None


def _may(found: Templates, environment: str, source: str, target: str) -> bool:
    """Return whether the bucket's role is there, S3 may take it on, and it may do for each prefix what S3 then does."""
    topology = config.load(environment).topology
    given = _set_up(found)[source]["ReplicationConfiguration"]["Role"]
    roles = {
        Arns(topology, source).role(each["Properties"].get("RoleName", "")): each
        for each in resources(found[ROUTING], "AWS::IAM::Role").values()
    }
    if given not in roles:
        return False
    (trust,) = roles[given]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    needed = {
        source: ("s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"),
        target: ("s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"),
    }
    return trust["Principal"] == {"Service": "s3.amazonaws.com"} and all(
        any(action in each["Action"] and covers(each["Resource"], f"{where}x") for each in statements(roles[given]))
        for region, actions in needed.items()
        for action in actions
        for where in (Arns(topology, region).objects(prefix).removesuffix("*") for prefix in paths.REPLICATED)
    )


def _may_use_keys(found: Templates, environment: str, source: str, target: str) -> bool:
    """Return whether S3 may read what the source's key encrypts, and write with the target's key.

    Both buckets have a bucket key, and to write with one is to decrypt it first.
    """
    account_id = config.load(environment).account_id
    role = found[ROUTING]["Resources"][f"Replicate{REGIONS_DEFAULT.index(source)}"]
    needed = [(source, "kms:Decrypt"), (target, "kms:Encrypt"), (target, "kms:Decrypt")]
    return all(
        any(
            action in each["Action"]
            and covers(each["Resource"], f"arn:aws:kms:{region}:{account_id}:key/1")
            and f"s3.{region}.amazonaws.com" in each["Condition"]["StringEquals"]["kms:ViaService"]
            for each in statements(role)
        )
        for region, action in needed
    )


@everywhere
def test_both_buckets_replicate_to_each_other(environment: str) -> None:
    assert not list(_wrong(templates(environment), environment))


@everywhere
def test_s3_takes_the_configuration_for_one(environment: str) -> None:
    untyped: Any = Session()
    shape = untyped.get_service_model("s3").operation_model("PutBucketReplication").input_shape

    for given in _set_up(templates(environment)).values():
        assert ParamValidator().validate(given, shape).generate_report() == ""
        misspelled = json.loads(json.dumps(given).replace("ReplicationTime", "ReplicationTimes"))
        assert "ReplicationTimes" in ParamValidator().validate(misspelled, shape).generate_report()


def _planted(region: str, old: str, new: str) -> Templates:
    """Return prod's templates with another text in a Region's configuration."""
    (resource,) = resources(templates("prod")[ROUTING], "Custom::BucketReplication").values()
    buckets = [
        {**each, "Configuration": each["Configuration"].replace(old, new)} if each["Region"] == region else each
        for each in resource["Properties"]["Buckets"]
    ]
    assert buckets != resource["Properties"]["Buckets"]
    return planted(templates("prod"), ROUTING, "Replication", Buckets=buckets)


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ('"Prefix": "archive/"', '"Prefix": "canary/"', "prefixes"),
        ('"Priority": 2', '"Priority": 1', "priorities"),
        (f"data-222222222222-{EAST}", f"data-222222222222-{WEST}", "work/: goes nowhere"),
        (
            '"DeleteMarkerReplication": {"Status": "Enabled"}',
            '"DeleteMarkerReplication": {}',
            "input/: archived inputs",
        ),
        ('"ID": "baton-prod-output"', '"ID": "output"', "output/: not measured"),
        (
            '"Metrics": {"EventThreshold": {"Minutes": 15}, "Status": "Enabled"}',
            '"Metrics": {}',
            "input/: not measured",
        ),
        (f"kms:{EAST}", f"kms:{WEST}", "output/: key"),
        ('"SseKmsEncryptedObjects": {"Status": "Enabled"}', '"SseKmsEncryptedObjects": {}', "archive/: key"),
        (f"replicate-{WEST}", f"replicate-{EAST}", "role"),
        ("role/", "role/no-", "role"),
    ],
)
def test_a_way_that_is_cut_would_be_found(old: str, new: str, finding: str) -> None:
    findings = list(_wrong(_planted(WEST, old, new), "prod"))

    assert any(each.startswith(f"{WEST}: {finding}") for each in findings), findings
    assert all(each.startswith(WEST) for each in findings)


@pytest.mark.parametrize(
    ("stack", "resource", "properties", "finding"),
    [
        (f"data-{EAST}", "Bucket", {"VersioningConfiguration": {"Status": "Suspended"}}, f"{EAST}: bucket"),
        (ROUTING, "Replicate1", {"Policies": []}, f"{WEST}: role"),
    ],
)
def test_a_bucket_or_a_role_that_cannot_would_be_found(
    stack: str, resource: str, properties: dict[str, Any], finding: str
) -> None:
    assert list(_wrong(planted(templates("prod"), stack, resource, **properties), "prod")) == [finding]


def test_a_role_that_may_not_verify_the_bucket_key_would_be_found() -> None:
    role = templates("prod")[ROUTING]["Resources"]["Replicate1"]
    (policy,) = role["Properties"]["Policies"]
    narrowed = [
        {**each, "Action": ["kms:Encrypt"]} if each["Sid"] == "WriteWithKey" else each for each in statements(role)
    ]
    document = {**policy["PolicyDocument"], "Statement": narrowed}
    found = planted(templates("prod"), ROUTING, "Replicate1", Policies=[{**policy, "PolicyDocument": document}])

    assert list(_wrong(found, "prod")) == [f"{WEST}: role's keys"]


@everywhere
def test_whoever_sets_it_may_do_that_and_hand_over_both_roles_to_s3_alone(environment: str) -> None:
    found = templates(environment)
    put, hand_over, _log = statements(found[ROUTING]["Resources"]["SetterRole"])

    assert put["Action"] == ["s3:PutReplicationConfiguration"]
    assert put["Resource"] == [f"arn:aws:s3:::{each['Bucket']}" for each in _set_up(found).values()]
    assert hand_over["Resource"] == [each["ReplicationConfiguration"]["Role"] for each in _set_up(found).values()]
    assert hand_over["Condition"] == {"StringEquals": {"iam:PassedToService": "s3.amazonaws.com"}}


@everywhere
def test_the_access_point_leads_to_both_buckets_and_is_by_tls_only(environment: str) -> None:
    found, settings = templates(environment), config.load(environment)
    point = found[ROUTING]["Resources"]["AccessPoint"]["Properties"]
    (deny,) = found[ROUTING]["Resources"]["AccessPointPolicy"]["Properties"]["Policy"]["Statement"]

    assert point["Name"] == settings.topology.mrap
    assert [each["Bucket"] for each in point["Regions"]] == [
        found[f"data-{region}"]["Resources"]["Bucket"]["Properties"]["BucketName"] for region in settings.regions
    ]
    assert list(point["PublicAccessBlockConfiguration"].values()) == [True] * 4
    assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "s3:*")
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@everywhere
def test_only_notifiers_and_controllers_sign_links(environment: str) -> None:
    """A controller follows the links of its canaries. In a lean environment both share one role, and no other signs."""
    found, settings = templates(environment), config.load(environment)
    (trust,) = found[ROUTING]["Resources"]["LinkRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    signers = ("SharedRole",) if settings.is_lean else ("NotifierRole", "FailoverControllerRole")
    tasks = [
        found[f"compute-{region}"]["Resources"][role]["Properties"] for role in signers for region in settings.regions
    ]

    assert trust["Condition"] == {
        "ArnEquals": {
            "aws:PrincipalArn": [f"arn:aws:iam::{settings.account_id}:role/{each['RoleName']}" for each in tasks]
        }
    }


# --- how the function answers


class _Answers(HTTPServer):
    """Where CloudFormation waits: keeps what it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Keep)
        self.got: list[tuple[str, str | None, bytes]] = []


class _Keep(BaseHTTPRequestHandler):
    server: _Answers  # pyright: ignore[reportIncompatibleVariableOverride] - it is this one's

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, self.headers["Content-Type"], body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        del format, args


@pytest.fixture
def answers() -> Generator[_Answers]:
    with _Answers() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_an_answer_is_sent_as_the_signature_of_its_address_wants_it(answers: _Answers) -> None:
    answer.put(f"http://127.0.0.1:{answers.server_port}/there?signed=yes", b"{}")

    # A content type that was not signed, and S3, which holds the answer, refuses it.
    assert answers.got == [("/there?signed=yes", "", b"{}")]
