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
from baton_local import bootstrap
from baton_local.on_processes import supervisor
from baton_local.stand_ins.trigger import Function
from baton_local.wiring import Wiring
from emulator_process import ACCOUNT_ID
from local_worlds import client, eventually

PROGRAM: Final = (str(Path(__file__)),)
ASSEMBLY: Final = "cdk"
LEFT_OUT: Final = {
    "AWS::S3::MultiRegionAccessPointPolicy": "the emulator knows no such type, and judges no policy anyway",
}
"""Types of resources that are taken out of a template, and why."""


def deploy(folder: Path, stack: str, url: str, *, region: str | None = None) -> None:
    """Create a stack of an assembly on an emulator; raises `AssertionError` with the events of one that fails.

    `region` is for a global table's replica, which the emulator does not make: the same stack in another Region.
    """
    region = region or region_of(stack)
    template = json.loads((folder / f"{stack}.template.json").read_text())
    _publish(folder, stack, url, region)
    name = _name(folder, stack)
    cloudformation = client("cloudformation", url, region)
    cloudformation.create_stack(
        StackName=name, TemplateBody=json.dumps(known(template)), Capabilities=["CAPABILITY_NAMED_IAM"]
    )

    def ended() -> str | None:
        (found,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        return None if found["StackStatus"].endswith("_IN_PROGRESS") else found["StackStatus"]

    status = eventually(ended, seconds=60)
    assert status == "CREATE_COMPLETE", _events(cloudformation, name)
    for resource in template["Resources"].values():
        _complete(resource.get("Properties", {}), client("dynamodb", url, region), region)


def known(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a template without what the emulator would refuse it for."""
    kept = {name: each for name, each in template["Resources"].items() if each["Type"] not in LEFT_OUT}
    return {**template, "Resources": kept}


def region_of(stack: str) -> str:
    """Return where a stack belongs, from its id, such as `data-us-east-1`."""
    return "-".join(stack.split("-")[-3:])


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
            where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
            with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):  # another stack's zips are there
                s3.create_bucket(Bucket=target["bucketName"], **where)
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
