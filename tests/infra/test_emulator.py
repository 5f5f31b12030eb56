"""Every stack, deployed to emulators in the order of `make deploy`, without what these do not know.

The data stacks make what the local world makes, and a file goes through them.
"""

import asyncio
import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from baton.canary import INPUT, canary_key
from baton.model.identity import batch_id_of
from baton.model.paths import REPLICATED
from baton.topology import REGIONS_DEFAULT, Topology
from baton_infra import assemblies, config
from baton_infra.config import EnvironmentConfig
from baton_infra.constructs import trigger_code
from baton_infra.declared import steps
from baton_infra.deployment import default_group, sdk
from baton_local import bootstrap
from baton_local.on_processes import lifecycle
from baton_local.roster import LocalTrigger, product
from baton_local.sales import expected, sample
from baton_local.stand_ins import trigger as local_trigger
from deployed import ASSEMBLY, LEFT_OUT, PROGRAM, deploy, in_order, known, type_of
from described import described
from embedded import Embedded
from emulator_process import ACCOUNT_ID, ministack
from local_worlds import bucket, client, eventually

pytestmark = [pytest.mark.xdist_group("deployed"), pytest.mark.timeout(180)]

EAST, WEST = REGIONS_DEFAULT


def _environment(file: str, **changes: Any) -> EnvironmentConfig:
    return config.load(file).model_copy(update={"account_id": ACCOUNT_ID, **changes})


def _product_trigger() -> LocalTrigger:
    trigger = product("baton_jobs").trigger
    assert trigger is not None
    return trigger


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Stage the trigger with its libraries as they are installed here: those for Lambda's processor would not run."""
    folder = tmp_path_factory.mktemp("trigger")
    with zipfile.ZipFile(io.BytesIO(local_trigger.build_zip(_product_trigger()))) as libraries:
        libraries.extractall(folder)
    trigger_code.copy_sources(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trigger_code, "STAGED", folder)
        yield


@pytest.fixture(scope="module")
def assembly_of(tmp_path_factory: pytest.TempPathFactory, staged: None) -> Mapping[str, Path]:
    """Synthesize each environment for the emulator's account."""
    del staged
    folders = {name: tmp_path_factory.mktemp(name) for name in config.names()}
    for name, folder in folders.items():
        assemblies.synthesize(_environment(name), folder)
    return folders


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, assembly_of: Mapping[str, Path]) -> Iterator[str]:
    """Give the URL of an emulator on which every environment is deployed, all in one account."""
    with ministack(tmp_path_factory.mktemp("cloud")) as url:
        for name, folder in assembly_of.items():
            for stack in in_order(_environment(name), folder):
                deploy(folder, stack, url)
        yield url


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the URL of an emulator on which the local world's bootstrap made the same environments."""
    with ministack(tmp_path_factory.mktemp("laptop")) as url:
        for name in config.names():
            asyncio.run(_bootstrap(_environment(name).topology, url))
        yield url


async def _bootstrap(topology: Topology, url: str) -> None:
    endpoints = dict.fromkeys(topology.regions, url)
    trigger = _product_trigger().model_copy(update={"sources": (Path(__file__),), "requirements": None})
    code = local_trigger.build_zip(trigger)  # nobody calls it here
    async with AsyncExitStack() as stack:
        aws = await bootstrap.connect(stack, topology, endpoints, url)
        await bootstrap.create_world(aws)
        for region in topology.regions:
            told = {"BATON_ENVIRONMENT": topology.environment}
            function = await bootstrap.create_function(aws, region, trigger, code, told)
            await bootstrap.notify(aws, region, function=function)


EXPLAINED = {
    "link/Policy": "on AWS the access point has an alias, and keys are the environment's own",
    "link/Trust": "on AWS only the notifiers and controllers may take it",
    "*/bucket/Policy": "by TLS only: the emulators speak plain HTTP",
    "*/bucket/PublicAccess": "nothing on a laptop is public",
    "*/bucket/QueueConfigurations": "for the stand-in of replication",
    "*/bucket/Replication": "S3's own replication: no emulator delays or breaks it, so a stand-in does",
    "*/function/Architectures": "the laptop's own",
    "*/function/OnFailure": "the emulator gives up events that it only throttled: the local world takes these back",
    "*/queue/*-dead/RedriveAllowPolicy": "nobody else is on a laptop",
    "*/queue/*/Policy": "by TLS only, as above",
    "*/queue/*/SqsManagedSseEnabled": "what AWS does unasked",
    "*/table/*/DeletionProtectionEnabled": "where data are to be kept",
    "*/table/*/StreamSpecification": "what replicates a global table",
    "us-west-2/table/*-ledger/*": "the laptop's ledger is one emulator outside both Regions",
}
"""Where what CDK made may differ from what the local world made, and why."""


