"""The images of the services: built from this checkout, and everything that is in them."""

import io
import json
import subprocess
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, override

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT: Final = Path(__file__).parents[2]
SERVICES: Final = ("splitter", "worker", "merger", "notifier", "failover-controller", "local")
HARDENED: Final = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none")
"""More than the compose file and ECS demand: what needs no network to start gets none."""
SHELLS_TAKEN_AWAY: Final = ("--volume=/dev/null:/bin/sh:ro", "--volume=/dev/null:/bin/bash:ro")
_PIECE_BYTES: Final = 1 << 20


class BuildSettings(BaseSettings):
    """What the images are built on; a mirror's name or a digest will do as well."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    python_image: str = Field(default="python:3.13-slim", validation_alias="PYTHON_IMAGE")


@dataclass(frozen=True, slots=True)
class Layer:
    """What one instruction added."""

    compressed_bytes: int
    """As a registry keeps it, by the fastest gzip: never less than what is really transferred."""
    members: Sequence[tarfile.TarInfo]


@dataclass(frozen=True, slots=True)
class Image:
    """One service's image."""

    service: str
    tag: str
    config: Mapping[str, Any]
    """As `docker image inspect` tells it."""
    base_config: Mapping[str, Any]
    base: Sequence[Layer]
    own: Sequence[Layer]
    """What our Dockerfile added to the base."""

    @property
    def layers(self) -> Sequence[Layer]:
        return [*self.base, *self.own]

    @property
    def compressed_bytes(self) -> int:
        """What a machine transfers that has no layer of it yet."""
        return sum(layer.compressed_bytes for layer in self.layers)

    @property
    def unpacked_bytes(self) -> int:
        return sum(member.size for layer in self.layers for member in layer.members)

    @property
    def members(self) -> Sequence[tarfile.TarInfo]:
        """Files, directories and links that are ours."""
        return [member for layer in self.own for member in layer.members]


def build(service: str) -> str:
    """Build a service's image under the tag that Compose uses, and return it. What is built already takes a second."""
    tag = f"baton/{service}:dev"
    arguments = {"SERVICE": service, "PYTHON_IMAGE": BuildSettings().python_image}
    told = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    done = run("build", "--quiet", *told, f"--tag={tag}", str(ROOT))
    assert done.returncode == 0, f"{tag}: {done.stderr[-4_000:]}"
    return tag


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the docker command and return how it ended."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607 - the docker of the machine


def config_of(tag: str) -> Mapping[str, Any]:
    done = run("image", "inspect", tag)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)[0]["Config"]


def look_into(tags: Mapping[str, str]) -> Mapping[str, Image]:
    """Read every image, by service; layers that they share are read once."""
    base_tag = BuildSettings().python_image
    layers = _saved([base_tag, *tags.values()])
    base, base_config = layers[base_tag], config_of(base_tag)
    return {
        service: Image(service, tag, config_of(tag), base_config, base, layers[tag][len(base) :])
        for service, tag in tags.items()
    }


def _saved(tags: Sequence[str]) -> Mapping[str, Sequence[Layer]]:
    """Return each image's layers, the lowest first, from one pass over what `docker save` writes."""
    found: dict[str, Layer] = {}
    manifest: Sequence[Any] = ()
    with subprocess.Popen(["docker", "save", *tags], stdout=subprocess.PIPE) as saving:  # noqa: S603, S607 - as in `run`
        assert saving.stdout is not None
        for name, file in _files(saving.stdout):
            if name == "manifest.json":
                manifest = json.load(file)
            elif layer := _measured(file):
                found[name] = layer
    assert saving.returncode == 0
    return {tag: [found[name] for name in each["Layers"]] for each in manifest for tag in each["RepoTags"]}


def _files(stream: IO[bytes]) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            if file := archive.extractfile(member):
                yield member.name, file


def _measured(file: IO[bytes]) -> Layer | None:
    """Return a layer; None if the file is none, but a description."""
    measure = _Measure(file)
    try:
        with tarfile.open(fileobj=measure, mode="r|*") as archive:
            members = list(archive)
    except tarfile.ReadError:
        return None
    return Layer(measure.finish(), members)


class _Measure(io.RawIOBase):
    """Passes bytes on, and counts what they come to when they are compressed."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._packed = zlib.compressobj(level=1, wbits=31)
        self._size_bytes = 0

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any, /) -> int:
        piece = self._file.read(len(buffer))
        buffer[: len(piece)] = piece
        self._size_bytes += len(self._packed.compress(piece))
        return len(piece)

    def finish(self) -> int:
        while self.read(_PIECE_BYTES):
            pass
        return self._size_bytes + len(self._packed.flush())
