"""The access point takes uploads from clients that people have: in one request, in parts, from a pipe, as a tree."""

import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import botocore.exceptions
import botocore.session
import pytest
from botocore.config import Config

import clients
from baton_local import state
from baton_local.state import World
from local_worlds import bucket, client, eventually

EAST, WEST = "us-east-1", "us-west-2"
ACCESS_POINT: Final = "baton-local-data"
SMALL: Final = b"a,b\n1,2\n"
LARGE: Final = b"0123456,89\n" * 1_600_000
"""17.6 MB: more than one part for every client."""


def _stored(world: World, key: str) -> dict[str, Any]:
    """Return an object as the active Region has it."""
    region = client("s3", world.region_endpoints[EAST], EAST)
    return region.get_object(Bucket=bucket(EAST), Key=key)


# --- links -----------------------------------------------------------------------------------------------------------


def _send(method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data=body, method=method, headers=dict(headers))  # noqa: S310 - our own endpoint
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:  # noqa: S310 - the same
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def _signer(world: World, signature: str, *, by_role: bool = False) -> Any:
    """Return a client that signs links: with the credentials of this world, or with those of a role."""
    own = state.credentials(world.account_id)
    keys = [own["AWS_ACCESS_KEY_ID"], own["AWS_SECRET_ACCESS_KEY"]]
    if by_role:
        role = f"arn:aws:iam::{world.account_id}:role/baton-local-link"
        sts = client("sts", world.global_endpoint)
        issued = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        keys = [issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"]]
    session: Any = botocore.session.get_session()
    session.set_credentials(*keys)
    config = Config(s3={"addressing_style": "path"}, signature_version=signature)
    return session.create_client("s3", endpoint_url=world.mrap_endpoint, region_name=EAST, config=config)


@pytest.mark.parametrize("by_role", [False, True])
@pytest.mark.parametrize("signature", ["s3v4", "s3"])
@pytest.mark.parametrize(
    ("signed", "sent"),
    [
        ({}, {"Content-Type": "application/octet-stream"}),
        ({"ContentType": "text/csv"}, {"Content-Type": "text/csv"}),
        ({"Metadata": {"origin": "test"}}, {"x-amz-meta-origin": "test", "Content-Type": ""}),
    ],
)
def test_a_signed_link_takes_an_upload(
    world: World, signature: str, signed: Mapping[str, Any], sent: Mapping[str, str], *, by_role: bool
) -> None:
    key = f"canary/links/{signature} {by_role} {len(signed)}+ü.csv"
    target = {"Bucket": ACCESS_POINT, "Key": key, **signed}
    url = _signer(world, signature, by_role=by_role).generate_presigned_url("put_object", Params=target)

    status, answer = _send("PUT", url, SMALL, sent)

    assert (status, answer) == (200, b"")
    stored = _stored(world, key)
    assert stored["Body"].read() == SMALL
    assert stored["Metadata"] == signed.get("Metadata", {})


def test_a_link_to_upload_is_for_its_key_its_method_and_its_signer(world: World) -> None:
    target = {"Bucket": ACCESS_POINT, "Key": "canary/links/mine.csv"}
    url = _signer(world, "s3v4").generate_presigned_url("put_object", Params=target)

    assert _send("PUT", url.replace("mine", "yours"), SMALL, {})[0] == 403
    assert _send("DELETE", url, None, {})[0] == 403
    assert _send("PUT", url.replace("Signature=", "Signature=0"), SMALL, {})[0] == 403


def test_a_form_is_refused_in_words(world: World) -> None:
    form = _signer(world, "s3v4").generate_presigned_post(ACCESS_POINT, "canary/form.csv")

    status, answer = _send("POST", form["url"], b"--x--", {"Content-Type": "multipart/form-data; boundary=x"})

    assert status == 405
    assert b"signed PUT" in answer


def test_nobody_but_replication_says_of_which_version_an_object_is(world: World) -> None:
    metadata = {"baton-origin-version": "v-77", "Baton-Origin-Version-2": "mine"}
    door = client("s3", world.mrap_endpoint, EAST)
    door.put_object(Bucket=ACCESS_POINT, Key="canary/plain.csv", Body=SMALL, Metadata=metadata)
    started = door.create_multipart_upload(Bucket=ACCESS_POINT, Key="canary/parts.csv", Metadata=metadata)
    parts = {"Bucket": ACCESS_POINT, "Key": "canary/parts.csv", "UploadId": started["UploadId"]}
    etag = door.upload_part(**parts, PartNumber=1, Body=SMALL)["ETag"]
    door.complete_multipart_upload(**parts, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    target = {"Bucket": ACCESS_POINT, "Key": "canary/link.csv"}
    link = _signer(world, "s3").generate_presigned_url("put_object", Params=target)
    assert _send("PUT", f"{link}&x-amz-meta-baton-origin-version=v-77", SMALL, {})[0] == 200

    for name in ("plain", "parts", "link"):
        assert "baton-origin-version" not in _stored(world, f"canary/{name}.csv")["Metadata"]
    assert _stored(world, "canary/plain.csv")["Metadata"] == {"baton-origin-version-2": "mine"}


def test_a_copy_of_a_replica_is_an_original(world: World) -> None:
    key, metadata = "input/sales/copied +ü.csv", {"sender": "test"}
    west = client("s3", world.region_endpoints[WEST], WEST)
    written = west.put_object(Bucket=bucket(WEST), Key=key, Body=SMALL, ContentType="text/x", Metadata=metadata)
    stored = eventually(lambda: _stored_if_there(world, key), seconds=30)
    assert stored
    assert stored["Metadata"] == {**metadata, "baton-origin-version": written["VersionId"]}
    door = client("s3", world.mrap_endpoint, EAST)

    door.copy_object(Bucket=ACCESS_POINT, Key="canary/copy.csv", CopySource={"Bucket": ACCESS_POINT, "Key": key})

    copy = _stored(world, "canary/copy.csv")
    assert (copy["Body"].read(), copy["Metadata"], copy["ContentType"]) == (SMALL, metadata, "text/x")


def _stored_if_there(world: World, key: str) -> dict[str, Any] | None:
    try:
        return _stored(world, key)
    except botocore.exceptions.ClientError:
        return None


# --- programs --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tool:
    """A client as one installs it, and how its commands begin and are spelled."""

    program: str
    options: tuple[str, ...]
    place: str
    """What its names for places begin with."""
    one: tuple[str, ...]
    in_parts: tuple[str, ...]
    piped: tuple[str, ...]
    tree: tuple[str, ...]
    back: tuple[str, ...]
    within: tuple[str, ...]
    """Copy from one key to another; () if it cannot without an access list, which S3's buckets refuse."""
    listing: tuple[str, ...]


TOOLS: Final = {
    "aws": Tool(
        program="aws",
        options=(),
        place=f"s3://{ACCESS_POINT}/",
        one=("s3", "cp"),
        in_parts=("s3", "cp"),
        piped=("s3", "cp", "-"),
        tree=("s3", "sync"),
        back=("s3", "cp"),
        within=("s3", "cp"),
        listing=("s3", "ls", "--recursive"),
    ),
    "s3cmd": Tool(
        program="s3cmd",
        options=("-c", "{home}/s3cfg", "--no-progress"),
        place=f"s3://{ACCESS_POINT}/",
        one=("put",),
        in_parts=("put", "--multipart-chunk-size-mb=8"),
        piped=("put", "-"),
        tree=("sync",),
        back=("get",),
        within=(),
        listing=("ls", "-r"),
    ),
    "rclone": Tool(
        program="rclone",
        options=("--config", "/dev/null"),
        place=f"local:{ACCESS_POINT}/",
        one=("copyto",),
        in_parts=("copyto", "--s3-upload-cutoff=8M", "--s3-chunk-size=8M"),
        piped=("rcat",),
        tree=("sync",),
        back=("copyto",),
        within=("copyto",),
        listing=("ls",),
    ),
}

type Run = Callable[..., str]


@pytest.fixture(params=list(TOOLS))
def tool(request: pytest.FixtureRequest) -> Tool:
    tool = TOOLS[request.param]
    clients.program(tool.program)
    return tool


@pytest.fixture
def run(world: World, tool: Tool, tmp_path: Path) -> Run:
    """Run a command of the tool against the access point, and return what it printed."""
    own = state.credentials(world.account_id)
    host = world.mrap_endpoint.removeprefix("http://")
    key, secret = own["AWS_ACCESS_KEY_ID"], own["AWS_SECRET_ACCESS_KEY"]
    (tmp_path / "s3cfg").write_text(
        f"[default]\naccess_key = {key}\nsecret_key = {secret}\nhost_base = {host}\nhost_bucket = {host}\n"
        f"use_https = False\nbucket_location = {EAST}\n"
    )
    environment = own | {
        "PATH": os.defpath,
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "NO_PROXY": "*",
        "AWS_DEFAULT_REGION": EAST,
        "AWS_ENDPOINT_URL": world.mrap_endpoint,
        "RCLONE_CONFIG_LOCAL_TYPE": "s3",
        "RCLONE_CONFIG_LOCAL_PROVIDER": "Other",
        "RCLONE_CONFIG_LOCAL_REGION": EAST,
        "RCLONE_CONFIG_LOCAL_ENDPOINT": world.mrap_endpoint,
        "RCLONE_CONFIG_LOCAL_ACCESS_KEY_ID": key,
        "RCLONE_CONFIG_LOCAL_SECRET_ACCESS_KEY": secret,
    }
    options = [option.format(home=tmp_path) for option in tool.options]

    def run(*arguments: str | Path, piped: bytes | None = None) -> str:
        command = [clients.program(tool.program), *options, *map(str, arguments)]
        ended = subprocess.run(command, input=piped, env=environment, capture_output=True, timeout=100, check=False)  # noqa: S603 - this test's own words
        assert ended.returncode == 0, (command, ended.stdout, ended.stderr)
        return ended.stdout.decode()

    return run


def test_a_client_sends_a_file_whole_in_parts_and_from_a_pipe(
    world: World, tool: Tool, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "small.csv").write_bytes(SMALL)
    (tmp_path / "large.csv").write_bytes(LARGE)
    below = f"canary/{tool.program}/"

    run(*tool.one, tmp_path / "small.csv", f"{tool.place}{below}small 1+ü.csv")
    run(*tool.in_parts, tmp_path / "large.csv", f"{tool.place}{below}large.csv")
    run(*tool.piped, f"{tool.place}{below}piped.csv", piped=LARGE)

    assert _stored(world, f"{below}small 1+ü.csv")["Body"].read() == SMALL
    for name in ("large", "piped"):
        stored = _stored(world, f"{below}{name}.csv")
        assert stored["Body"].read() == LARGE
        assert "-" in stored["ETag"], "it came in parts"


def test_a_client_brings_a_tree_up_to_date_and_reads_what_is_there(
    world: World, tool: Tool, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "tree/a b").mkdir(parents=True)
    (tmp_path / "tree/one.csv").write_bytes(SMALL)
    (tmp_path / "tree/a b/two+ü.csv").write_bytes(SMALL * 2)
    below = f"canary/{tool.program}-tree/"

    for _ in range(2):
        run(*tool.tree, f"{tmp_path}/tree/", f"{tool.place}{below}")
    listed = run(*tool.listing, f"{tool.place}{below}")
    run(*tool.back, f"{tool.place}{below}a b/two+ü.csv", tmp_path / "back.csv")

    assert _stored(world, f"{below}one.csv")["Body"].read() == SMALL
    assert "one.csv" in listed
    assert "a b/two+ü.csv" in listed
    assert (tmp_path / "back.csv").read_bytes() == SMALL * 2
    if tool.within:
        run(*tool.within, f"{tool.place}{below}one.csv", f"{tool.place}{below}copy.csv")
        assert _stored(world, f"{below}copy.csv")["Body"].read() == SMALL


def test_who_asks_before_sending_is_told_to_go_on(world: World, tmp_path: Path) -> None:
    (tmp_path / "large.csv").write_bytes(LARGE)
    own = state.credentials(world.account_id)
    command = [clients.program("curl"), "--silent", "--fail", "--upload-file", str(tmp_path / "large.csv")]
    command += ["--header", "Expect: 100-continue", "--aws-sigv4", f"aws:amz:{EAST}:s3", "--noproxy", "*"]
    command += ["--user", f"{own['AWS_ACCESS_KEY_ID']}:{own['AWS_SECRET_ACCESS_KEY']}"]

    subprocess.run([*command, f"{world.mrap_endpoint}/{ACCESS_POINT}/canary/curl.csv"], check=True, timeout=60)  # noqa: S603 - this test's own words

    assert _stored(world, "canary/curl.csv")["Body"].read() == LARGE


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC64NVME", "SHA256"])
def test_checksums_that_follow_the_body_are_no_part_of_it(world: World, algorithm: str) -> None:
    door = client("s3", world.mrap_endpoint, EAST)

    door.put_object(Bucket=ACCESS_POINT, Key="canary/sum.csv", Body=SMALL, ChecksumAlgorithm=algorithm)

    assert _stored(world, "canary/sum.csv")["Body"].read() == SMALL


@pytest.mark.parametrize("query", ["", "?list-type=2"])
def test_the_access_point_may_be_named_in_the_host(world: World, query: str) -> None:
    client("s3", world.mrap_endpoint, EAST).put_object(Bucket=ACCESS_POINT, Key="canary/host.csv", Body=SMALL)
    host = world.mrap_endpoint.removeprefix("http://127.0.0.1")

    path = query or "canary/host.csv"
    status, answer = _send("GET", f"{world.mrap_endpoint}/{path}", None, {"Host": f"{ACCESS_POINT}.localhost{host}"})

    assert status == 200
    assert (b"canary/host.csv" in answer) if query else answer == SMALL


def test_a_request_signed_for_any_region_passes(world: World) -> None:
    door = client("s3", world.mrap_endpoint, EAST)
    headers = {
        "Authorization": "AWS4-ECDSA-P256-SHA256 Credential=AKIDEXAMPLE/20261129/s3/aws4_request, "
        "SignedHeaders=host;x-amz-date;x-amz-region-set, Signature=30",
        "X-Amz-Region-Set": "*",
        "X-Amz-Security-Token": "of somebody else",
        "X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD",
    }

    status, answer = _send("PUT", f"{world.mrap_endpoint}/{ACCESS_POINT}/canary/any.csv", SMALL, headers)

    assert (status, answer) == (200, b"")
    assert door.get_object(Bucket=ACCESS_POINT, Key="canary/any.csv")["Body"].read() == SMALL
