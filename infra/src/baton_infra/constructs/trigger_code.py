"""Collects the trigger's code: its sources, and its libraries for the Lambda's platform whatever this machine is.

`python -m baton_infra.constructs.trigger_code` needs a package index. Without it synthesis takes the sources alone:
that is enough to check a template, and `make deploy` refuses it.
"""

import functools
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[4]
STAGED: Final = _ROOT / "build" / "trigger"
_REQUIREMENTS: Final = _ROOT / "requirements" / "trigger.txt"
_PACKAGES: Final = ("baton", "trigger", "baton_jobs")
PLATFORM: Final = "aarch64-manylinux2014"
_MODELS: Final = frozenset({"dynamodb", "s3", "sqs", "sts"})
"""Descriptions of services that the trigger never calls are nine tenths of botocore's bytes."""


def directory() -> Path:
    """Return the directory that becomes the function's zip: complete if it was staged, else the sources alone."""
    return STAGED if is_staged() else Path(_sources_only().name)


@functools.cache
def _sources_only() -> tempfile.TemporaryDirectory[str]:
    """Return a directory that is there until the process ends: synthesis copies what it takes."""
    target = tempfile.TemporaryDirectory(prefix="baton-trigger-")
    copy_sources(Path(target.name))
    return target


def is_staged() -> bool:
    """Return whether libraries are there."""
    return (STAGED / "aiobotocore").is_dir()


def stage(target: Path, *, platform: str | None) -> None:
    """Put sources and libraries into `target`, for a platform as uv names it; None: this machine's.

    Raises `subprocess.CalledProcessError` if uv finds no wheel.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    where = ["--python-platform", platform] if platform else []
    subprocess.run(  # noqa: S603 - arguments of our own
        [
            *(_uv(), "pip", "install", "--quiet", "--target", target, *where, "--python-version", "3.13"),
            *("--only-binary", ":all:", "--require-hashes", "--no-compile-bytecode", "--requirements", _REQUIREMENTS),
        ],
        check=True,
    )
    prune(target)
    copy_sources(target)


def prune(target: Path) -> None:
    """Remove from installed libraries what the function never reads, and what would be another on another machine."""
    for model in (target / "botocore" / "data").iterdir():
        if model.is_dir() and model.name not in _MODELS:
            shutil.rmtree(model)
    shutil.rmtree(target / "bin", ignore_errors=True)  # scripts begin with the path of this machine's Python
    for record in target.glob("*.dist-info/RECORD"):
        record.unlink()  # it holds their digests


def copy_sources(target: Path) -> None:
    """Put the packages of ours that the trigger imports into `target`."""
    for package in _PACKAGES:
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        shutil.rmtree(target / package, ignore_errors=True)
        shutil.copytree(
            Path(spec.origin).parent, target / package, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
        )


def _uv() -> str:
    own = _ROOT / ".uv" / "bin" / "uv"
    return shutil.which("uv") or str(own)


if __name__ == "__main__":
    stage(STAGED, platform=PLATFORM)
    sys.stdout.write(f"{STAGED}: the trigger for {PLATFORM}\n")
