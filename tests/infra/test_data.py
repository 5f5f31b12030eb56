"""Each Region's data, and what both share: how long things live, who may reach them, and where what fails goes."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from baton.model import paths
from baton.model.identity import CANARY
from baton.topology import PROGRESS_KEPT_DAYS, REGIONS_DEFAULT, RETENTION_DAYS, SERVICES
from baton_infra import assemblies, config
from baton_infra.declared.names import Arns
from synthesized import resources, templates
from template_reading import Templates, logical_id, planted, statements

HOME: Final = "data-us-east-1"
SHARED: Final = "global-data-us-east-1"
BUCKET: Final = "AWS::S3::Bucket"

everywhere = pytest.mark.parametrize("environment", config.names())
in_each = pytest.mark.parametrize("region", REGIONS_DEFAULT)


def _named(found: Templates, stack: str, kind: str, **properties: object) -> Mapping[str, Any]:
    """Return the properties of the only resource of a type that has these."""
    (one,) = (
        each["Properties"]
        for each in resources(found[stack], kind).values()
        if all(each["Properties"].get(key) == value for key, value in properties.items())
    )
    return one


def _data_bucket(found: Templates, environment: str, region: str) -> Mapping[str, Any]:
    name = config.load(environment).topology.data_bucket(region)
    return _named(found, f"data-{region}", BUCKET, BucketName=name)


# --- how long things live


def _life(bucket: Mapping[str, Any], key: str) -> tuple[int | None, int | None]:
    """Return after how many days S3 hides an object, and after how many more it removes what is hidden."""
    rules = [
        rule
        for rule in bucket["LifecycleConfiguration"]["Rules"]
        if rule["Status"] == "Enabled" and key.startswith(rule.get("Prefix", ""))
    ]
    hidden = [rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule]
    gone = [
        each["NoncurrentVersionExpiration"]["NoncurrentDays"] for each in rules if "NoncurrentVersionExpiration" in each
    ]
    return min(hidden, default=None), min(gone, default=None)


def _lives(bucket: Mapping[str, Any]) -> dict[str, tuple[int | None, int | None]]:
    return {prefix: _life(bucket, f"{prefix}x") for prefix in (*paths.REPLICATED, CANARY, paths.CANARY_WORK)}


def _wanted_lives(days: int) -> dict[str, tuple[int | None, int | None]]:
    return {
        paths.INPUT: (None, RETENTION_DAYS + 1),  # the notifier hides it, once there is a copy
        paths.OUTPUT: (None, days),  # the receiver's own affair
        paths.WORK: (PROGRESS_KEPT_DAYS + 1, days),  # longer than the books of its chunks
        paths.ARCHIVE: (days, days),
        CANARY: (1, 1),
        paths.CANARY_WORK: (1, 1),
    }


@everywhere
@in_each
def test_files_live_as_long_as_they_are_of_use(environment: str, region: str) -> None:
    days = config.load(environment).input_days

    assert _lives(_data_bucket(templates(environment), environment, region)) == _wanted_lives(days)
    assert days > RETENTION_DAYS  # a batch that the ledger knows has its file


@pytest.mark.parametrize(
    ("rule", "prefix"),
    [
        ({"Prefix": "input/", "ExpirationInDays": 30}, paths.INPUT),
        ({"Prefix": "out", "ExpirationInDays": 30}, paths.OUTPUT),
        ({"Prefix": "work/", "NoncurrentVersionExpiration": {"NoncurrentDays": 3}}, paths.WORK),
    ],
)
def test_a_file_that_goes_too_soon_would_be_found(rule: dict[str, Any], prefix: str) -> None:
    days = config.load("prod").input_days
    bucket = _data_bucket(templates("prod"), "prod", "us-east-1")
    rules = [*bucket["LifecycleConfiguration"]["Rules"], {"Status": "Enabled", **rule}]
    lives = _lives({**bucket, "LifecycleConfiguration": {"Rules": rules}})

    assert [each for each, life in lives.items() if life != _wanted_lives(days)[each]] == [prefix]


@everywhere
@in_each
def test_markers_and_abandoned_uploads_do_not_pile_up(environment: str, region: str) -> None:
    rules = _data_bucket(templates(environment), environment, region)["LifecycleConfiguration"]["Rules"]

    for what in ("ExpiredObjectDeleteMarker", "AbortIncompleteMultipartUpload"):
        (rule,) = (each for each in rules if what in each)
        assert (rule["Status"], rule.get("Prefix", "")) == ("Enabled", "")


@everywhere
def test_shared_tables_lie_in_both_regions_and_can_be_restored(environment: str) -> None:
    wanted = config.load(environment)
    tables = {
        each["Properties"]["TableName"]: each["Properties"]
        for each in resources(templates(environment)[SHARED], "AWS::DynamoDB::GlobalTable").values()
    }
    ledger, reference = tables[wanted.topology.ledger_table], tables[wanted.topology.reference_table]

    assert len(tables) == 2
    assert ledger["GlobalTableWitnesses"] == [{"Region": wanted.witness_region}]
    assert reference["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    for table in tables.values():
        assert table["Replicas"] == [
            {
                "Region": region,
                "DeletionProtectionEnabled": wanted.retain_data,
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
            }
            for region in wanted.regions
        ]


@everywhere
@in_each
def test_tables_are_protected_where_data_stay(environment: str, region: str) -> None:
    tables = resources(templates(environment)[f"data-{region}"], "AWS::DynamoDB::Table").values()

    assert {each["Properties"]["DeletionProtectionEnabled"] for each in tables} == {
        config.load(environment).retain_data
    }


# --- who may reach them


def _strangers(found: Templates, environment: str, region: str) -> Iterator[str]:
    """Yield who could send what it should not: to dead-letter queues, to the trigger, into the log bucket."""
    settings = config.load(environment)
    arns, stack = Arns(settings.topology, region), f"data-{region}"
    for queue in settings.topology.queues:
        dead = _named(found, stack, "AWS::SQS::Queue", QueueName=queue.dead_letter_name)
        if dead.get("RedriveAllowPolicy", {}).get("sourceQueueArns") != [arns.queue(queue.name)]:
            yield queue.dead_letter_name
    (permission,) = (each["Properties"] for each in resources(found[stack], "AWS::Lambda::Permission").values())
    caller = (permission["Principal"], permission.get("SourceAccount"), permission.get("SourceArn"))
    if caller != ("s3.amazonaws.com", settings.account_id, arns.bucket()):
        yield "trigger"
    policies = {"logs": ("AWS::S3::BucketPolicy", "AccessLogsPolicy")}
    policies["canaries"] = ("AWS::SQS::QueuePolicy", "CanaryEventsPolicy")
    conditions = {
        "ArnLike": {"aws:SourceArn": arns.bucket()},
        "StringEquals": {"aws:SourceAccount": settings.account_id},
    }
    for what, (kind, name) in policies.items():
        for statement in resources(found[stack], kind)[name]["Properties"]["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Allow" and statement.get("Condition") != conditions:
                yield what


@everywhere
@in_each
def test_nobody_else_sends_what_only_one_should(environment: str, region: str) -> None:
    assert not list(_strangers(templates(environment), environment, region))


@pytest.mark.parametrize(
    ("resource", "properties", "finding"),
    [
        ("MergeDead", {"RedriveAllowPolicy": {"redrivePermission": "allowAll"}}, "baton-prod-merge-dead"),
        ("TriggerByBucket", {"SourceAccount": None}, "trigger"),
        ("TriggerByBucket", {"SourceArn": "arn:aws:s3:::*"}, "trigger"),
        ("AccessLogsPolicy", {"PolicyDocument": {"Statement": [{"Effect": "Allow"}]}}, "logs"),
        ("CanaryEventsPolicy", {"PolicyDocument": {"Statement": [{"Effect": "Allow"}]}}, "canaries"),
    ],
)
def test_a_stranger_would_be_found(resource: str, properties: dict[str, Any], finding: str) -> None:
    found = planted(templates("prod"), HOME, resource, **properties)

    assert list(_strangers(found, "prod", "us-east-1")) == [finding]


@everywhere
@in_each
def test_accesses_are_logged_beside_the_bucket(environment: str, region: str) -> None:
    found, topology = templates(environment), config.load(environment).topology
    target = _data_bucket(found, environment, region)["LoggingConfiguration"]["DestinationBucketName"]

    logs = found[f"data-{region}"]["Resources"][logical_id(found, target)]["Properties"]
    assert logs["BucketName"] == topology.log_bucket(region)
    assert "LoggingConfiguration" not in logs  # it would log its own logs


@everywhere
@in_each
def test_objects_are_encrypted_by_the_key_that_the_file_asks_for(environment: str, region: str) -> None:
    found, settings = templates(environment), config.load(environment)
    stack = f"data-{region}"
    encryption = _data_bucket(found, environment, region)["BucketEncryption"]
    (rule,) = encryption["ServerSideEncryptionConfiguration"]
    by_default = rule["ServerSideEncryptionByDefault"]

    if not settings.customer_keys:
        assert (by_default, resources(found[stack], "AWS::KMS::Key")) == ({"SSEAlgorithm": "AES256"}, {})
        return
    alias = _named(found, stack, "AWS::KMS::Alias")
    assert (by_default["SSEAlgorithm"], rule["BucketKeyEnabled"]) == ("aws:kms", True)
    # Roles know the key by its alias.
    assert logical_id(found, by_default["KMSMasterKeyID"]) == logical_id(found, alias["TargetKeyId"])
    assert alias["AliasName"] == settings.topology.key_alias
    assert _named(found, stack, "AWS::KMS::Key")["EnableKeyRotation"] is True


# --- what is told, and where it goes if nobody takes it


def _untold(found: Templates, environment: str, region: str) -> Iterator[str]:
    """Yield what is wrong on an event's way: from the bucket, by the trigger, to the queue of what it gave up."""
    settings = config.load(environment)
    arns = Arns(settings.topology, region)
    raw = found[f"data-{region}"]["Resources"]
    function, dead = settings.topology.trigger_function, arns.queue(settings.topology.trigger_dead_letter_queue)
    events = _data_bucket(found, environment, region)["NotificationConfiguration"]
    told = [
        (each["Filter"]["S3Key"]["Rules"][0]["Value"], each.get("Function", each.get("Queue")))
        for each in (*events["LambdaConfigurations"], *events.get("QueueConfigurations", ()))
    ]
    canaries = arns.queue(settings.topology.canary_events_queue)
    if told != [(paths.INPUT, arns.function(function)), (CANARY, canaries)]:
        yield "told"
    if raw["Bucket"].get("DependsOn") != ["CanaryEventsPolicy", "TriggerByBucket"]:
        yield "made before S3 may call"
    attempts = raw["TriggerAttempts"]["Properties"]
    if attempts["DestinationConfig"]["OnFailure"]["Destination"] != dead:
        yield "given up to nobody"
    may = [each for each in statements(raw["TriggerRole"]) if "sqs:SendMessage" in each["Action"]]
    if not any(dead in each["Resource"] for each in may):
        yield "may not give up"


