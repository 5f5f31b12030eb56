"""Synthesis needs nothing: no credentials, no Docker, no network, no look-ups."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from baton_infra import config
from baton_infra.app import build
from synthesized import assembly, templates

SCRIPT = """
import socket, sys
from pathlib import Path
def refuse(*args, **kwargs): raise OSError("no network")
socket.socket.connect = socket.getaddrinfo = refuse
from baton_infra import assemblies, config
from baton_infra.constructs import trigger_code
left = trigger_code.directory() / "baton" / "__pycache__"
left.mkdir(exist_ok=True)
(left / "left_by_python.pyc").touch()
assemblies.synthesize(config.load(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.parametrize("environment", config.names())
def test_nothing_is_looked_up(environment: str) -> None:
    manifest = json.loads((assembly(environment) / "manifest.json").read_text())

    assert "missing" not in manifest


def test_synthesis_needs_no_credentials_no_docker_and_no_network_and_says_the_same_again(tmp_path: Path) -> None:
    bare = {"HOME": str(tmp_path), "PATH": "/nowhere", "AWS_EC2_METADATA_DISABLED": "true"}
    subprocess.run(  # noqa: S603 - arguments of our own
        [sys.executable, "-c", SCRIPT, "prod", str(tmp_path / "out")], env=bare, check=True, capture_output=True
    )

    assert _digests(tmp_path / "out") == _digests(assembly("prod"))


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.template.json")}


def test_environments_live_side_by_side_in_one_account() -> None:
    """Nothing of two environments has the same name, but for what AWS itself names."""
    one, two = (_names(environment) for environment in ("prod", "staging"))

    assert len(one) > 100
    # One address may send for several: `create_sender = false` leaves its identity to the first.
    assert one & two == {"baton@example.com"}


def _names(environment: str) -> set[str]:
    keys = {
        "AlarmName",
        "AliasName",
        "BucketName",
        "ClusterName",
        "DashboardName",
        "EmailIdentity",
        "Family",
        "FunctionName",
        "LogGroupName",
        "Name",
        "QueueName",
        "RepositoryName",
        "RoleName",
        "TableName",
        "TopicName",
    }
    return {
        value
        for template in templates(environment).values()
        for resource in template.get("Resources", {}).values()
        for key, value in resource.get("Properties", {}).items()
        if key in keys and isinstance(value, str)
    }


def test_a_wrong_setting_of_the_controller_ends_synthesis_in_words(tmp_path: Path) -> None:
    wrong = config.load("dev").model_copy(update={"controller": {"mod": "recommend"}})

    with pytest.raises(ValueError, match="mod"):
        build(wrong, outdir=tmp_path)


def test_the_command_line_asks_for_an_environment() -> None:
    asked = subprocess.run(
        [sys.executable, "-m", "baton_infra.app"],
        env={"PATH": os.defpath},
        check=False,
        capture_output=True,
        text=True,
    )

    assert asked.returncode == 1
    assert "one of dev, prod, staging" in asked.stderr
