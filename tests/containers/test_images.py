"""What is in our images: each service with what it needs, as a non-root user, and nothing more."""

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final

import pytest

from baton.catalog import load_jobs
from baton.sources import ENGINE_PACKAGES
from service_images import HARDENED, ROOT, SERVICES, SHELLS_TAKEN_AWAY, Image, run

# The first test builds all images; where nothing is cached that takes minutes.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

_MB: Final = 1_000_000
_ENVIRONMENT: Final = {"PYTHONPATH": "/app/src", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
_LABELS: Final = {"title", "description", "licenses", "version", "revision"}
_TRANSFERRED_MB_MAX: Final = {"worker": 250}
"""What a task pulls before it starts, by service; any other service 180."""
_UNPACKED_MB_MAX: Final = {"worker": 430, "splitter": 230}
"""A guard against what creeps in: polars is one shared object of 178 MB, numpy has 56 MB; any other service 190."""
_MAINS: Final = {
    "splitter": "splitter.main, trigger.poller",
    "local": "baton_local.in_containers.create, baton_local.in_containers.border, baton_local.in_containers.outside",
}
"""What a container of the image may run, if that is not the service's own `main`."""
_SECRETS: Final = re.compile(
    r"\.(env|netrc|pypirc|npmrc|aws|ssh|docker|git)$|credentials?(\.json)?$|id_(rsa|ed25519)|\.key$"
)
_LEFTOVERS: Final = re.compile(
    r"^(requirements.*\.txt|uv\.lock|Dockerfile|uv|uvx|pip|wheels?|\.?cache|tests)$|\.(whl|log)$"
)
_LIST_DISTRIBUTIONS: Final = """
import importlib.metadata, json
print(json.dumps([(each.metadata["Name"], each.version) for each in importlib.metadata.distributions()]))
"""


def test_it_runs_as_nobody_in_particular(image: Image) -> None:
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", image.config["User"]), (
        "numeric: a name says nothing of whom it stands for"
    )


def test_its_command_needs_no_shell_and_its_health_is_asked(image: Image) -> None:
    config = image.config

    assert (config["Entrypoint"], config["Cmd"]) == (None, ["python", "-m", "service"])
    assert config["StopSignal"] == "SIGTERM"
    how, *probe = config["Healthcheck"]["Test"]
    assert how == "CMD", "a form without a shell"
    assert PurePosixPath(probe[-1]).relative_to("/") in {PurePosixPath(member.name) for member in image.members}
    assert not config.get("Volumes")
    assert not config.get("ExposedPorts")


def test_it_says_what_it_is(image: Image) -> None:
    labels: Mapping[str, str] = image.config["Labels"]

    prefix = "org.opencontainers.image."
    assert {f"{prefix}{name}" for name in _LABELS} <= labels.keys()
    assert labels[f"{prefix}title"] == f"baton-{image.service}"
    assert labels[f"{prefix}licenses"] == "Apache-2.0"


def test_its_environment_holds_nothing_but_where_python_looks(image: Image) -> None:
    base, ours = _environment(image.base_config), _environment(image.config)

    assert ours == base | _ENVIRONMENT | {"PATH": f"/app/.venv/bin:{base['PATH']}"}
    assert not [name for name in ours if name.startswith(("AWS_", "BATON_"))]


def test_nothing_was_added_but_its_libraries_and_its_code(image: Image) -> None:
    paths = [PurePosixPath(member.name) for member in image.members]

    assert {path.parts[:2] for path in paths if len(path.parts) > 1} == {("app", ".venv"), ("app", "src")}
    assert {path.parts[0] for path in paths} == {"app"}
    assert not [str(path) for path in paths if _SECRETS.search(path.name) or _LEFTOVERS.search(path.name)]


def test_nothing_of_it_can_be_changed_by_whom_it_runs_as(image: Image) -> None:
    assert {(member.uid, member.gid) for member in image.members} == {(0, 0)}
    loose = [member.name for member in image.members if member.mode & 0o6002 and not member.issym()]
    assert not loose, "set-user-id, set-group-id, or writable by everybody"