_ASKED: Final = "s3:x-amz-server-side-encryption"
_NAMED: Final = "s3:x-amz-server-side-encryption-aws-kms-key-id"
_SENDERS: Final = "s3:x-amz-server-side-encryption-customer-algorithm"


def _is_refused(policy: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
    """Return whether a bucket's policy denies an upload with these headers, as IAM reads conditions."""

    def holds(operator: str, key: str, value: Any) -> bool:
        match operator:
            case "Null":
                return (key not in headers) == (value == "true")
            case "StringNotEquals":  # of a key that is not there, too
                return headers.get(key) != value
            case _:
                raise KeyError(operator)

    return any(
        each["Action"] == "s3:PutObject"
        and each["Effect"] == "Deny"
        and all(
            holds(operator, key, "KEY" if isinstance(value, dict) else value)
            for operator, keys in each["Condition"].items()
            for key, value in keys.items()
        )
        for each in policy["PolicyDocument"]["Statement"]
    )


@in_each
@pytest.mark.parametrize(
    ("environment", "headers", "refused"),
    [
        pytest.param("prod", {}, False, id="nothing said: the bucket's key"),
        pytest.param("prod", {_ASKED: "aws:kms", _NAMED: "KEY"}, False, id="the bucket's key"),
        pytest.param("prod", {_NAMED: "KEY"}, False, id="the bucket's key alone"),
        pytest.param("prod", {_ASKED: "aws:kms", _NAMED: "arn:other"}, True, id="a foreign key"),
        pytest.param("prod", {_NAMED: "arn:other"}, True, id="a foreign key alone"),
        pytest.param("prod", {_ASKED: "aws:kms"}, True, id="the key of AWS"),
        pytest.param("prod", {_ASKED: "AES256"}, True, id="no key"),
        pytest.param("prod", {_SENDERS: "AES256"}, True, id="the sender's own key"),
        pytest.param("dev", {}, False, id="nothing said: S3's own"),
        pytest.param("dev", {_ASKED: "AES256"}, False, id="S3's own"),
        pytest.param("dev", {_ASKED: "aws:kms", _NAMED: "arn:other"}, True, id="a foreign key without one of ours"),
        pytest.param("dev", {_SENDERS: "AES256"}, True, id="the sender's own key without one of ours"),
    ],
)
def test_what_nobody_here_could_read_is_refused_when_it_is_sent(
    environment: str, region: str, headers: dict[str, str], *, refused: bool
) -> None:
    (policy,) = (
        each["Properties"]
        for each in resources(templates(environment)[f"data-{region}"], "AWS::S3::BucketPolicy").values()
        if each["Properties"]["Bucket"] == {"Ref": "Bucket"}
    )

    assert _is_refused(policy, headers) is refused


@everywhere
@in_each
def test_what_is_kept_stays_as_it_was_guarded(environment: str, region: str) -> None:
    """Buckets keep their policies, keys the names by which they are found, and logs what they hold."""
    template, keeps = templates(environment)[f"data-{region}"], config.load(environment).retain_data
    kinds = {"AWS::S3::BucketPolicy", "AWS::KMS::Alias", "AWS::Logs::LogGroup"}
    found = {name: each["DeletionPolicy"] for name, each in template["Resources"].items() if each["Type"] in kinds}

    assert {policy.startswith("Retain") for policy in found.values()} == {keeps}


@everywhere
@in_each
def test_logs_are_under_the_environments_key_which_they_may_use(environment: str, region: str) -> None:
    template = templates(environment)[f"data-{region}"]
    settings = config.load(environment)
    groups = {
        each["Properties"]["LogGroupName"]: each["Properties"].get("KmsKeyId")
        for each in resources(template, "AWS::Logs::LogGroup").values()
    }
    (key,) = resources(template, "AWS::KMS::Key").values() or [None]

    of_services = {settings.topology.log_group(service) for service in SERVICES}
    assert groups.keys() == of_services | {f"/aws/lambda/{settings.topology.trigger_function}"}
    if key is None:
        assert set(groups.values()) == {None}
        return
    (logs,) = (each for each in key["Properties"]["KeyPolicy"]["Statement"] if each["Sid"] == "Logs")
    assert set(map(str, groups.values())) == {str({"Fn::GetAtt": ["Key", "Arn"]})}
    assert logs["Principal"] == {"Service": f"logs.{region}.amazonaws.com"}
    assert logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"] == (
        f"arn:aws:logs:{region}:{settings.account_id}:log-group:*"
    )


