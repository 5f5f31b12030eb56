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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from baton.topology import SERVICES
from baton_infra import config as environments
from baton_infra.config import ENVIRONMENTS, EnvironmentConfig
from baton_infra.declared.names import DEPLOYED
from baton_infra.deployment import sdk

_ROOT: Final = Path(__file__).parents[4]
CONTEXT: Final = ("Dockerfile", ".dockerignore", "requirements", "libs", "services", "jobs", "local")
"""What an image is made of, and by."""
_PLATFORM: Final = "linux/arm64"


@dataclass(frozen=True, slots=True)
class Pushed:
    """An image that a registry has under the tag of this commit."""

    region: str
    digest: str


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


def copy_command(config: EnvironmentConfig, service: str, revision: str, source: Pushed) -> tuple[str, ...]:
    """Return the command that brings an image, to the byte, to the Regions that lack it."""
    repository = config.topology.repository(service)
    missing = [region for region in config.regions if region != source.region]
    tags = [part for region in missing for part in ("--tag", f"{registry(config, region)}/{repository}:{revision}")]
    there = f"{registry(config, source.region)}/{repository}@{source.digest}"
    return ("docker", "buildx", "imagetools", "create", *tags, there)


def lock_text(digests: Mapping[str, str]) -> str:
    """Return the file of digests."""
    lines = [f'{service} = "{digest}"' for service, digest in sorted(digests.items())]
    return "\n".join(["# Written by `make images`: what runs, to the byte.", *lines, ""])


async def pushed(config: EnvironmentConfig, service: str, revision: str) -> list[Pushed]:
    """Return where the image of a commit is already: a tag is written once, and another build has another digest."""
    found: list[Pushed] = []
    for region in config.regions:
        async with sdk.client("ecr", region) as ecr:
            try:
                answer = await ecr.describe_images(
                    repositoryName=config.topology.repository(service), imageIds=[{"imageTag": revision}]
                )
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") != "ImageNotFoundException":
                    raise
            else:
                found.append(Pushed(region, answer["imageDetails"][0]["imageDigest"]))
    return found


async def mark_deployed(ecr: Any, repository: str, digest: str) -> None:
    """Give an image the tag by which its registry keeps it. A second time changes nothing."""
    found = await ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])
    (image,) = found["images"]
    try:
        await ecr.put_image(
            repositoryName=repository,
            imageManifest=image["imageManifest"],
            imageManifestMediaType=image["imageManifestMediaType"],
            imageTag=f"{DEPLOYED}{digest.removeprefix('sha256:')[:12]}",
            imageDigest=digest,
        )
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "ImageAlreadyExistsException":
            raise


async def mark_all(config: EnvironmentConfig) -> None:
    """Mark every image of an environment in both Regions, before its tasks start."""
    for region in config.regions:
        async with sdk.client("ecr", region) as ecr:
            for service, digest in config.images.items():
                await mark_deployed(ecr, config.topology.repository(service), digest)


async def _log_in(config: EnvironmentConfig) -> None:
    for region in config.regions:
        async with sdk.client("ecr", region) as ecr:
            answer = await ecr.get_authorization_token()
        token = base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode()
        user, _, password = token.partition(":")
        _run(["docker", "login", "--username", user, "--password-stdin", registry(config, region)], stdin=password)


def _run(command: Sequence[str], *, stdin: str | None = None) -> None:
    subprocess.run(command, check=True, input=stdin, text=True)  # noqa: S603 - a command of ours


def revision(root: Path = _ROOT) -> str:
    """Return the commit, which is an image's tag. Raises `SystemExit` if what images are made of is not committed."""
    git = ["git", "-C", str(root)]
    changed = subprocess.run(  # noqa: S603 - ours
        [*git, "status", "--porcelain", "--", *CONTEXT], check=True, capture_output=True, text=True
    ).stdout
    if changed:
        raise SystemExit(
            "an image is named by its commit, and these files of it are not committed: commit them first\n" + changed
        )
    found = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], check=True, capture_output=True, text=True)  # noqa: S603 - ours
    return found.stdout.strip()


def _pushed_everywhere(config: EnvironmentConfig, service: str, tag: str, folder: Path) -> str:
    """Build and push an image, or only complete what an earlier run began; return its digest."""
    there = asyncio.run(pushed(config, service, tag))
    if not there:
        metadata = folder / f"{service}.json"
        _run(build_command(config, service, tag, metadata))
        return json.loads(metadata.read_text())["containerimage.digest"]
    if len(there) < len(config.regions):
        _run(copy_command(config, service, tag, there[0]))
    elif len({each.digest for each in there}) > 1:
        raise SystemExit(f"{service}: the Regions have different images of {tag}: commit something, and build again")
    return there[0].digest


def main(arguments: Sequence[str] | None = None) -> None:
    """Build and push all images of an environment."""
    parser = argparse.ArgumentParser(prog="baton_infra.deployment.images", description=__doc__)
    parser.add_argument("environment", choices=environments.names())
    parser.add_argument("--dry-run", action="store_true", help="print the commands, run none")
    given = parser.parse_args(arguments)
    config = environments.given(given.environment)
    if given.dry_run:
        commands = [build_command(config, service, "COMMIT", Path("digest.json")) for service in SERVICES]
        sys.stdout.write("".join(f"{shlex.join(command)}\n" for command in commands))
        return
    tag = revision()
    asyncio.run(_log_in(config))
    digests: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for service in SERVICES:
            digests[service] = _pushed_everywhere(config, service, tag, Path(folder))
    target = ENVIRONMENTS / f"{config.name}.images.toml"
    target.write_text(lock_text(digests))
    sys.stdout.write(f"{target}: {len(digests)} images of {tag}\n")


if __name__ == "__main__":
    main()
