"""Stack: the Multi-Region Access Point, replication both ways, and the role that signs download links."""

import json
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from baton.model.paths import REPLICATED, REPLICATED_IN_TIME
from baton.ports.links import LINK_LIFE
from baton.topology import CONTROLLER, other_region
from baton_infra.config import EnvironmentConfig
from baton_infra.constructs.custom import custom_resource
from baton_infra.constructs.functions import LogLife, function
from baton_infra.constructs.roles import deny_plain_http, service_role
from baton_infra.declared import policies
from baton_infra.declared.names import Arns
from baton_infra.declared.statements import Statement, document
from baton_infra.stacks.base import BatonStack


class RoutingStack(BatonStack):
    """The way between the Regions: the Multi-Region Access Point, replication both ways, and the role of links."""

    purpose = "routing"

    def __init__(self, scope: Construct, config: EnvironmentConfig, region: str) -> None:
        super().__init__(scope, config, region)
        self.mrap_arn = self._access_point()
        """Known after the deployment: its alias is drawn by S3."""
        cdk.CfnOutput(self, "AccessPointArn", value=self.mrap_arn)
        self._replication()
        self._link_role()

    def _access_point(self) -> str:
        block = s3.CfnMultiRegionAccessPoint.PublicAccessBlockConfigurationProperty
        buckets = [self.topology.data_bucket(region) for region in self.config.regions]
        made = s3.CfnMultiRegionAccessPoint(
            self,
            "AccessPoint",
            name=self.topology.mrap,
            public_access_block_configuration=block(
                block_public_acls=True,
                block_public_policy=True,
                ignore_public_acls=True,
                restrict_public_buckets=True,
            ),
            regions=[
                s3.CfnMultiRegionAccessPoint.RegionProperty(bucket=bucket, bucket_account_id=self.config.account_id)
                for bucket in buckets
            ],
        )
        arn = f"arn:aws:s3::{self.config.account_id}:accesspoint/{made.attr_alias}"
        statement = deny_plain_http(arn, f"{arn}/object/*", action="s3:*")
        s3.CfnMultiRegionAccessPointPolicy(
            self, "AccessPointPolicy", mrap_name=made.ref, policy={"Version": "2012-10-17", "Statement": [statement]}
        )
        return arn

    def _replication(self) -> None:
        roles = {region: self._replication_role(region) for region in self.config.regions}
        sources = [Arns(self.topology, region) for region in self.config.regions]
        statements = [
            Statement(
                "Replicate",
                ("s3:PutReplicationConfiguration",),
                tuple(each.bucket() for each in sources),
            ),
            Statement(
                "HandOver",
                ("iam:PassRole",),
                tuple(each.role(self.topology.role("replicate", each.region)) for each in sources),
                {"StringEquals": {"iam:PassedToService": "s3.amazonaws.com"}},
            ),
        ]
        name = self.topology.replication_function
        setter = function(
            self,
            "Setter",
            arns=self.arns,
            function_name=name,
            handler="baton_functions.replication.handler",
            statements=statements,
            log_life=LogLife(self.config.log_days),
            timeout_seconds=60,
        )
        buckets = [
            {
                "Region": region,
                "Bucket": self.topology.data_bucket(region),
                "Configuration": json.dumps(self._configuration(region), sort_keys=True),
            }
            for region in self.config.regions
        ]
        made = custom_resource(self, "Replication", "BucketReplication", setter, {"Buckets": buckets})
        for role in roles.values():
            made.add_resource_dependency(role)

    def _configuration(self, source: str) -> dict[str, Any]:
        """Return how a Region's bucket replicates to the other one, as S3's API wants it."""
        rules = [self._rule(prefix, priority, source) for priority, prefix in enumerate(REPLICATED, start=1)]
        role = Arns(self.topology, source).role(self.topology.role("replicate", source))
        return {"Role": role, "Rules": rules}

    def _rule(self, prefix: str, priority: int, source: str) -> dict[str, Any]:
        target = Arns(self.topology, other_region(source, self.config.regions))
        in_time = {"Status": "Enabled", "Time": {"Minutes": 15}}
        destination: dict[str, Any] = {"Bucket": target.bucket()}
        if prefix in REPLICATED_IN_TIME:
            destination["ReplicationTime"] = in_time
            destination["Metrics"] = {"Status": "Enabled", "EventThreshold": {"Minutes": 15}}
        rule: dict[str, Any] = {
            "ID": self.topology.replication_rule(prefix),
            "Priority": priority,
            "Status": "Enabled",
            "Filter": {"Prefix": prefix},
            # A marker says that an input is archived: the other Region's sweeper must see that.
            "DeleteMarkerReplication": {"Status": "Enabled"},
            "Destination": destination,
        }
        if self.config.customer_keys:
            rule["SourceSelectionCriteria"] = {"SseKmsEncryptedObjects": {"Status": "Enabled"}}
            alias = f"arn:aws:kms:{target.region}:{self.config.account_id}:{self.topology.key_alias}"
            destination["EncryptionConfiguration"] = {"ReplicaKmsKeyID": alias}
        return rule

    def _replication_role(self, source: str) -> iam.CfnRole:
        here = Arns(self.topology, source)
        target = Arns(self.topology, other_region(source, self.config.regions))
        reads = ("s3:GetObjectVersionAcl", "s3:GetObjectVersionForReplication", "s3:GetObjectVersionTagging")
        writes = ("s3:ReplicateDelete", "s3:ReplicateObject", "s3:ReplicateTags")
        bucket = ("s3:GetReplicationConfiguration", "s3:ListBucket")
        statements = [
            Statement("ReadBucket", bucket, (here.bucket(),)),
            Statement("ReadVersions", reads, tuple(here.objects(prefix) for prefix in REPLICATED)),
            Statement("WriteReplicas", writes, tuple(target.objects(prefix) for prefix in REPLICATED)),
            *policies.of_replication_keys(
                policies.RoleScope(self.topology, source, customer_keys=self.config.customer_keys), target
            ),
        ]
        return service_role(
            self,
            f"Replicate{self.config.regions.index(source)}",
            principal="s3.amazonaws.com",
            statements=statements,
            role_name=self.topology.role("replicate", source),
            # No condition: nowhere is it said that S3 names an account here, and only our own can pass a role of ours.
        )

    def _link_role(self) -> None:
        """Declare whose credentials sign the links: a role can never do more than its own policy says."""
        reach = policies.RoleScope(
            self.topology, self.region, mrap_arn=self.mrap_arn, customer_keys=self.config.customer_keys
        )
        # A controller follows the links of its canaries, and its role is that of a lean environment's shared task.
        services = (CONTROLLER,) if self.config.is_lean else ("notifier", CONTROLLER)
        signers = [
            Arns(self.topology, region).role(self.topology.role(service, region))
            for service in services
            for region in self.config.regions
        ]
        # By condition, since a principal must exist when it is named, and these come later.
        trust = {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{self.config.account_id}:root"},
            "Action": "sts:AssumeRole",
            "Condition": {"ArnEquals": {"aws:PrincipalArn": signers}},
        }
        iam.CfnRole(
            self,
            "LinkRole",
            role_name=self.topology.link_role,
            max_session_duration=int(LINK_LIFE.total_seconds()),
            assume_role_policy_document={"Version": "2012-10-17", "Statement": [trust]},
            policies=[
                iam.CfnRole.PolicyProperty(
                    policy_name="read-output", policy_document=document(policies.of_link_role(reach))
                )
            ],
        )
