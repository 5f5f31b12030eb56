"""`make deploy` and `make destroy`: what they would do, and what they refuse."""

import json
import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiobotocore.stub import AioStubber

from aio import run
from arc_cluster import arc_cluster, offline_session
from baton.aws.sdk.clients import new_client
from baton.model.routing import GATE
from baton.topology import SERVICES
from baton_infra import config
from baton_infra.declared import steps
from baton_infra.declared.names import DEPLOYED
from baton_infra.deployment import deploy, images, settle, unprotect
from synthesized import assembly, resources, templates

ROOT = Path(__file__).parents[2]
DIGEST = f"sha256:{'1' * 64}"
PROD = config.load("prod")
BUILT = PROD.model_copy(update={"images": dict.fromkeys(SERVICES, DIGEST)})


def _stacks(step: steps.RunbookStep) -> list[str]:
    return [part for part in step.command if part in templates("prod")]


def _deployed(environment: config.EnvironmentConfig) -> list[str]:
    return [stack for step in steps.deploy(environment) for stack in _stacks(step)]


def test_every_stack_is_deployed_once_and_the_standby_before_home() -> None:
    order = _deployed(PROD)

    assert sorted(order) == sorted(templates("prod"))
    for stack in ("images", "network", "data", "compute", "observability", "runbook"):
        assert order.index(f"{stack}-us-west-2") < order.index(f"{stack}-us-east-1")


@pytest.mark.parametrize("environment", ["prod", "dev"])
def test_experiments_are_deployed_and_destroyed_only_where_they_are_switched_on(environment: str) -> None:
    found = config.load(environment)
    for planned in (steps.deploy(found), steps.destroy(found)):
        named = {part for step in planned for part in step.command}
        assert ("chaos-us-east-1" in named, "chaos-us-west-2" in named) == (found.chaos, found.chaos)


def test_no_stack_is_deployed_before_one_that_it_depends_on() -> None:
    manifest = json.loads((assembly("prod") / "manifest.json").read_text())
    order = _deployed(PROD)

    for stack in order:
        needed = {each for each in manifest["artifacts"][stack].get("dependencies", ()) if each in order}
        assert needed <= set(order[: order.index(stack) + 1]), stack


def test_every_stack_is_destroyed_in_the_opposite_order_of_dependence() -> None:
    manifest = json.loads((assembly("prod") / "manifest.json").read_text())
    order = [stack for step in steps.destroy(PROD) for stack in _stacks(step)]

    assert sorted(order) == sorted(templates("prod"))
    for stack in order:
        needed = {each for each in manifest["artifacts"][stack].get("dependencies", ()) if each in order}
        assert not needed & set(order[: order.index(stack)]), stack


def test_the_control_row_is_there_before_anybody_looks_for_it() -> None:
    purposes = [step.command for step in steps.deploy(PROD)]
    row = next(index for index, command in enumerate(purposes) if "baton_infra.deployment.settle" in command)
    services = next(index for index, command in enumerate(purposes) if "compute-us-west-2" in command)

    assert row < services


def test_images_are_built_only_if_one_is_missing() -> None:
    def builds(environment: config.EnvironmentConfig) -> bool:
        return any("baton_infra.deployment.images" in step.command for step in steps.deploy(environment))

    assert builds(PROD)
    assert not builds(BUILT)
    assert builds(BUILT.model_copy(update={"images": {**BUILT.images, "worker": config.UNBUILT}}))


def test_data_that_are_to_be_kept_are_never_emptied() -> None:
    def empties(environment: config.EnvironmentConfig) -> bool:
        return any("baton_infra.deployment.emptying" in step.command for step in steps.destroy(environment))

    assert not empties(PROD)
    assert empties(config.load("dev"))


def test_emptying_refuses_an_environment_that_retains_its_data() -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "baton_infra.deployment.emptying", "prod"], check=False, capture_output=True, text=True
    )

    assert refused.returncode == 1
    assert "prod retains its data" in refused.stderr


def test_what_is_kept_is_named() -> None:
    kept = deploy.kept(PROD)

    assert "table baton-prod-ledger" in kept
    assert "us-west-2: bucket baton-prod-data-222222222222-us-west-2" in kept


def test_nothing_that_the_steps_write_is_in_the_way_of_the_images() -> None:
    """The CDK command writes its assembly before images are built, and they want what they are made of committed."""
    of_cdk = [step.command for step in steps.deploy(PROD) if "aws-cdk@2.1148.1" in step.command]
    (where,) = {command[command.index("--output") + 1] for command in of_cdk}

    assert Path(where).parts[0] in (ROOT / ".gitignore").read_text().replace("/", "").splitlines()


