"""Names that must be the same in both Regions and never change: changing one loses batches in flight."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.model.identity import (
    ORIGIN_VERSION_METADATA,
    batch_id_of,
    is_canary_id,
    next_epoch,
    origin_version,
    owner_of,
)
from baton.model.paths import (
    REPLICATED,
    archive_key,
    canary_key,
    canary_region,
    chunk_of,
    input_key,
    output_prefix,
    parse_input_key,
    part_key,
    parts_of_chunk,
    plan_key,
    rejects_part_key,
)
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
    key = part_key("b", "p", 7, 0xAB)
    assert key == "work/b/p/parts/00007-00000000000000ab.csv"
    assert key.startswith(parts_of_chunk("b", "p", 7))
    assert (chunk_of(key), chunk_of(rejects_part_key("b", "p", 12, 1))) == (7, 12)
    assert output_prefix("sales", "b", 4, "p") == "output/sales/b/e4-p/"
    assert archive_key("sales", "b", "a/b.csv") == "archive/sales/b/a/b.csv"


def test_the_longest_name_that_s3_takes_can_be_archived() -> None:
    name = "ä" * ((1_024 - len("input/sales/") - len(".csv")) // 2) + ".csv"

    key = archive_key("sales", "0" * 20, name)

    assert 1_000 < len(key.encode()) <= 1_024
    assert key.startswith("archive/sales/00000000000000000000/ä")
    assert key.endswith("ä.csv")


def test_a_canary_is_told_by_its_id() -> None:
    canary, batch = batch_id_of("canary/us-east-1/x.csv", "v"), batch_id_of("input/canary/x.csv", "v")

    assert is_canary_id(canary)
    assert not is_canary_id(batch)
    assert len(canary) == len("canary-") + 20


def test_everything_made_of_a_canary_lies_in_one_folder_that_is_not_replicated() -> None:
    canary = batch_id_of(canary_key("us-east-1", "x"), "v")
    keys = [
        plan_key(canary, "p"),
        part_key(canary, "p", 0, 1),
        rejects_part_key(canary, "p", 0, 1),
        output_prefix("canary", canary, 2, "p"),
    ]

    assert all(key.startswith(f"canary-work/{canary}/") for key in keys)
    assert len(set(keys)) == 4
    assert not any(key.startswith(REPLICATED) for key in (*keys, canary_key("us-east-1", "x")))


@pytest.mark.parametrize(
    ("key", "region"),
    [
        ("canary/us-east-1/x.csv", "us-east-1"),
        ("canary/us-east-1/a/b.csv", "us-east-1"),
        ("canary/x.csv", None),
        ("canary//x.csv", None),
        ("canary/us-east-1/", None),
        ("canary-work/us-east-1/x.csv", None),
        ("input/canary/us-east-1/x.csv", None),
    ],
)
def test_a_canary_names_its_region(key: str, region: str | None) -> None:
    assert canary_region(key) == region
    parsed = parse_input_key(key)
    assert (parsed is not None and parsed.job == "canary") == (region is not None or key.startswith("input/"))
