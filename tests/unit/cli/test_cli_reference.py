"""Reference data: what of a file is refused, what is published, and which versions are removed."""

import gzip
import tracemalloc
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from aio import run
from baton.job import DEADLINE_MINUTES_MAX
from baton.memory import MemoryReferenceData
from baton.model.states import BatchState
from baton.ports import ReferenceVersion, Row
from baton.requests import PAGE_BATCHES
from baton_cli.batches import actions, reference
from baton_cli.reach.connection import Declined
from cli_world import CliWorld


def test_a_reference_file_is_published_in_both_regions_under_a_digest_of_its_rows(tmp_path: Path) -> None:
    world = CliWorld()
    (tmp_path / "f.csv").write_bytes('\ufeffname,id\r\n"a\u2028b",1\r\n\r\n"c\nd",2\r\n'.encode())

    loaded = reference.read("financial", tmp_path / "f.csv", key="id")
    run(reference.publish(world.connection, loaded))

    version = ReferenceVersion("financial", loaded.version.version, rows=2, columns=("name", "id"))
    assert loaded.version == version
    assert len(version.version) == 12
    for region in (world.home, world.away):
        assert run(region.reference.current("financial")) == version
        assert run(region.reference.load(version)) == {
            "1": {"name": "a\u2028b", "id": "1"},
            "2": {"name": "c\nd", "id": "2"},
        }
    assert run(reference.current(world.connection, "financial")) == version


