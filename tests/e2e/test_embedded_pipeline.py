"""Files through the whole embedded world, by the command a user has: real processes, real triggers, real kills."""

import json
import os
import random
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from baton.topology import STAGES
from baton_local.sales import expected, sample
from baton_local.switches.admin import Admin
from embedded import Embedded
from local_worlds import bucket, client, do, eventually

pytestmark = [pytest.mark.xdist_group("world"), pytest.mark.timeout(600)]

RECORDS = 20_000


@dataclass(frozen=True, slots=True)
class Sent:
    """A sales file that went through an undisturbed world."""

    file: Path
    reference: Path
    outcome: Mapping[str, Any]


@pytest.fixture(scope="module")
def sales(embedded: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Sent:
    """Return a sales file with bad records, once its reference file is loaded and it has gone through."""
    folder = tmp_path_factory.mktemp("sales")
    file, reference = folder / "sales.csv", folder / "financial.csv"
    sample.write_sales(file, reference, records=RECORDS, seed=11, bad_percent=2, keys=5_000)
    done = embedded.baton("reference", "load", "financial", str(reference), "--key", "uuid")
    assert done.returncode == 0, done.stderr
    return Sent(file, reference, embedded.submit(file))


def test_a_file_comes_out_right_record_by_record_and_is_mailed_once(
    embedded: Embedded, sales: Sent, tmp_path: Path
) -> None:
    outcome = sales.outcome

    assert (outcome["exit_status"], outcome["state"]) == (0, "COMPLETED"), (outcome, embedded.logs())
    embedded.fetch(outcome["batch_id"], tmp_path / "result.csv")
    embedded.fetch(outcome["batch_id"], tmp_path / "rejects.csv", "--rejects")
    checked = expected.check(sales.file, sales.reference, tmp_path / "result.csv", tmp_path / "rejects.csv")
    assert checked.records_in == outcome["records_in"] == RECORDS
    assert (checked.records_out, checked.rejects) == (outcome["records_out"], outcome["rejects"])
    manifest = json.loads(embedded.fetch(outcome["batch_id"], tmp_path / "manifest.json", "--manifest"))
    assert len(manifest["chunks"]) > 5
    (mail,) = embedded.mails(outcome["batch_id"])
    assert _download(mail["text"]) == (tmp_path / "result.csv").read_bytes()


def _download(text: str) -> bytes:
    """Fetch the first link of a mail as any HTTP client would."""
    with urllib.request.urlopen(_first_link(text), timeout=10) as answer:  # noqa: S310 - our own front door
        return answer.read()


def _first_link(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("http"))


def test_a_link_cannot_be_turned_to_another_file(embedded: Embedded, sales: Sent) -> None:
    (mail,) = embedded.mails(sales.outcome["batch_id"])

    with pytest.raises(urllib.error.HTTPError) as refused:
        _download(mail["text"].replace("result.csv", "manifest.json"))

    with refused.value as answer:
        assert answer.code == 403


def test_services_killed_all_the_time_change_nothing(embedded: Embedded, sales: Sent, tmp_path: Path) -> None:
    seed = int(os.environ.get("BATON_TEST_SEED", time.time_ns() % 10_000))  # noqa: TID251 - printed and repeatable
    print(f"seed {seed}: BATON_TEST_SEED={seed} repeats it")  # noqa: T201 - shown when the test fails
    dice = random.Random(seed)
    wanted = embedded.fetch(sales.outcome["batch_id"], tmp_path / "wanted.csv")
    admin, active = Admin(embedded.world.admin_endpoint), embedded.json("status")["active_region"]
    running = embedded.start("submit", str(sales.file), "--job", "sales", "--name", "killed.csv", "--watch", "--json")
    kills = 0

    def kill_until_done() -> bool:
        nonlocal kills
        if running.poll() is None and kills < 25:
            do(admin.kill(active, dice.choice(STAGES)))
            kills += 1
            time.sleep(dice.uniform(0.1, 0.7))  # noqa: TID251 - the monkey's own pace, not a wait for something
        return running.poll() is not None

    eventually(kill_until_done, seconds=200)
    outcome = json.loads(running.communicate()[0])

    assert kills >= 3
    assert outcome["state"] == "COMPLETED", (outcome, embedded.logs())
    assert embedded.fetch(outcome["batch_id"], tmp_path / "killed.csv") == wanted
    mails = embedded.mails(outcome["batch_id"])
    assert len({mail["message_id"] for mail in mails}) == 1
    assert len(mails) <= 2, "one, or a second one from the declared window"


@pytest.mark.usefixtures("sales")
def test_a_bad_file_fails_with_exit_status_2_and_is_mailed(embedded: Embedded, tmp_path: Path) -> None:
    file = tmp_path / "wrong.csv"
    file.write_text("uuid;Country\n1;Fiji\n")

    outcome = embedded.submit(file)

    assert (outcome["exit_status"], outcome["state"]) == (2, "FAILED")
    assert "are separated by semicolons" in outcome["reason"]
    (mail,) = embedded.mails(outcome["batch_id"])
    assert outcome["reason"] in mail["text"]


def test_the_mail_of_too_many_rejects_shows_them_and_its_link_downloads_them(
    embedded: Embedded, sales: Sent, tmp_path: Path
) -> None:
    file = tmp_path / "short.csv"
    file.write_bytes(sales.file.read_bytes().splitlines(keepends=True)[0] + b"1,2\n" * 50)

    outcome = embedded.submit(file)

    assert outcome["failure_code"] == "too_many_rejects", (outcome, embedded.logs())
    (mail,) = embedded.mails(outcome["batch_id"])
    assert "50  (the record): columns" in mail["text"]
    assert "record 1, the record, columns: 2 fields, expected 8" in mail["text"]
    header, *lines = _download(mail["text"]).splitlines()
    assert header.startswith(b"record_number,")
    assert len(lines) == 50


def test_any_name_and_any_header_pass_through(embedded: Embedded, tmp_path: Path) -> None:
    file = tmp_path / "notes.csv"
    file.write_bytes(b'name,text\r\na,"one\r\ntwo"\r\n')

    outcome = embedded.submit(file, job="passthrough", name="Ümläut + space (1).csv")

    assert outcome["state"] == "COMPLETED", (outcome, embedded.logs())
    assert embedded.fetch(outcome["batch_id"], tmp_path / "out.csv") == b'name,text\na,"one\r\ntwo"\n'


def test_the_replica_has_the_same_identity_and_the_result_is_in_both_regions(
    embedded: Embedded, tmp_path: Path
) -> None:
    file = tmp_path / "twice.csv"
    file.write_text("a\n1\n")

    outcome = embedded.submit(file, job="passthrough")

    home = outcome["owner_region"]
    other = next(region for region in embedded.world.regions if region != home)
    copies = client("s3", embedded.world.region_endpoints[other], other)
    eventually(lambda: _has(copies, bucket(other), outcome["result_key"]), seconds=120)
    do(Admin(embedded.world.admin_endpoint).cut(home))
    try:
        found = eventually(lambda: _fetched(embedded, outcome["batch_id"], tmp_path), seconds=120)
    finally:
        do(Admin(embedded.world.admin_endpoint).heal(home))
    assert found == b"a\n1\n", f"not served from {other}"
    assert len(embedded.json("batches")) >= 1


def _has(s3: Any, where: str, key: str) -> bool:
    return s3.list_objects_v2(Bucket=where, Prefix=key)["KeyCount"] > 0


def _fetched(embedded: Embedded, batch_id: str, folder: Path) -> bytes | None:
    target = folder / "from-the-other.csv"
    done = embedded.baton("fetch", batch_id, "-o", str(target))
    return target.read_bytes() if done.returncode == 0 else None
