"""Deploys what the CDK app declares to emulators by CloudFormation: templates and zips as they were synthesized.

Run as a program it is the local world whose Regions were deployed, not bootstrapped: `lifecycle.up(program=PROGRAM)`
finds the synthesized app in the world's directory, under `ASSEMBLY`.
"""

import asyncio
import contextlib
import io
import json
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from baton.aws import Aws
from baton.aws.bootstrap import create_global
from baton_infra import assemblies
from baton_infra.config import EnvironmentConfig
from baton_infra.declared import steps
from baton_local import bootstrap
from baton_local.on_processes import supervisor
from baton_local.stand_ins.trigger import Function
from baton_local.wiring import Wiring
from emulator_process import ACCOUNT_ID
from local_worlds import client, eventually

PROGRAM: Final = (str(Path(__file__)),)
ASSEMBLY: Final = "cdk"
METRIC_MATH: Final = "AWS::CloudWatch::Alarm with Metrics"
LEFT_OUT: Final = {
    "AWS::ARCRegionSwitch::Plan": "no such type",
    "AWS::ApplicationAutoScaling::ScalableTarget": "no such type",
    "AWS::ApplicationAutoScaling::ScalingPolicy": "no such type",
    METRIC_MATH: "of metrics the emulator takes one by its name, and no math",
    "AWS::ECS::ClusterCapacityProviderAssociations": "no such type",
    "AWS::FIS::ExperimentTemplate": "no such type",
    "AWS::Route53::HealthCheck": "no such type",
    "AWS::Route53RecoveryControl::Cluster": "no such type",
    "AWS::Route53RecoveryControl::ControlPanel": "no such type",
    "AWS::Route53RecoveryControl::RoutingControl": "no such type",
    "AWS::Route53RecoveryControl::SafetyRule": "no such type",
    "AWS::S3::MultiRegionAccessPointPolicy": "no such type, and it judges no policy anyway",
    "AWS::SSM::Document": "no such type",
    "Custom::Lookup": "it asks ARC, which the emulator does not have",
}
"""What is taken out of a template for the emulator, by type, and why. Another type than these is deployed."""


def deploy(folder: Path, stack: str, url: str, *, region: str | None = None) -> None:
    """Create a stack of an assembly on an emulator; raises `AssertionError` with the events of one that fails.

    `region` is for a global table's replica, which the emulator does not make: the same stack in another Region.
    """
    region = region or region_of(stack)
    template = json.loads((folder / f"{stack}.template.json").read_text())
    _publish(folder, stack, url, region)
    name = _name(folder, stack)
    cloudformation = client("cloudformation", url, region)
    asked = _in_a_bucket(name, _told(known(template), url), url, region)
    cloudformation.create_stack(StackName=name, TemplateURL=asked, Capabilities=["CAPABILITY_NAMED_IAM"])

    def ended() -> str | None:
        (found,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        return None if found["StackStatus"].endswith("_IN_PROGRESS") else found["StackStatus"]

    status = eventually(ended, seconds=60)
    assert status == "CREATE_COMPLETE", _events(cloudformation, name)
    for resource in template["Resources"].values():
        _complete(resource.get("Properties", {}), client("dynamodb", url, region), region)


def known(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a template without what the emulator would refuse it for; a name stands for each reference to that."""
    gone = {name for name, each in template["Resources"].items() if type_of(each) in LEFT_OUT}
    kept = {name: _without(each, gone) for name, each in template["Resources"].items() if name not in gone}
    return _named({**template, "Resources": kept}, gone)


def type_of(resource: Mapping[str, Any]) -> str:
    """Return a resource's type; alarms on several metrics are one of their own, since no emulator has them."""
    kind: str = resource["Type"]
    return METRIC_MATH if kind == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"] else kind


def in_order(environment: EnvironmentConfig, folder: Path) -> list[str]:
    """Return the stacks of an assembly in the order in which `make deploy` creates them."""
    stacks = assemblies.read(folder)
    return [part for step in steps.deploy(environment) for part in step.command if part in stacks]


def region_of(stack: str) -> str:
    """Return where a stack belongs, from its id, such as `data-us-east-1`."""
    return "-".join(stack.split("-")[-3:])


def _without(resource: Mapping[str, Any], gone: set[str]) -> Mapping[str, Any]:
    needed = resource.get("DependsOn", [])
    left = [name for name in ([needed] if isinstance(needed, str) else needed) if name not in gone]
    return (
        {**resource, "DependsOn": left}
        if left
        else {key: value for key, value in resource.items() if key != "DependsOn"}
    )


def _named(value: Any, gone: set[str]) -> Any:
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]} if name in gone:
            return f"no-{name}"
        case {**entries}:
            return {key: _named(each, gone) for key, each in entries.items()}
        case [*several]:
            return [_named(each, gone) for each in several]
        case _:
            return value


def _told(value: Any, url: str) -> Any:
    """Replace what another stack says, in its Region: the emulator looks for it in this one."""
    match value:
        case {"Fn::GetStackOutput": {"StackName": str(stack), "Region": str(region), "OutputName": str(output)}}:
            (found,) = client("cloudformation", url, region).describe_stacks(StackName=stack)["Stacks"]
            return {each["OutputKey"]: each["OutputValue"] for each in found["Outputs"]}[output]
        case {**entries}:
            return {key: _told(each, url) for key, each in entries.items()}
        case [*several]:
            return [_told(each, url) for each in several]
        case _:
            return value


