"""Stack: what both Regions share, the ledger and the reference table."""

from typing import Any

from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from baton.topology import LEDGER, REFERENCE, Key, Schema
from baton_infra.config import EnvironmentConfig
from baton_infra.stacks.base import BatonStack


class GlobalDataStack(BatonStack):
    """What both Regions share: the ledger and the reference table."""

    purpose = "global-data"

    def __init__(self, scope: Construct, config: EnvironmentConfig, region: str) -> None:
        super().__init__(scope, config, region)
        self._ledger()
        self._reference()

    def _ledger(self) -> None:
        """Declare the store of record: strongly consistent in both Regions, so without TTL and local indexes."""
        table = self._table(
            "Ledger",
            self.topology.ledger_table,
            LEDGER,
            multi_region_consistency="STRONG",
            # The third Region keeps no rows: it only votes when one of the two is gone.
            global_table_witnesses=[
                dynamodb.CfnGlobalTable.GlobalTableWitnessProperty(region=self.config.witness_region)
            ],
        )
        table.apply_removal_policy(self.removal_policy)

    def _reference(self) -> None:
        """Declare the lookup tables: immutable snapshots, so that eventual consistency does no harm."""
        table = self._table(
            "Reference",
            self.topology.reference_table,
            REFERENCE,
            stream_specification=dynamodb.CfnGlobalTable.StreamSpecificationProperty(
                stream_view_type="NEW_AND_OLD_IMAGES"  # what replicates it
            ),
        )
        table.apply_removal_policy(self.removal_policy)

    def _table(self, name: str, table_name: str, schema: Schema, **options: Any) -> dynamodb.CfnGlobalTable:
        replica = dynamodb.CfnGlobalTable.ReplicaSpecificationProperty
        recovery = dynamodb.CfnGlobalTable.PointInTimeRecoverySpecificationProperty(point_in_time_recovery_enabled=True)
        return dynamodb.CfnGlobalTable(
            self,
            name,
            table_name=table_name,
            billing_mode="PAY_PER_REQUEST",
            attribute_definitions=[
                dynamodb.CfnGlobalTable.AttributeDefinitionProperty(attribute_name=attribute, attribute_type=kind)
                for attribute, kind in schema.attributes.items()
            ],
            key_schema=_keys(schema.key),
            global_secondary_indexes=[_index(*schema.index)] if schema.index else None,
            replicas=[
                replica(
                    region=region,
                    deletion_protection_enabled=self.config.retain_data,
                    point_in_time_recovery_specification=recovery,
                )
                for region in self.config.regions
            ],
            **options,
        )


def _index(name: str, key: Key) -> dynamodb.CfnGlobalTable.GlobalSecondaryIndexProperty:
    everything = dynamodb.CfnGlobalTable.ProjectionProperty(projection_type="ALL")
    return dynamodb.CfnGlobalTable.GlobalSecondaryIndexProperty(
        index_name=name, key_schema=_keys(key), projection=everything
    )


def _keys(key: Key) -> list[dynamodb.CfnGlobalTable.KeySchemaProperty]:
    return [
        dynamodb.CfnGlobalTable.KeySchemaProperty(attribute_name=attribute, key_type=place)
        for (attribute, _), place in zip(key, ("HASH", "RANGE"), strict=True)
    ]
