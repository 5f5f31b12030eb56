"""`make images ENV=…`: builds every image for ARM64, pushes each to both Regions, and records their digests.

The file of digests belongs into version control: it says what runs.
"""

import argparse
import asyncio
import base64
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from baton.topology import SERVICES
from baton_infra import config as environments
from baton_infra.config import ENVIRONMENTS, EnvironmentConfig
from baton_infra.deployment import sdk

_ROOT: Final = Path(__file__).parents[4]
_PLATFORM: Final = "linux/arm64"


def registry(config: EnvironmentConfig, region: str) -> str:
    """Return the host of a Region's registry."""
    return f"{config.account_id}.dkr.ecr.{region}.amazonaws.com"


def build_command(config: EnvironmentConfig, service: str, revision: str, metadata: Path) -> tuple[str, ...]:
    """Return the command that builds an image once and pushes it to both Regions, so that both have the same digest."""
    tags = [
        part
        for region in config.regions
        for part in ("--tag", f"{registry(config, region)}/{config.topology.repository(service)}:{revision}")
    ]
    arguments = ("--build-arg", f"SERVICE={service}", "--build-arg", f"REVISION={revision}")
    # Attestations would make the digest that of a list.
    options = ("--platform", _PLATFORM, "--provenance=false", "--push", "--metadata-file", str(metadata))
    return ("docker", "buildx", "build", *options, *arguments, *tags, str(_ROOT))


def lock_text(digests: Mapping[str, str]) -> str:
    """Return the file of digests."""
    lines = [f'{service} = "{digest}"' for service, digest in sorted(digests.items())]
    return "\n".join(["# Written by `make images`: what runs, to the byte.", *lines, ""])


async def _log_in(config: EnvironmentConfig) -> None:
    for region in config.regions:
        async with sdk.client("ecr", region) as ecr:
            answer = await ecr.get_authorization_token()
        token = base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode()
        user, _, password = token.partition(":")
        _run(["docker", "login", "--username", user, "--password-stdin", registry(config, region)], stdin=password)


def _run(command: Sequence[str], *, stdin: str | None = None) -> None:
    subprocess.run(command, check=True, input=stdin, text=True)  # noqa: S603 - a command of ours


def _revision() -> str:
    """Return the commit, since a tag can be written once only. Raises `SystemExit` for a tree that is not committed."""
    git = ["git", "-C", str(_ROOT)]
    if subprocess.run([*git, "status", "--porcelain"], check=True, capture_output=True, text=True).stdout:  # noqa: S603 - ours
        raise SystemExit("the tree has changes that are not committed: an image is named by its commit")
    found = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], check=True, capture_output=True, text=True)  # noqa: S603 - ours
    return found.stdout.strip()


def main(arguments: Sequence[str] | None = None) -> None:
    """Build and push all images of an environment."""
    parser = argparse.ArgumentParser(prog="baton_infra.deployment.images", description=__doc__)
    parser.add_argument("environment", choices=environments.names())
    parser.add_argument("--dry-run", action="store_true", help="print the commands, run none")
    given = parser.parse_args(arguments)
    config = environments.load(given.environment)
    if given.dry_run:
        commands = [build_command(config, service, "COMMIT", Path("digest.json")) for service in SERVICES]
        sys.stdout.write("".join(f"{shlex.join(command)}\n" for command in commands))
        return
    revision = _revision()
    asyncio.run(_log_in(config))
    digests: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for service in SERVICES:
            metadata = Path(folder) / f"{service}.json"
            _run(build_command(config, service, revision, metadata))
            digests[service] = json.loads(metadata.read_text())["containerimage.digest"]
    target = ENVIRONMENTS / f"{config.name}.images.toml"
    target.write_text(lock_text(digests))
    sys.stdout.write(f"{target}: {len(digests)} images of {revision}\n")


if __name__ == "__main__":
    main()
