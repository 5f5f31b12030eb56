"""The trigger is called for each input, survives a burst, and its zip holds all that it needs."""

import io
import json
import py_compile
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any
from uuid import uuid4

from baton_local import roster
from baton_local.roster import LocalTrigger
from baton_local.stand_ins.trigger import build_zip
from baton_local.state import World
from local_worlds import bucket, client, eventually

EAST = "us-east-1"


def _seen(s3: Any, prefix: str) -> set[str]:
    listed = s3.list_objects_v2(Bucket=bucket(EAST), Prefix=f"seen/{prefix}").get("Contents", [])
    return {item["Key"].removeprefix("seen/") for item in listed}


def test_every_input_of_a_burst_reaches_the_trigger(world: World) -> None:
    s3 = client("s3", world.region_endpoints[EAST], EAST)
    prefix = f"input/burst/{uuid4().hex}/"
    keys = {f"{prefix}{number}" for number in range(30)}

    for key in keys:
        s3.put_object(Bucket=bucket(EAST), Key=key, Body=b"x")

    eventually(lambda: _seen(s3, prefix) == keys, seconds=30)


def test_what_is_no_input_does_not_reach_the_trigger(world: World) -> None:
    s3 = client("s3", world.region_endpoints[EAST], EAST)
    mark = uuid4().hex

    s3.put_object(Bucket=bucket(EAST), Key=f"work/{mark}", Body=b"x")
    s3.put_object(Bucket=bucket(EAST), Key=f"input/{mark}", Body=b"x")

    eventually(lambda: _seen(s3, "input/" + mark))
    assert _seen(s3, "work/" + mark) == set()


def test_an_event_that_the_trigger_cannot_handle_is_dead_lettered(world: World) -> None:
    key = f"input/poison/{uuid4().hex}"
    sqs = client("sqs", world.region_endpoints[EAST], EAST)
    url = sqs.get_queue_url(QueueName="baton-local-trigger-dead")["QueueUrl"]

    client("s3", world.region_endpoints[EAST], EAST).put_object(Bucket=bucket(EAST), Key=key, Body=b"x")

    received = eventually(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"), seconds=20)
    event = json.loads(received[0]["Body"])["requestPayload"]
    assert event["Records"][0]["s3"]["object"]["key"] == key


def test_the_products_trigger_imports_from_its_zip_alone(tmp_path: Path) -> None:
    trigger = roster.product("baton_jobs").trigger
    assert trigger is not None
    (tmp_path / "code.zip").write_bytes(build_zip(trigger))
    with zipfile.ZipFile(tmp_path / "code.zip") as archive:
        archive.extractall(tmp_path / "code")
    # The AWS clients are made too: their descriptions of the services must be in the zip.
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'code')!r}); import trigger.function, botocore.session; "
        "session = botocore.session.get_session(); "
        "[session.create_client(name, region_name='us-east-1') for name in ('s3', 'sqs', 'dynamodb', 'sts')]"
    )

    subprocess.run([sys.executable, "-ISc", code], check=True, timeout=60)  # noqa: S603 — our own interpreter


def test_bytecode_goes_along_with_the_source_that_it_was_made_of(tmp_path: Path) -> None:
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    for source in (one, other):
        source.write_text("WHAT = 'compiled'\n")
        py_compile.compile(str(source))
    other.write_text("WHAT = 'changed since'\n")

    zipped = build_zip(LocalTrigger(handler="one.handler", sources=(one, other), requirements=None))
    with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
        names = {Path(name).name.partition(".")[0] for name in archive.namelist() if name.endswith(".pyc")}
        archive.extractall(tmp_path / "code")
    (tmp_path / "code" / "one.py").write_text("WHAT = 'nobody looks at this'\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'code')!r}); import one, other; print(one.WHAT, other.WHAT)"
    told = subprocess.run([sys.executable, "-ISc", code], check=True, capture_output=True, text=True)  # noqa: S603 — our own interpreter

    assert names == {"one"}
    assert told.stdout.strip() == "compiled changed since"