def test_it_holds_exactly_the_pinned_libraries(image: Image) -> None:
    found: list[tuple[str, str]] = json.loads(_said(image, _LIST_DISTRIBUTIONS))
    pins = (ROOT / "requirements" / f"{image.service}.txt").read_text()
    pinned = re.findall(r"^([\w.-]+)==([^\s;]+)", pins, re.MULTILINE)

    assert sorted((_normalized(name), version) for name, version in found) == sorted(pinned)


def test_it_holds_its_own_packages_and_no_other_service_but_for_versions(image: Image) -> None:
    home = ROOT / "local" if image.service == "local" else ROOT / "services" / image.service
    project: Mapping[str, Any] = tomllib.loads((home / "pyproject.toml").read_text())
    own = {project["tool"]["uv"]["build-backend"]["module-name"], "baton"}
    # Every image that has jobs computes their versions, from the sources of the services that write results.
    has_jobs = "baton-jobs" in project["project"]["dependencies"]
    jobs = {"baton_jobs", *ENGINE_PACKAGES} if has_jobs else set[str]()
    rules = {"handover", "handover_shell"} if "baton-handover" in project["project"]["dependencies"] else set[str]()
    # Where there is no Lambda its poller runs in the splitter's image.
    pollers = {"trigger"} if image.service == "splitter" else set[str]()

    paths = [PurePosixPath(member.name) for member in image.members]
    found = {path.parts[2] for path in paths if path.parts[:2] == ("app", "src") and len(path.parts) > 2}
    assert found == own | jobs | rules | pollers | {"service.py", "__pycache__"}


@pytest.mark.parametrize("image", ["splitter", "worker", "merger", "notifier"], indirect=True)
def test_it_tells_the_version_of_every_job_that_the_others_tell(image: Image) -> None:
    """A part is reused only under the version that its plan names: who disagrees would have everything done again."""
    tell = "from baton.catalog import load_jobs; print({n: j.version for n, j in load_jobs('baton_jobs').items()})"

    assert _said(image, tell) == str({name: job.version for name, job in load_jobs("baton_jobs").items()})


def test_every_module_was_compiled_when_it_was_built(image: Image) -> None:
    """A container cannot keep what it compiles: the first start would be the slowest, and each would be the first."""
    paths = [PurePosixPath(member.name) for member in image.members if member.isfile()]
    sources = [path for path in paths if path.suffix == ".py" and "bin" not in path.parts]
    compiled = {path.parent.parent / path.name.partition(".")[0] for path in paths if path.suffix == ".pyc"}

    assert sources
    assert not [str(path) for path in sources if path.with_suffix("") not in compiled]


def test_it_imports_on_a_read_only_root_without_network_rights_or_a_shell(image: Image) -> None:
    mains = _MAINS.get(image.service, f"{image.service.replace('-', '_')}.main")

    assert _said(image, f"import os, {mains}; print(os.getuid(), os.getgid(), os.getgroups())") == "10001 10001 [10001]"


@pytest.mark.parametrize("image", [each for each in SERVICES if each != "local"], indirect=True)
def test_without_settings_it_says_which_ones_it_wants(image: Image) -> None:
    ended = run("run", "--rm", *HARDENED, *SHELLS_TAKEN_AWAY, image.tag)

    assert ended.returncode == 2, ended.stderr
    assert re.findall(r"^(\w+)\n +Field required", ended.stderr, re.MULTILINE) == ["account_id", "AWS_REGION"]


def test_it_is_quickly_pulled(image: Image) -> None:
    assert image.compressed_bytes < _MB * _TRANSFERRED_MB_MAX.get(image.service, 180)
    assert image.unpacked_bytes < _MB * _UNPACKED_MB_MAX.get(image.service, 190)


def _said(image: Image, source: str) -> str:
    """Run Python in the image, hardened and without a shell, and return what it printed."""
    ended = run("run", "--rm", *HARDENED, *SHELLS_TAKEN_AWAY, image.tag, "python", "-c", source)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def _environment(config: Mapping[str, Any]) -> dict[str, str]:
    return dict(entry.split("=", 1) for entry in config["Env"])


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