def _differing(here: Mapping[str, Any], there: Mapping[str, Any]) -> set[str]:
    return {path for path in here.keys() | there.keys() if here.get(path) != there.get(path)}


def _unexplained(differing: set[str]) -> set[str]:
    return {path for path in differing if not any(fnmatchcase(path, pattern) for pattern in EXPLAINED)}


@pytest.mark.parametrize("name", config.names())
def test_cdk_makes_what_the_local_world_makes(cloud: str, laptop: str, name: str) -> None:
    topology = _environment(name).topology
    here, there = described(cloud, topology), described(laptop, topology)

    assert {path: (here.get(path), there.get(path)) for path in _unexplained(_differing(here, there))} == {}
    assert len(there) > 150


def test_nothing_is_explained_that_does_not_differ(cloud: str, laptop: str) -> None:
    differing = {
        path
        for topology in (_environment(name).topology for name in config.names())
        for path in _differing(described(cloud, topology), described(laptop, topology))
    }

    assert [pattern for pattern in EXPLAINED if not any(fnmatchcase(path, pattern) for path in differing)] == []


@pytest.mark.parametrize(
    "path",
    [
        "us-east-1/queue/baton-dev-split/VisibilityTimeout",
        "us-west-2/queue/baton-dev-split/RedrivePolicy",
        "us-east-1/table/baton-dev-ledger/index/listing",
        "us-west-2/table/baton-dev-progress/TimeToLive",
        "us-west-2/table/baton-dev-reference/KeySchema",
        "us-east-1/bucket/LambdaFunctionConfigurations",
        "us-east-1/bucket/Versioning",
        "us-west-2/function/Handler",
        "us-east-1/function/Role",
        "link/MaxSessionDuration",
        "us-east-1/senders",
    ],
)
def test_a_drift_would_be_seen(laptop: str, path: str) -> None:
    there = described(laptop, _environment("dev").topology)

    assert there[path]
    assert _unexplained(_differing(there, {**there, path: "drifted"})) == {path}


@pytest.mark.parametrize("name", config.names())
def test_the_custom_resource_makes_both_buckets_replicate_to_each_other(cloud: str, name: str) -> None:
    topology = _environment(name).topology
    found = described(cloud, topology)

    for source, target in ((EAST, WEST), (WEST, EAST)):
        set_up = found[f"{source}/bucket/Replication"]["ReplicationConfiguration"]
        assert set_up["Role"].endswith(f":role/{topology.role('replicate', source)}")
        assert {rule["Filter"]["Prefix"]: (rule["ID"], rule["Destination"]["Bucket"]) for rule in set_up["Rules"]} == {
            prefix: (topology.replication_rule(prefix), f"arn:aws:s3:::{topology.data_bucket(target)}")
            for prefix in REPLICATED
        }


@pytest.mark.parametrize("name", config.names())
def test_every_stack_is_deployed_in_the_order_of_make_deploy(
    cloud: str, assembly_of: Mapping[str, Path], name: str
) -> None:
    environment = _environment(name)
    made = {
        f"{stack['StackName']} {region}": stack["StackStatus"]
        for region in environment.regions
        for stack in client("cloudformation", cloud, region).describe_stacks()["Stacks"]
    }
    stacks = {f"{stack} {region}" for region in environment.regions for stack in steps.stacks(environment, region)}

    assert {stack: made.get(stack) for stack in stacks} == dict.fromkeys(stacks, "CREATE_COMPLETE")
    assert len(stacks) == len(assemblies.read(assembly_of[name]))


