"""Files in and out: what is refused before a byte is sent, and what is left on disk when a download breaks."""

import os
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from aio import run
from baton.checksums import crc64nvme
from baton.errors import NotFound, Unavailable
from baton.memory import MemoryObjectStore, Refusal
from baton.model.identity import batch_id_of
from baton.testing import virtual_time
from baton_cli.batches import files
from baton_cli.batches.files import Fetched, Submission
from baton_cli.reach.connection import Declined
from cli_world import AWAY, HOME, PUBLISHED, CliWorld, Silent, Unreachable, completed

KEY = PUBLISHED.result_key
BODY = b"a,b\n" + b"1,2\n" * 50_000


# --- in --------------------------------------------------------------------------------------------------------------


def test_a_submitted_file_is_named_by_its_key_and_version(tmp_path: Path) -> None:
    world = CliWorld()
    (tmp_path / "march.csv").write_bytes(b"a\n1\n")
    submission = files.prepare(tmp_path / "march.csv", job="sales", name=None, jobs=files.Jobs(world.catalog()))
    sent: list[int] = []

    submitted = run(files.submit(world.connection, submission, sent=sent.append))

    assert submission == Submission(tmp_path / "march.csv", "sales", "input/sales/march.csv", 4)
    assert submitted.batch_id == batch_id_of("input/sales/march.csv", submitted.version_id)
    assert run(world.home.objects.get(submitted.key, version_id=submitted.version_id)) == b"a\n1\n"
    assert sent == [2, 4]


def test_a_file_can_be_named_differently_over_there(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"")

    submission = files.prepare(
        tmp_path / "x", job="sales", name="2026/march é.csv", jobs=files.Jobs(CliWorld().catalog())
    )

    assert submission.key == "input/sales/2026/march é.csv"


def test_an_unknown_job_is_refused_with_the_known_ones_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"")
    catalog = CliWorld().catalog()

    forced = files.prepare(tmp_path / "x", job="sails", name=None, jobs=files.Jobs(catalog), force=True)

    assert forced.key == "input/sails/x"
    with pytest.raises(Declined, match="no job 'sails'; the jobs are: passthrough, sales"):
        files.prepare(tmp_path / "x", job="sails", name=None, jobs=files.Jobs(catalog))


@pytest.mark.parametrize(("path", "reason"), [("none.csv", "there is no file"), (".", "is a folder")])
def test_what_is_no_file_is_refused(tmp_path: Path, path: str, reason: str) -> None:
    with pytest.raises(Declined, match=reason):
        files.prepare(tmp_path / path, job="sales", name=None, jobs=files.Jobs(CliWorld().catalog()))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"")
    (tmp_path / "x").chmod(0)

    with pytest.raises(Declined, match="may not be read"):
        files.prepare(tmp_path / "x", job="sales", name=None, jobs=files.Jobs(CliWorld().catalog()))


@pytest.mark.parametrize("name", ["", "/x", "x/", "a//b", "a\nb", "a\0b", "x" * 1_020])
def test_a_name_that_cannot_be_a_key_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "x").write_bytes(b"")

    with pytest.raises(Declined, match="cannot be the name of an input"):
        files.prepare(tmp_path / "x", job="sales", name=name, jobs=files.Jobs(CliWorld().catalog()))


NEVER_DATA = ("_SUCCESS", "a_$folder$", "_temporary/x.csv", "2026/_temporary/0/x.csv", "_committed_7", "a/_started_7")


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        *((name, b"a\n1\n", "leave files of that name beside data") for name in NEVER_DATA),
        *((name, b"", "an empty file whose name begins with _ or .") for name in (".keep", "_x.csv", "a/.x")),
    ],
)
def test_a_name_that_no_batch_is_made_of_is_refused(tmp_path: Path, name: str, body: bytes, reason: str) -> None:
    (tmp_path / "x").write_bytes(body)

    with pytest.raises(Declined, match=f"would never become a batch: .*{reason}.*; give it another name"):
        files.prepare(tmp_path / "x", job="sales", name=name, jobs=files.Jobs(CliWorld().catalog()))


def test_a_job_that_no_batch_is_made_of_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"a\n")

    with pytest.raises(Declined, match="would never become a batch"):
        files.prepare(tmp_path / "x", job="_temporary", name=None, jobs=files.Jobs(CliWorld().catalog()), force=True)