def test_another_content_is_another_version(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("id\n1\n")
    (tmp_path / "2.csv").write_text("id\n2\n")

    versions = {reference.read("d", tmp_path / name, key="id").version.version for name in ("1.csv", "2.csv")}

    assert len(versions) == 2


def test_what_rows_mean_is_their_version_and_not_how_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"

    def version(body: str, key: str = "id") -> str:
        path.write_bytes(body.encode())
        return reference.read("d", path, key=key).version.version

    same = {version(body) for body in ("id,n\n1,a\n", "\ufeffid,n\r\n1,a", '"id","n"\n\n"1","a"\n')}
    others = [version("id,n\n1,a\n", key="n"), version("id,m\n1,a\n"), version("n,id\na,1\n"), version("id,n\n1,b\n")]

    assert len(same) == 1
    assert len({*same, *others}) == 5


def test_a_table_loaded_by_the_wrong_column_is_loaded_by_the_right_one(tmp_path: Path) -> None:
    world = CliWorld()
    (tmp_path / "f.csv").write_text("Account,IBAN,owner\nA1,I1,x\nA2,I2,y\n")

    async def load(key: str) -> Mapping[str, Row]:
        await reference.publish(world.connection, reference.read("accounts", tmp_path / "f.csv", key=key))
        return await world.home.reference.load(await reference.current(world.connection, "accounts"))

    assert [sorted(run(load(key))) for key in ("IBAN", "Account", "IBAN")] == [["I1", "I2"], ["A1", "A2"], ["I1", "I2"]]


class _Loads:
    """Loads one version after another of a data set into both Regions."""

    def __init__(self, path: Path) -> None:
        self.world = world = CliWorld()
        world.home.reference, world.away.reference = (MemoryReferenceData(world.clock) for _ in range(2))
        world.connection = replace(world.connection, references=(world.home.reference, world.away.reference))
        self._path = path
        self.names: list[str] = []

    def load(self) -> Sequence[str]:
        self._path.write_text(f"id\n{len(self.names)}\n")
        file = reference.read("d", self._path, key="id")
        self.names.append(file.version.version)
        self.world.clock.advance(1)
        return run(reference.publish(self.world.connection, file))

    def are_there(self) -> list[bool]:
        return [run(self.world.away.reference.describe("d", name)) is not None for name in self.names]


def test_versions_that_no_batch_uses_any_more_are_removed_with_the_next_load(tmp_path: Path) -> None:
    loads = _Loads(tmp_path / "f.csv")

    removed = [loads.load(), loads.load()]
    loads.world.clock.advance((reference.REPLACED_VERSIONS_KEPT - timedelta(days=1)).total_seconds())
    removed.append(loads.load())
    loads.world.clock.advance(2 * 86_400)
    removed.append(loads.load())

    assert removed == [[], [], [], loads.names[:1]]
    assert loads.are_there() == [False, True, True, True]


def test_no_version_is_removed_that_an_open_batch_may_be_pinned_to(tmp_path: Path) -> None:
    loads = _Loads(tmp_path / "f.csv")
    world = loads.world
    loads.load()
    loads.load()
    world.clock.advance(2 * 86_400)
    # It was planned with the second version, and is not processed: nobody was there to end it by its deadline.
    batch = world.batch()
    run(world.admit(batch))
    loads.load()
    world.clock.advance(100 * 86_400)
    # Newer ones stand before it on the list: it is on the second page.
    newer = [world.batch(f"newer-{number}") for number in range(PAGE_BATCHES)]
    for each in newer:
        run(world.admit(each))

    assert loads.load() == loads.names[:1]
    assert loads.are_there() == [False, True, True, True]

    world.clock.advance(100 * 86_400)
    for each in (batch, *newer):
        run(world.ledger.update(each, each.moved(BatchState.CANCELLED, at=world.clock.now(), by="x")))
    assert loads.load() == sorted(loads.names[1:3])


def test_a_batch_that_is_retried_later_than_replaced_versions_are_kept_is_refused() -> None:
    assert actions.RETRIED_AGE_MAX + timedelta(minutes=DEADLINE_MINUTES_MAX) <= reference.REPLACED_VERSIONS_KEPT


def test_memory_does_not_grow_with_the_rows_of_a_reference_file(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    with path.open("w") as file:
        file.write("id,text\n")
        file.writelines(f"{n},{'x' * 1_000}\n" for n in range(20_000))

    tracemalloc.start()
    try:
        loaded = reference.read("d", path, key="id")
        assert sum(1 for _ in loaded.rows) == 20_000
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak_bytes < 5_000_000, "20 MB of rows, 20,000 keys"


def test_a_reference_file_that_changes_while_it_is_loaded_is_refused(tmp_path: Path) -> None:
    world = CliWorld()
    path = tmp_path / "f.csv"
    path.write_text("id\n1\n2\n")
    loaded = reference.read("d", path, key="id")
    path.write_text("id\n1\n")

    with pytest.raises(Declined, match=r"f\.csv: d@.*1 rows given, 2 announced"):
        run(reference.publish(world.connection, loaded))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "needs a column 'id', each name once, between commas; it has: nothing"),
        (b"id;n\n1;a\n", "between commas; it has: id;n"),
        ("id,n\n1,a\n".encode("utf-16"), "is UTF-16: save it as UTF-8"),
        (gzip.compress(b"id,n\n1,a\n", mtime=0), "is not CSV text but a gzip file: unpack it"),
        (b"key\n1\n", "needs a column 'id'.* it has: key"),
        (b"id,id\n1,2\n", "each name once"),
        (b"id,n\n1,a\n1,b\n", "line 3: the key '1' is there twice"),
        (b"id,n\n,a\n", "line 2: the key '' is empty"),
        (b"id,n\n1\n", "line 2 has 1 fields, the header 2"),
        (b'id\n"1', "is no UTF-8 CSV file"),
        ("id;Straße\n1;a\n".encode("cp1252"), "byte 0xdf is no UTF-8: save it as .CSV UTF-8., with commas"),
        (b"id\n\xff\n", "line 2: byte 0xff is no UTF-8"),
        pytest.param(
            b"id\n" + b"".join(b"%d\n" % n for n in range(9_000)) + b"\xff\n",
            "line 9002: byte 0xff is no UTF-8",
            id="a wrong byte behind 9,000 lines",
        ),
        (b'id,n\n1,a\n2,"b\n', "in the record that begins at line 3: unexpected end of data"),
        pytest.param(
            b'id,n\n1,"' + 60_000 * b"twenty bytes of text\n",
            "begins at line 2 has more than 1,048,576 characters",
            id="a record of more than a mebibyte",  # which is no part of a test's name
        ),
        (b"id,n\n1,a\n\n2,b\0c\n", "line 4: the column 'n' holds a NUL"),
        (b"id,n\n1\0,a\n", "line 2: the column 'id' holds a NUL"),
        (b'id,v,w\n1,"a,x\n2,c,d\n3,e,f\n4,g",h\n5,i,j\n', "lines 2 to 5: quotes hold 3 more lines that look like rec"),
        (b'id,v,w\r1,"a,x\r2,c,d\r3,e,f\r4,g",h\r5,i,j\r', "lines 2 to 5: quotes hold 3 more lines that look like rec"),
        (b'id,v,w,x\r\n1,a,b,"c\r\n2,a,b,c"\r\n', "lines 2 to 3: quotes hold 1 more line that looks like a record"),
        (b'id,v,w\n1,"a,x\n2,c,d\n3,e,f\n4,g"\n', "lines 2 to 5: quotes hold 3 more lines"),
    ],
)
def test_a_file_that_is_no_reference_data_is_refused(tmp_path: Path, body: bytes, reason: str) -> None:
    (tmp_path / "f.csv").write_bytes(body)

    with pytest.raises(Declined, match=reason):
        reference.read("d", tmp_path / "f.csv", key="id")