def _in_a_bucket(name: str, template: Mapping[str, Any], url: str, region: str) -> str:
    """Return the URL of a template: as the CDK command does, since a request holds no more than 51,200 bytes of it."""
    s3, bucket = client("s3", url, region), f"templates-{region}"
    _bucket(s3, bucket, region)
    s3.put_object(Bucket=bucket, Key=name, Body=json.dumps(template).encode())
    return f"{url}/{bucket}/{name}"


def _bucket(s3: Any, name: str, region: str) -> None:
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):  # made for another stack
        s3.create_bucket(Bucket=name, **where)


def _name(folder: Path, stack: str) -> str:
    return json.loads((folder / "manifest.json").read_text())["artifacts"][stack]["properties"]["stackName"]


def _publish(folder: Path, stack: str, url: str, region: str) -> None:
    """Do what the CDK command does before a deployment: it has a bucket with the stack's zips, and a version."""
    client("ssm", url, region).put_parameter(
        Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String", Overwrite=True
    )
    s3 = client("s3", url, region)
    for file in json.loads((folder / f"{stack}.assets.json").read_text())["files"].values():
        if file["source"]["packaging"] != "zip":
            continue  # the template itself
        body = _zipped(folder / file["source"]["path"])
        for target in file["destinations"].values():
            _bucket(s3, target["bucketName"], region)
            s3.put_object(Bucket=target["bucketName"], Key=target["objectKey"], Body=body)


def _zipped(folder: Path) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            archive.write(path, path.relative_to(folder))
    return held.getvalue()


def _complete(properties: Mapping[str, Any], dynamodb: Any, region: str) -> None:
    """Ask for what the emulator's CloudFormation passes over: the end of a table's rows, and its replicas."""
    if specification := properties.get("TimeToLiveSpecification"):
        dynamodb.update_time_to_live(TableName=properties["TableName"], TimeToLiveSpecification=specification)
    elsewhere = [each["Region"] for each in properties.get("Replicas", ()) if each["Region"] != region]
    for each in elsewhere:
        replica = {"Create": {"RegionName": each}}
        dynamodb.update_table(TableName=properties["TableName"], ReplicaUpdates=[replica])


def _events(cloudformation: Any, name: str) -> str:
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    return "\n".join(
        f"{each['LogicalResourceId']} {each['ResourceStatus']} {each.get('ResourceStatusReason', '')}"
        for each in reversed(events)
    )


class DeployedWorld(supervisor.Supervisor):
    """The local world, made by the synthesized templates: an emulator for each Region, and one for the ledger."""

    async def _furnish(self, inside: Aws, wiring: Wiring, code: bytes) -> None:
        del code  # of the bootstrap: the function has the synthesized zip
        folder = self._directory / ASSEMBLY
        home, _ = self._topology.regions
        await asyncio.to_thread(deploy, folder, f"global-data-{home}", inside.settings.ledger_endpoint_url or "")
        for region in self._topology.regions:
            url = wiring.borders[region].emulator
            await asyncio.to_thread(deploy, folder, f"global-data-{home}", url, region=region)
            await asyncio.to_thread(deploy, folder, f"data-{region}", url)
        # The control row, and on the third emulator what it holds for both Regions: link role and sender.
        await create_global(inside, senders=[bootstrap.SENDER])
        for region in self._topology.regions:
            self._functions.append(await self._function(inside, wiring, region))
            await _replicate(inside, region)

    async def _function(self, inside: Aws, wiring: Wiring, region: str) -> Function:
        """Tell the deployed function where the emulators are: on AWS, the SDK knows."""
        name = self._topology.trigger_function
        lambda_ = await inside.client("lambda", region, long_poll=True)()
        queues = await inside.client("sqs", region)()
        said = (await lambda_.get_function_configuration(FunctionName=name))["Environment"]["Variables"]
        await lambda_.update_function_configuration(
            FunctionName=name, Environment={"Variables": wiring.of_function(region) | said}
        )
        dead = (await queues.get_queue_url(QueueName=self._topology.trigger_dead_letter_queue))["QueueUrl"]
        return Function(name, region, lambda_, queues, failed_queue_url=dead, dead_letter_queue_url=dead)


async def _replicate(inside: Aws, region: str) -> None:
    """Add the queue of the replication's stand-in to those that get the events of the deployed bucket."""
    s3 = await inside.client("s3", region)()
    bucket = inside.topology.data_bucket(region)
    queue = await bootstrap.create_replication_queue(inside, region)
    told = await s3.get_bucket_notification_configuration(Bucket=bucket)
    functions, queues = told["LambdaFunctionConfigurations"], told["QueueConfigurations"]
    await s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "LambdaFunctionConfigurations": functions,
            "QueueConfigurations": [*queues, queue],
        },
    )


if __name__ == "__main__":
    assert supervisor.ACCOUNT_ID == ACCOUNT_ID
    sys.exit(supervisor.main(DeployedWorld))
