"""Stack: one Region's bucket, queues, tables, trigger, and the address that mails come from."""

from typing import Any, Final

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_ses as ses
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from baton.model.identity import CANARY
from baton.model.paths import ARCHIVE, CANARY_WORK, INPUT, WORK
from baton.topology import PROGRESS, PROGRESS_KEPT_DAYS, REJECTS, RETENTION_DAYS, SERVICES, Schema
from baton_infra.config import EnvironmentConfig
from baton_infra.constructs import trigger_code
from baton_infra.constructs.buckets import bucket, cleaning, deny_foreign_encryption, expiry, hidden_expiry
from baton_infra.constructs.functions import LogLife, function
from baton_infra.constructs.queues import dead_letter_queue, queue_with_dead_letters, work_queue
from baton_infra.declared import policies
from baton_infra.declared.statements import Statement
from baton_infra.stacks.base import BatonStack

_CREATED: Final = "s3:ObjectCreated:*"
_TRIGGER_SECONDS: Final = 30
_TRIGGER_MEMORY_MIB: Final = 512


class DataStack(BatonStack):
    """One Region's data: bucket, queues, tables, the trigger and the address that mails come from."""

    purpose = "data"

    def __init__(self, scope: Construct, config: EnvironmentConfig, region: str) -> None:
        super().__init__(scope, config, region)
        canary_events = self._queues()
        self._tables()
        key_arn = self._key()
        permission = self._trigger(key_arn)
        self._buckets(key_arn, permission, canary_events)
        self._logs(key_arn)
        if config.create_sender:
            sender = ses.CfnEmailIdentity(self, "Sender", email_identity=config.sender.spec)
            sender.apply_removal_policy(self.removal_policy)

    def _key(self) -> str | None:
        """Return the ARN of this Region's own key, if the environment wants one."""
        if not self.config.customer_keys:
            return None
        # Who may use it is said by the roles: the account's own policy stands behind it.
        account = {
            "Sid": "ByRoles",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{self.config.account_id}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
        logs_may = {
            "Sid": "Logs",
            "Effect": "Allow",
            "Principal": {"Service": f"logs.{self.region}.amazonaws.com"},
            "Action": ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
            "Resource": "*",
            "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": self.arns.log_group("*")}},
        }
        key = kms.CfnKey(
            self,
            "Key",
            description=f"Objects of {self.topology.data_bucket(self.region)}, and logs",
            enable_key_rotation=True,
            key_policy={"Version": "2012-10-17", "Statement": [account, logs_may]},
        )
        key.apply_removal_policy(self.removal_policy)
        alias = kms.CfnAlias(self, "KeyAlias", alias_name=self.topology.key_alias, target_key_id=key.ref)
        alias.apply_removal_policy(self.removal_policy)  # by which the key is found
        return key.attr_arn

    def _logs(self, key_arn: str | None) -> None:
        """Declare the services' log groups: here, since a first deployment of services that fails is rolled back.

        What they logged says why. They stay where data stay.
        """
        for service in SERVICES:
            logs.CfnLogGroup(
                self,
                f"{service.title().replace('-', '')}Logs",
                log_group_name=self.topology.log_group(service),
                retention_in_days=self.config.log_days,
                kms_key_id=key_arn,
            ).apply_removal_policy(self.removal_policy)

    def _buckets(self, key_arn: str | None, trigger: lambda_.CfnPermission, canary_events: sqs.CfnQueuePolicy) -> None:
        days = self.config.input_days
        rules = [
            # Parts are needed for as long as the progress table has their chunks, and are deleted no sooner.
            expiry("work", PROGRESS_KEPT_DAYS + 1, WORK),
            expiry("archive", days, ARCHIVE),
            # Canary objects are deleted when done; their delete markers expire after a day: every listing reads them.
            expiry("canary", 1, CANARY, hidden_days=1),
            expiry("canary-work", 1, CANARY_WORK, hidden_days=1),
            # Every file that was filed away leaves its version and a marker in the sweeper's list. A day longer than
            # its row lives: what the ledger knows has its file.
            hidden_expiry("input", RETENTION_DAYS + 1, INPUT),
            *cleaning(days),
        ]
        data = bucket(
            self,
            "Bucket",
            self.topology.data_bucket(self.region),
            removal=self.removal_policy,
            key_arn=key_arn,
            statements=deny_foreign_encryption(self.arns.bucket(), key_arn),
            versioning_configuration=s3.CfnBucket.VersioningConfigurationProperty(status="Enabled"),
            lifecycle_configuration=s3.CfnBucket.LifecycleConfigurationProperty(rules=rules),
            logging_configuration=s3.CfnBucket.LoggingConfigurationProperty(
                destination_bucket_name=self._access_logs().ref
            ),
            notification_configuration=self._notifications(),
        )
        # S3 asks whether it may call the function, and send to the queue, before it promises to.
        data.add_resource_dependency(trigger)
        data.add_resource_dependency(canary_events)

    def _access_logs(self) -> s3.CfnBucket:
        name = self.topology.log_bucket(self.region)
        writes = {
            "Sid": "AccessLogs",
            "Effect": "Allow",
            "Principal": {"Service": "logging.s3.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::{name}/*",
            "Condition": {
                "ArnLike": {"aws:SourceArn": self.arns.bucket()},
                "StringEquals": {"aws:SourceAccount": self.config.account_id},
            },
        }
        rules = [expiry("logs", self.config.log_days, "")]
        return bucket(
            self,
            "AccessLogs",
            name,
            removal=self.removal_policy,
            statements=[writes],
            lifecycle_configuration=s3.CfnBucket.LifecycleConfigurationProperty(rules=rules),
        )

    def _notifications(self) -> s3.CfnBucket.NotificationConfigurationProperty:
        to_trigger = s3.CfnBucket.LambdaConfigurationProperty(
            event=_CREATED, function=self.arns.function(self.topology.trigger_function), filter=_below(INPUT)
        )
        # Not to the function: an account's concurrency is shared by all that calls it.
        to_splitter = s3.CfnBucket.QueueConfigurationProperty(
            event=_CREATED, queue=self.arns.queue(self.topology.canary_events_queue), filter=_below(CANARY)
        )
        return s3.CfnBucket.NotificationConfigurationProperty(
            lambda_configurations=[to_trigger], queue_configurations=[to_splitter]
        )

    def _queues(self) -> sqs.CfnQueuePolicy:
        """Declare all queues; return the policy that lets S3 send the events of canaries."""
        topology = self.topology
        for queue in topology.queues:
            work_queue(self, queue, self.arns)
        dead_letter_queue(self, "TriggerDead", topology.trigger_dead_letter_queue, self.arns)
        by_bucket = {
            "Sid": "ByBucket",
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": self.arns.queue(topology.canary_events_queue),
            "Condition": {
                "ArnLike": {"aws:SourceArn": self.arns.bucket()},
                "StringEquals": {"aws:SourceAccount": self.config.account_id},
            },
        }
        return queue_with_dead_letters(
            self,
            "CanaryEvents",
            topology.canary_events_queue,
            topology.canary_events_dead_letter_queue,
            self.arns,
            may_send=by_bucket,
        )

    def _tables(self) -> None:
        self._table("Progress", self.topology.progress_table, PROGRESS)
        self._table("Rejects", self.topology.rejects_table, REJECTS)

    def _table(self, name: str, table_name: str, schema: Schema) -> None:
        """Declare a table of this Region alone. No backup: what is in it can be counted again from the parts."""
        made = dynamodb.CfnTable(
            self,
            name,
            table_name=table_name,
            billing_mode="PAY_PER_REQUEST",
            attribute_definitions=[
                dynamodb.CfnTable.AttributeDefinitionProperty(attribute_name=attribute, attribute_type=kind)
                for attribute, kind in schema.attributes.items()
            ],
            key_schema=[
                dynamodb.CfnTable.KeySchemaProperty(attribute_name=attribute, key_type=place)
                for (attribute, _), place in zip(schema.key, ("HASH", "RANGE"), strict=True)
            ],
            time_to_live_specification=dynamodb.CfnTable.TimeToLiveSpecificationProperty(
                attribute_name="expires_at", enabled=schema.expires
            ),
            deletion_protection_enabled=self.config.retain_data,
        )
        made.apply_removal_policy(self.removal_policy)

    def _trigger(self, key_arn: str | None) -> lambda_.CfnPermission:
        """Declare the function that admits files, and let this Region's bucket call it.

        It reserves no concurrency: a new account has none to spare, and Lambda keeps what it throttles for six hours.
        """
        topology = self.topology
        dead = self.arns.queue(topology.trigger_dead_letter_queue)
        options: dict[str, Any] = {"memory_size": _TRIGGER_MEMORY_MIB}
        if self.config.traces:
            options["tracing_config"] = lambda_.CfnFunction.TracingConfigProperty(mode="Active")
        made = function(
            self,
            "Trigger",
            arns=self.arns,
            function_name=topology.trigger_function,
            code=trigger_code.directory(),
            handler="trigger.function.handler",
            statements=self._trigger_may(dead),
            role_name=topology.role("trigger", self.region),
            log_life=LogLife(self.config.log_days, key_arn, self.removal_policy),
            timeout_seconds=_TRIGGER_SECONDS,
            environment=self.world_environment,
            **options,
        )
        self._trigger_attempts(made.ref, dead)
        return lambda_.CfnPermission(
            self,
            "TriggerByBucket",
            action="lambda:InvokeFunction",
            function_name=made.ref,
            principal="s3.amazonaws.com",
            source_account=self.config.account_id,
            source_arn=self.arns.bucket(),
        )

    def _trigger_attempts(self, function_name: str, dead_letters: str) -> None:
        lambda_.CfnEventInvokeConfig(
            self,
            "TriggerAttempts",
            function_name=function_name,
            qualifier="$LATEST",
            maximum_retry_attempts=2,
            destination_config=lambda_.CfnEventInvokeConfig.DestinationConfigProperty(
                on_failure=lambda_.CfnEventInvokeConfig.OnFailureProperty(destination=dead_letters)
            ),
        ).node.add_dependency(self.node.find_child("TriggerDead"))

    def _trigger_may(self, dead_letters: str) -> list[Statement]:
        reach = policies.RoleScope(self.topology, self.region, customer_keys=self.config.customer_keys)
        give_up = Statement("GiveUp", ("sqs:SendMessage",), (dead_letters,))
        return [*policies.of_service("trigger", reach), give_up, *policies.traces(enabled=self.config.traces)]


def _below(prefix: str) -> s3.CfnBucket.NotificationFilterProperty:
    rules = [s3.CfnBucket.FilterRuleProperty(name="prefix", value=prefix)]
    return s3.CfnBucket.NotificationFilterProperty(s3_key=s3.CfnBucket.S3KeyFilterProperty(rules=rules))