@pytest.mark.parametrize("body", ['id,text\n1,"two\nlines, with a comma"\n', 'id,text\n1,"a\n\nb"\n2,"c\rd"\n'])
def test_honest_text_in_several_lines_is_loaded(tmp_path: Path, body: str) -> None:
    (tmp_path / "f.csv").write_bytes(body.encode())

    assert len(list(reference.read("d", tmp_path / "f.csv", key="id").rows)) == body.count('"') // 2


def test_text_that_looks_like_rows_is_loaded_where_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text('id,v,w\n1,"a,x\n2,c,d\n3,e,f\n4,g",h\n5,i,j\n')

    loaded = reference.read("d", tmp_path / "f.csv", key="id", lines_in_fields=True)

    assert [key for key, _ in loaded.rows] == ["1", "5"]


def test_a_row_may_be_as_large_as_a_table_takes_it(tmp_path: Path) -> None:
    world = CliWorld()
    path = tmp_path / "f.csv"
    path.write_text(f"id,n\n1,{'x' * 199_999}\n")

    run(reference.publish(world.connection, reference.read("d", path, key="id")))

    path.write_text(f"id,n\n1,{'x' * 200_000}\n")
    loaded = reference.read("d", path, key="id")
    with pytest.raises(Declined, match="row '1' has 200,001 bytes, more than 200,000"):
        run(reference.publish(world.connection, loaded))


def test_blank_lines_before_a_reference_header_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_bytes(b"\xef\xbb\xbf\r\n\n\nid,n\n\n1,a\n")

    loaded = reference.read("d", tmp_path / "f.csv", key="id")

    assert list(loaded.rows) == [("1", {"id": "1", "n": "a"})]


def test_names_of_reference_columns_are_compared_in_composed_form(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text(unicodedata.normalize("NFD", "Größe,für\n1,ü\n"), encoding="utf-8-sig")

    loaded = reference.read("d", tmp_path / "f.csv", key=unicodedata.normalize("NFD", "Größe"))

    assert loaded.version.columns == ("Größe", "für")
    assert list(loaded.rows) == [("1", {"Größe": "1", "für": unicodedata.normalize("NFD", "ü")})], "values stay"


def test_keys_are_compared_in_composed_form_and_values_stay(tmp_path: Path) -> None:
    apart = unicodedata.normalize("NFD", "Köln")
    path = tmp_path / "f.csv"
    path.write_text(f"id,n\n{apart},a\n", encoding="utf-8")

    loaded = reference.read("d", path, key="id")

    assert list(loaded.rows) == [("Köln", {"id": apart, "n": "a"})]
    path.write_text("id,n\nKöln,a\n", encoding="utf-8")
    assert reference.read("d", path, key="id").version != loaded.version
    path.write_text(f"id,n\n{apart},a\nKöln,b\n", encoding="utf-8")
    with pytest.raises(Declined, match=r"line 3: the key 'Köln' is there twice"):
        reference.read("d", path, key="id")


def test_a_missing_reference_file_and_a_missing_data_set_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Declined, match="cannot be read: No such file"):
        reference.read("d", tmp_path / "f.csv", key="id")
    with pytest.raises(Declined, match="there is no data set 'd'"):
        run(reference.current(CliWorld().connection, "d"))