@pytest.mark.parametrize("region", REGIONS_DEFAULT)
def test_the_default_group_of_a_network_is_closed_once(cloud: str, credentials: None, region: str) -> None:
    del credentials  # in the environment

    async def story() -> tuple[bool, bool]:
        stack = _environment("dev").topology.stack("network")
        async with (
            sdk.client("cloudformation", region, cloud) as cloudformation,
            sdk.client("ec2", region, cloud) as ec2,
        ):
            return await default_group.close(cloudformation, ec2, stack), await default_group.close(
                cloudformation, ec2, stack
            )

    assert asyncio.run(story()) == (True, False)


def test_templates_are_deployed_whole_but_for_what_the_emulator_does_not_know(
    assembly_of: Mapping[str, Path], record_property: Callable[[str, object], None]
) -> None:
    left_out: Counter[str] = Counter()
    for folder in assembly_of.values():
        for template in assemblies.read(folder).values():
            gone = template["Resources"].keys() - known(template)["Resources"].keys()
            left_out.update(type_of(template["Resources"][name]) for name in gone)
    for kind, count in sorted(left_out.items()):
        record_property("deployed without", f"{count} {kind}: {LEFT_OUT[kind]}")

    assert set(left_out) == set(LEFT_OUT)


@pytest.mark.parametrize("kind", [kind for kind, why in LEFT_OUT.items() if why.startswith("no such type")])
def test_nothing_is_left_out_that_the_emulator_knows(cloud: str, kind: str) -> None:
    template = json.dumps({"Resources": {"Thing": {"Type": kind, "Properties": {}}}})

    with pytest.raises(ClientError, match="Unrecognized resource types"):
        client("cloudformation", cloud, EAST).validate_template(TemplateBody=template)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory, staged: None) -> Iterator[Embedded]:
    """Give the local world, every service a process, on emulators on which the templates were deployed."""
    del staged
    directory = tmp_path_factory.mktemp("world")
    assemblies.synthesize(_environment("dev", name="local"), directory / ASSEMBLY)
    with pytest.MonkeyPatch.context() as environment:
        # Else the sweeper admits within seconds what no event told the trigger of.
        environment.setenv("BATON_SPLITTER_UNADMITTED_SECONDS", "3600")
        world = lifecycle.up(directory, wait_seconds=120, program=PROGRAM)
    try:
        yield Embedded(world, directory)
    finally:
        lifecycle.down(directory)


def test_a_file_goes_through_what_was_deployed_and_is_mailed(deployed: Embedded, tmp_path: Path) -> None:
    file, reference, result = tmp_path / "sales.csv", tmp_path / "financial.csv", tmp_path / "result.csv"
    sample.write_sales(file, reference, records=2_000, seed=5, bad_percent=2, keys=500)
    loaded = deployed.baton("reference", "load", "financial", str(reference), "--key", "uuid")
    assert loaded.returncode == 0, loaded.stderr

    outcome = deployed.submit(file)

    assert (outcome["exit_status"], outcome["state"]) == (0, "COMPLETED"), (outcome, deployed.logs())
    deployed.fetch(outcome["batch_id"], result)
    deployed.fetch(outcome["batch_id"], tmp_path / "rejects.csv", "--rejects")
    checked = expected.check(file, reference, result, tmp_path / "rejects.csv")
    assert (checked.records_out, checked.rejects) == (outcome["records_out"], outcome["rejects"])
    assert len(deployed.mails(outcome["batch_id"])) == 1


def test_a_canary_goes_through_the_standby_region_that_was_deployed(deployed: Embedded) -> None:
    s3 = client("s3", deployed.world.region_endpoints[WEST], WEST)
    key = canary_key(WEST, "deployed")

    batch_id = batch_id_of(key, s3.put_object(Bucket=bucket(WEST), Key=key, Body=INPUT)["VersionId"])

    eventually(lambda: deployed.baton("show", batch_id, "--json").stdout.count('"state": "COMPLETED"'), seconds=60)


@pytest.mark.parametrize("region", REGIONS_DEFAULT)
def test_what_ran_is_what_was_synthesized(deployed: Embedded, region: str) -> None:
    url = deployed.world.region_endpoints[region]
    topology = _environment("dev", name="local").topology
    function = client("lambda", url, region).get_function_configuration(FunctionName=topology.trigger_function)
    (stack,) = client("cloudformation", url, region).describe_stacks(StackName=topology.stack("data"))["Stacks"]

    assert function["Role"].endswith(topology.role("trigger", region))
    assert stack["StackStatus"] == "CREATE_COMPLETE"