def _repository(root: Path) -> Path:
    """Return a repository with a file in each place that images are made of, and one elsewhere, all committed."""
    for place in (*images.CONTEXT, "infra/environments"):
        path = root / place if "." in place or place == "Dockerfile" else root / place / "file"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("committed\n")
    git = ["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@example.com"]
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "first"]):
        subprocess.run([*git, *command], check=True, capture_output=True)  # noqa: S603 - commands of ours
    return root


def test_an_environments_file_need_not_be_committed_for_its_images(tmp_path: Path) -> None:
    root = _repository(tmp_path)
    (root / "infra/environments/mine.toml").write_text("account_id = '444444444444'\n")
    (root / "cdk.out").mkdir()
    (root / "cdk.out/manifest.json").write_text("{}")

    assert re.fullmatch("[0-9a-f]{12}", images.revision(root))


@pytest.mark.parametrize("place", ["Dockerfile", "libs/file", "jobs/new"])
def test_an_image_of_what_is_not_committed_is_refused_by_the_name_of_the_file(tmp_path: Path, place: str) -> None:
    root = _repository(tmp_path)
    (root / place).write_text("changed\n")

    with pytest.raises(SystemExit, match=place):
        images.revision(root)


def test_images_are_made_of_what_the_build_is_sent() -> None:
    sent = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]

    assert set(images.CONTEXT) == {"Dockerfile", ".dockerignore", *sent}


def test_an_image_that_one_region_has_is_copied_to_the_other_and_not_built_again() -> None:
    there = images.Pushed("us-west-2", DIGEST)

    assert images.copy_command(PROD, "worker", "0123456789ab", there) == (
        *("docker", "buildx", "imagetools", "create", "--tag"),
        "222222222222.dkr.ecr.us-east-1.amazonaws.com/baton-prod/worker:0123456789ab",
        f"222222222222.dkr.ecr.us-west-2.amazonaws.com/baton-prod/worker@{DIGEST}",
    )