@everywhere
@in_each
def test_an_event_reaches_the_trigger_or_the_queue_of_what_it_gave_up(environment: str, region: str) -> None:
    assert not list(_untold(templates(environment), environment, region))


@pytest.mark.parametrize(
    ("resource", "properties", "finding"),
    [
        ("Bucket", {"NotificationConfiguration": {"LambdaConfigurations": []}}, "told"),
        ("TriggerAttempts", {"DestinationConfig": {"OnFailure": {"Destination": "arn:other"}}}, "given up to nobody"),
        ("TriggerRole", {"Policies": []}, "may not give up"),
    ],
)
def test_a_lost_event_would_be_found(resource: str, properties: dict[str, Any], finding: str) -> None:
    found = planted(templates("prod"), HOME, resource, **properties)

    assert list(_untold(found, "prod", "us-east-1")) == [finding]


def test_a_bucket_that_is_made_before_s3_may_call_would_be_found() -> None:
    found = planted(templates("prod"), HOME, "Bucket")
    found[HOME]["Resources"]["Bucket"]["DependsOn"] = []

    assert list(_untold(found, "prod", "us-east-1")) == ["made before S3 may call"]


def test_an_address_that_another_environment_verified_is_left_to_it(tmp_path: Path) -> None:
    shared = config.load("dev").model_copy(update={"create_sender": False})
    found = assemblies.synthesize(shared, tmp_path)

    for region in REGIONS_DEFAULT:
        assert not resources(found[f"data-{region}"], "AWS::SES::EmailIdentity")
        own = resources(templates("dev")[f"data-{region}"], "AWS::SES::EmailIdentity").values()
        assert [each["Properties"]["EmailIdentity"] for each in own] == [shared.sender.spec]


# --- images


@everywhere
@in_each
def test_each_region_has_every_image_of_its_own(environment: str, region: str) -> None:
    topology = config.load(environment).topology
    found = resources(templates(environment)[f"images-{region}"], "AWS::ECR::Repository").values()
    repositories = {each["Properties"]["RepositoryName"]: each["Properties"] for each in found}

    assert repositories.keys() == {topology.repository(service) for service in SERVICES}
    for repository in repositories.values():
        _, rule = json.loads(repository["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
        assert repository["ImageTagMutability"] == "IMMUTABLE"
        assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}
        assert (rule["selection"]["countType"], rule["selection"]["countNumber"]) == ("imageCountMoreThan", 30)
