"""`make preflight ENV=…`: checks, before anything is created, whether a deployment would succeed. It changes nothing.

Each line says what was asked, what the answer means, and what to do. Exit status 1 if something is missing. What may
not be asked is shown, and fails nothing.
"""

import argparse
import asyncio
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from baton_infra import config as environments
from baton_infra.config import EnvironmentConfig
from baton_infra.declared import steps
from baton_infra.declared.preflight import QUESTIONS, PreflightLine, PreflightResult, Question
from baton_infra.deployment import images, sdk

type Clients = Callable[[str, str], AbstractAsyncContextManager[Any]]
"""Gives a client of a service in a Region."""

_DENIED: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "UnrecognizedClientException"}
)
_AT_ONCE: Final = 4
"""Each client is made for its one call, which takes a processor a moment."""
_MARKS: Final = {PreflightResult.OK: "ok     ", PreflightResult.MISSING: "MISSING", PreflightResult.UNKNOWN: "unknown"}


async def ask(
    question: Question, config: EnvironmentConfig, region: str, clients: Clients = sdk.client
) -> PreflightLine:
    """Ask one question in one Region. An answer that is refused, or that never comes, is a finding as well."""
    try:
        async with clients(question.service, question.asked_in or region) as client:
            try:
                answer = await getattr(client, question.call)(**question.parameters(config, region))
            except ClientError as error:
                code = error.response.get("Error", {}).get("Code", "")
                if code not in question.absent:
                    raise
                answer = dict[str, Any]()
    except (BotoCoreError, ClientError) as error:
        denied = isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") in _DENIED
        right = f"allow {question.right}, or look yourself" if denied else "look yourself"
        return PreflightLine(question.subject, PreflightResult.UNKNOWN, str(error), right, region)
    return question.judge(answer, config, region)


async def ask_all(config: EnvironmentConfig, clients: Clients = sdk.client) -> list[PreflightLine]:
    """Ask every question, those about a Region in both; answers come in the order of the questions."""
    few = asyncio.Semaphore(_AT_ONCE)

    async def in_turn(question: Question, region: str) -> PreflightLine:
        async with few:
            return await ask(question, config, region, clients)

    asked = [
        in_turn(question, region)
        for question in QUESTIONS
        if question.concerns(config)
        for region in (config.regions if question.per_region else config.regions[:1])
    ]
    return list(await asyncio.gather(*asked))


def ask_machine(config: EnvironmentConfig) -> list[PreflightLine]:
    """Ask what this machine must have if images are to be built: a committed tree, and Docker that builds for ARM64."""
    if not steps.unbuilt(config):
        return []
    return [_tree(), _docker()]


def _tree() -> PreflightLine:
    try:
        tag = images.revision()
    except SystemExit as refused:
        return PreflightLine(
            "committed tree", PreflightResult.MISSING, str(refused), "commit, or take the changes back"
        )
    return PreflightLine("committed tree", PreflightResult.OK, f"images will be named {tag}")


def _docker() -> PreflightLine:
    subject, help_ = "Docker for linux/arm64", "docker run --privileged --rm tonistiigi/binfmt --install arm64"
    command = ("docker", "buildx", "inspect", "--bootstrap")
    try:
        found = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)  # noqa: S603 - ours
    except (OSError, subprocess.TimeoutExpired) as error:
        return PreflightLine(subject, PreflightResult.MISSING, str(error), "install Docker with buildx, and start it")
    if found.returncode:
        return PreflightLine(
            subject, PreflightResult.MISSING, found.stderr.strip(), "install Docker with buildx, and start it"
        )
    if "linux/arm64" not in found.stdout:
        return PreflightLine(subject, PreflightResult.MISSING, "this builder has no linux/arm64", help_)
    return PreflightLine(subject, PreflightResult.OK, "this builder has it")


def text(findings: Sequence[PreflightLine]) -> str:
    """Return the findings, a line each, what is to be done below."""
    lines: list[str] = []
    for each in findings:
        where = f" in {each.region}" if each.region else ""
        lines.append(f"{_MARKS[each.outcome]}  {each.subject}{where}: {each.says}")
        if each.outcome is not PreflightResult.OK:
            lines.append(f"         do: {each.do}")
    missing = sum(each.outcome is PreflightResult.MISSING for each in findings)
    unknown = sum(each.outcome is PreflightResult.UNKNOWN for each in findings)
    lines.append(f"{len(findings)} asked, {missing} missing, {unknown} unknown")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask, print, and exit with 1 if something is missing."""
    parser = argparse.ArgumentParser(prog="baton_infra.deployment.preflight", description=__doc__)
    parser.add_argument("environment", choices=environments.names())
    config = environments.given(parser.parse_args(arguments).environment)
    findings = [*asyncio.run(ask_all(config)), *ask_machine(config)]
    sys.stdout.write(text(findings))
    if any(each.outcome is PreflightResult.MISSING for each in findings):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
