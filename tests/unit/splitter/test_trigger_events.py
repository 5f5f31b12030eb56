"""S3 events as AWS sends them."""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.catalog import load_jobs
from baton.errors import Unavailable
from baton.model.states import BatchState
from pipeline import Pipeline
from splitter.admission import Admitter
from splitter.trigger import admit_all, created_objects

PAYLOADS = Path(__file__).parents[2] / "payloads"
NAME = "input/sales/Ümläut a+b (100%).csv"


def _event(name: str) -> dict[str, Any]:
    return json.loads((PAYLOADS / name).read_text())


def test_a_created_object_is_found_under_its_real_name_and_version() -> None:
    found = list(created_objects(_event("s3_object_created.json")))

    assert found == [(NAME, "096fKKXTRTtl3on89fVO.nfljtsv6qko")]


def test_the_event_that_s3_sends_when_a_notification_is_made_holds_nothing() -> None:
    assert list(created_objects(_event("s3_test_event.json"))) == []


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1))
def test_any_key_survives_the_encoding_of_events(key: str) -> None:
    record = {"eventName": "ObjectCreated:Put", "s3": {"object": {"key": quote_plus(key), "versionId": "v"}}}

    assert list(created_objects({"Records": [record]})) == [(key, "v")]


def test_an_event_admits_its_object_once_however_often_it_comes() -> None:
    async def story() -> tuple[list[int], int, BatchState]:
        pipeline = Pipeline(load_jobs("baton_jobs"))
        info = await pipeline.region.objects.put(NAME, b"a\n1\n")
        event = _event("s3_object_created.json")
        event["Records"][0]["s3"]["object"]["versionId"] = info.version_id
        admitted = [await admit_all(event, pipeline.process.admitter) for _ in range(3)]
        open_batches = (await pipeline.region.ledger.list_open()).batches
        return admitted, len(open_batches), open_batches[0].state

    assert asyncio.run(story()) == ([1, 1, 1], 1, BatchState.ADMITTED)


def test_an_unreachable_ledger_fails_the_event_so_that_lambda_tries_it_again() -> None:
    class Unreachable(Admitter):
        async def admit(self, key: str, version_id: str | None) -> None:
            raise Unavailable(f"ledger: timed out while {key} {version_id} was admitted")

    with pytest.raises(Unavailable):
        asyncio.run(admit_all(_event("s3_object_created.json"), Unreachable.__new__(Unreachable)))


def test_one_object_that_cannot_be_admitted_keeps_no_other_of_its_event_from_it() -> None:
    class Picky(Admitter):
        def __init__(self) -> None:
            self.tried: list[str] = []

        async def admit(self, key: str, version_id: str | None) -> None:
            self.tried.append(key)
            if key == "a":
                raise RuntimeError(f"{key} {version_id}: encrypted with a key of the customer's own")

    records = [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": key}}} for key in "ab"]
    admitter = Picky()

    with pytest.raises(RuntimeError):
        asyncio.run(admit_all({"Records": records}, admitter))

    assert admitter.tried == ["a", "b"]