@pytest.mark.parametrize(("name", "body"), [("_x.csv", b"a\n1\n"), ("empty.csv", b""), (".x", b"a\n")])
def test_a_name_that_only_looks_like_a_marker_is_sent(tmp_path: Path, name: str, body: bytes) -> None:
    (tmp_path / name).write_bytes(body)

    submission = files.prepare(tmp_path / name, job="sales", name=None, jobs=files.Jobs(CliWorld().catalog()))

    assert submission.key == f"input/sales/{name}"


# --- out -------------------------------------------------------------------------------------------------------------


class _Broken(MemoryObjectStore):
    """A store whose streams end early, or die."""

    def __init__(self, world: CliWorld, *, dies: bool) -> None:
        super().__init__(world.clock)
        self._dies = dies

    async def read(
        self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes]:
        pieces = super().read(key, version_id=version_id, start=start, end=end)
        yield await anext(pieces)
        if self._dies:
            raise Unavailable("connection reset")


def _fetch(world: CliWorld, path: Path, *, body: bytes = BODY, checksum: str | None = None) -> Fetched:
    async def work() -> Fetched:
        for region in (world.home, world.away):
            await region.objects.put(KEY, body)
        return await files.fetch(world.connection, world.batch(**completed()), KEY, path, checksum=checksum)

    return virtual_time.run(work())


def test_a_result_is_fetched_whole_from_the_owner_region(tmp_path: Path) -> None:
    checksum = f"{crc64nvme(BODY):016x}"

    fetched = _fetch(CliWorld(), tmp_path / "r.csv", checksum=checksum)

    assert fetched == Fetched(KEY, tmp_path / "r.csv", len(BODY), HOME)
    assert (tmp_path / "r.csv").read_bytes() == BODY
    assert list(tmp_path.iterdir()) == [tmp_path / "r.csv"]


def test_an_empty_object_is_fetched_too(tmp_path: Path) -> None:
    _fetch(CliWorld(), tmp_path / "r.csv", body=b"")

    assert (tmp_path / "r.csv").read_bytes() == b""


def test_a_fetched_file_is_readable_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"")

    _fetch(CliWorld(), tmp_path / "r.csv")

    assert (tmp_path / "r.csv").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("lost", [Unreachable(), Silent()])
def test_a_result_is_fetched_from_the_other_region_if_the_owner_does_not_answer(
    tmp_path: Path, lost: Unreachable | Silent
) -> None:
    world = CliWorld()
    world.lose(HOME, lost)

    assert _fetch(world, tmp_path / "r.csv").region == AWAY


@pytest.mark.parametrize("by", [Refusal.FORBIDDEN, Refusal.KMS, Refusal.ARCHIVED])
def test_a_result_is_fetched_from_the_other_region_if_the_owner_refuses_it(tmp_path: Path, by: Refusal) -> None:
    world = CliWorld()
    world.home.objects.refusals.refuse("read", by=by)

    assert _fetch(world, tmp_path / "r.csv").region == AWAY


@pytest.mark.parametrize("dies", [True, False])
def test_a_download_that_breaks_off_goes_to_the_other_region(tmp_path: Path, dies: bool) -> None:  # noqa: FBT001 - a case
    world = CliWorld()
    world.home.objects = _Broken(world, dies=dies)
    world.lose(HOME, world.home.objects, "objects")

    fetched = _fetch(world, tmp_path / "r.csv")

    assert fetched.region == AWAY
    assert (tmp_path / "r.csv").read_bytes() == BODY
    assert list(tmp_path.iterdir()) == [tmp_path / "r.csv"]


def test_a_download_that_fails_everywhere_leaves_the_old_file_untouched(tmp_path: Path) -> None:
    world = CliWorld()
    (tmp_path / "r.csv").write_bytes(b"old")

    with pytest.raises(NotFound, match=f"{HOME}: its checksum .* {AWAY}: its checksum"):
        _fetch(world, tmp_path / "r.csv", checksum="0" * 16)

    assert (tmp_path / "r.csv").read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [tmp_path / "r.csv"]


def test_an_object_that_is_nowhere_is_said_to_be(tmp_path: Path) -> None:
    world = CliWorld()

    with pytest.raises(NotFound, match=f"{HOME}: it is not there; {AWAY}: it is not there"):
        run(files.fetch(world.connection, world.batch(**completed()), KEY, tmp_path / "r.csv"))


def test_a_path_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Declined, match="cannot be written: No such file or directory"):
        _fetch(CliWorld(), tmp_path / "none" / "r.csv")
