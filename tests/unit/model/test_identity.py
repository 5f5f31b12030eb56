"""Names that must be the same in both Regions and for ever: changing one of these loses batches in flight."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.model.identity import ORIGIN_VERSION_METADATA, batch_id_of, next_epoch, origin_version, owner_of
from baton.model.paths import archive_key, input_key, output_prefix, parse_input_key, part_key
from baton.topology import REGIONS_DEFAULT


def test_a_batch_has_the_same_name_for_ever() -> None:
    assert batch_id_of("input/sales/july.csv", "3sL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY") == "fc69b37e36a262b2fe16"


def test_a_replica_has_the_name_of_its_original() -> None:
    replica = origin_version("version-here", {ORIGIN_VERSION_METADATA: "version-there"})

    assert replica == origin_version("version-there", {})


@given(st.text(), st.text(), st.text(), st.text())
def test_another_key_or_version_is_another_batch(key: str, version: str, key2: str, version2: str) -> None:
    same = (key, version) == (key2, version2)

    if "\0" not in key + key2:
        assert (batch_id_of(key, version) == batch_id_of(key2, version2)) is same


@given(st.integers(0, 10**6), st.sampled_from(REGIONS_DEFAULT))
def test_the_next_epoch_is_greater_belongs_to_its_region_and_is_never_shared(epoch: int, region: str) -> None:
    other = next(each for each in REGIONS_DEFAULT if each != region)

    mine, theirs = next_epoch(epoch, region, REGIONS_DEFAULT), next_epoch(epoch, other, REGIONS_DEFAULT)

    assert epoch < mine <= epoch + 2
    assert owner_of(mine, REGIONS_DEFAULT) == region
    assert mine != theirs


@pytest.mark.parametrize(
    ("key", "parsed"),
    [
        ("input/sales/july.csv", ("sales", "july.csv")),
        ("input/sales/2026/07/july.csv", ("sales", "2026/07/july.csv")),
        ("input/july.csv", ("", "july.csv")),
        ("input/sales/", None),
        ("output/sales/july.csv", None),
    ],
)
def test_an_input_key_names_job_and_file(key: str, parsed: tuple[str, str] | None) -> None:
    assert parse_input_key(key) == parsed


def test_keys_are_where_they_always_were() -> None:
    assert input_key("sales", "a/b.csv") == "input/sales/a/b.csv"
    assert part_key("b", "p", 7) == "work/b/p/parts/00007.csv"
    assert output_prefix("sales", "b", 4, "p") == "output/sales/b/e4-p/"
    assert archive_key("sales", "b", "a/b.csv") == "archive/sales/b/a/b.csv"


def test_the_longest_name_that_s3_takes_can_be_archived() -> None:
    name = "ä" * ((1_024 - len("input/sales/") - len(".csv")) // 2) + ".csv"

    key = archive_key("sales", "0" * 20, name)

    assert 1_000 < len(key.encode()) <= 1_024
    assert key.startswith("archive/sales/00000000000000000000/ä")
    assert key.endswith("ä.csv")