def test_an_image_that_runs_is_kept_however_many_are_built_after_it() -> None:
    """ECR removes an image by the first rule that is about it alone, and there is none that keeps."""
    for repository in resources(templates("prod")["images-us-east-1"], "AWS::ECR::Repository").values():
        first, last = json.loads(repository["Properties"]["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
        assert first["rulePriority"] < last["rulePriority"]
        assert first["selection"]["tagPatternList"] == [f"{DEPLOYED}*"]
        assert first["selection"]["countNumber"] >= 1_000
        assert last["selection"]["tagStatus"] == "any"


@pytest.mark.parametrize("again", [False, True], ids=["first", "again"])
def test_an_image_is_marked_before_it_runs_and_once(*, again: bool) -> None:
    async def story() -> None:
        async with new_client(offline_session(), "ecr", region_name="us-east-1") as ecr:
            stubber: Any = AioStubber(ecr)
            image = {"imageManifest": "{}", "imageManifestMediaType": "application/vnd.oci.image.manifest.v1+json"}
            asked = {"repositoryName": "baton-prod/worker", "imageIds": [{"imageDigest": DIGEST}]}
            stubber.add_response("batch_get_image", {"images": [image]}, asked)
            put = {"repositoryName": "baton-prod/worker", "imageTag": f"{DEPLOYED}111111111111", "imageDigest": DIGEST}
            if again:
                stubber.add_client_error("put_image", "ImageAlreadyExistsException", expected_params={**put, **image})
            else:
                stubber.add_response("put_image", {}, {**put, **image})
            with stubber:
                await images.mark_deployed(ecr, "baton-prod/worker", DIGEST)
            stubber.assert_no_pending_responses()

    run(story())


@pytest.mark.parametrize("there", [True, False], ids=["there", "not there"])
def test_protection_ends_stack_by_stack_and_a_stack_that_is_not_there_needs_no_end(*, there: bool) -> None:
    async def story() -> bool:
        async with new_client(offline_session(), "cloudformation", region_name="us-east-1") as cloudformation:
            stubber: Any = AioStubber(cloudformation)
            call = "update_termination_protection"
            asked = {"StackName": "baton-prod-data", "EnableTerminationProtection": False}
            if there:
                stubber.add_response(call, {"StackId": "arn:stack"}, asked)
            else:
                stubber.add_client_error(call, "ValidationError", expected_params=asked)
            with stubber:
                return await unprotect.unprotect(cloudformation, "baton-prod-data")

    assert run(story()) is there


def test_the_stacks_of_data_that_stay_are_protected_and_lose_that_only_when_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("prod", "dev"):
        manifest = json.loads((assembly(name) / "manifest.json").read_text())["artifacts"]
        stacks = [each["properties"] for each in manifest.values() if each["type"] == "aws:cloudformation:stack"]
        keeps = config.load(name).retain_data
        assert {bool(each.get("terminationProtection")) for each in stacks} == {keeps}
        assert {each["stackName"] for each in stacks} == {
            stack for region in config.load(name).regions for stack in steps.stacks(config.load(name), region)
        }
        lifted = [
            step for step in steps.destroy(config.load(name)) if "baton_infra.deployment.unprotect" in step.command
        ]
        assert bool(lifted) is keeps

    with pytest.raises(SystemExit, match="ARGS=--unprotect"):
        deploy.main(["destroy", "prod"])
    assert capsys.readouterr().out == ""


def test_a_gate_that_an_interrupted_deployment_left_closed_is_opened_and_one_of_the_operators_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")

    async def story() -> tuple[bool, bool, bool]:
        async with arc_cluster(offline_session()) as arc:
            found = {
                "ClusterEndpoints": ",".join(f"{region}={url}" for region, url in arc.settings.endpoints.items()),
                "RoutingControls": ",".join(f"{region}={arn}" for region, arn in arc.settings.controls.items()),
                "GateControl": arc.cluster.arns[GATE],
            }
            # As CloudFormation makes a panel: everything is Off.
            arc.cluster.panel = replace(arc.cluster.panel, states=dict.fromkeys(arc.cluster.panel.states, False))
            opened = await settle.open_gate(found)
            async with arc.switch() as switch:
                await switch.set_states({"us-east-1": True, "us-west-2": False})
            arc.cluster.open_gate(is_open=False)
            return opened, await settle.open_gate(found), arc.cluster.panel.states[GATE]

    assert run(story()) == (True, False, False)


def test_a_dry_run_prints_each_command_and_runs_none(capsys: pytest.CaptureFixture[str]) -> None:
    deploy.main(["deploy", "prod", "--dry-run"])

    told = capsys.readouterr().out.splitlines()
    assert len(told) == 2 * len(steps.deploy(PROD))
    assert told[1].startswith("npx --yes aws-cdk@2.1148.1 bootstrap ")


def test_nothing_is_deployed_without_credentials(tmp_path: Path) -> None:
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    refused = subprocess.run(
        [sys.executable, "-m", "baton_infra.deployment.deploy", "deploy", "prod"],
        check=False,
        capture_output=True,
        text=True,
        env=bare,
    )

    assert refused.returncode == 1
    assert "no AWS credentials that work" in refused.stderr


def test_an_image_is_built_once_for_both_regions(tmp_path: Path) -> None:
    command = images.build_command(PROD, "worker", "0123456789ab", tmp_path / "worker.json")

    assert command[3:5] == ("--platform", "linux/arm64")
    assert [command[index + 1] for index, part in enumerate(command) if part == "--tag"] == [
        f"222222222222.dkr.ecr.{region}.amazonaws.com/baton-prod/worker:0123456789ab" for region in PROD.regions
    ]


def test_the_file_of_digests_is_read_back() -> None:
    read = tomllib.loads(images.lock_text(dict.fromkeys(SERVICES, DIGEST)))

    assert config.EnvironmentConfig.model_validate({**PROD.model_dump(), "images": read}) == BUILT
    assert steps.unbuilt(BUILT) == []


def test_a_shell_learns_where_the_environment_is() -> None:
    recovery = {"ClusterEndpoints": "us-east-1=https://a", "RoutingControls": "us-east-1=arn:1", "GateControl": "arn:g"}
    text = settle.env_text(PROD, "arn:aws:s3::222222222222:accesspoint/a.mrap", recovery)

    assert text.splitlines() == [
        "export BATON_ENVIRONMENT=prod",
        "export BATON_ACCOUNT_ID=222222222222",
        "export BATON_REGIONS=us-east-1,us-west-2",
        "export BATON_MRAP_ARN=arn:aws:s3::222222222222:accesspoint/a.mrap",
        "export AWS_REGION=us-east-1",
        "export BATON_SWITCH_KIND=arc",
        "export BATON_SWITCH_ENDPOINTS=us-east-1=https://a",
        "export BATON_SWITCH_CONTROLS=us-east-1=arn:1",
    ]
